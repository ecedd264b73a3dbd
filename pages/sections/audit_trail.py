"""The audit trail with its filters, a page at a time."""

from datetime import UTC, date, datetime, time
from typing import Any, get_args

import streamlit as st
from pandas import DataFrame, Timestamp
from streamlit import column_config as column

from core.auth import sessions
from core.auth.audit import Action
from core.auth.identity import Identity, require_role
from core.exports import csv
from core.queries import audit
from core.queries.audit import EventFilter, PageCursor
from pages.components import export, query_params
from pages.components.as_of import end_of_day
from pages.components.format import UNKNOWN, number
from pages.components.table import without_attrs

ACTION_LABELS = {
    "sign_in": "signed in",
    "sign_in_refused": "was refused at sign-in",
    "sign_out": "signed out",
    "session_ended": "ended sessions",
    "refresh_token_reused": "reused a refresh token",
    "registered": "registered",
    "password_changed": "changed the password",
    "password_reset": "set a new password by link",
    "reset_link_created": "created a reset link",
    "invite_created": "invited",
    "invite_withdrawn": "withdrew an invitation",
    "role_changed": "changed the role",
    "person_deactivated": "deactivated",
    "person_activated": "activated",
    "person_created": "added",
    "api_key_created": "made an API key",
    "api_key_revoked": "revoked an API key",
    "account_tracked": "tracked",
    "account_untracked": "stopped tracking",
    "tracking_changed": "changed how it is tracked",
    "tracking_request_declined": "declined a tracking request",
    "ingestion_started": "started ingestion",
    "ingestion_cancelled": "cancelled ingestion",
    "alert_rule_changed": "changed an alert rule",
    "webhook_changed": "changed a webhook",
}
# The address holds what a reader reads.
ACTION_BY_LABEL = {ACTION_LABELS.get(word, word.replace("_", " ")): word for word in get_args(Action)}
PAGE_CURSORS_KEY, FILTERS_KEY = "trail-back", "trail-wanted"
COLUMNS = {
    "at": column.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC", width=150),
    "actor": column.TextColumn("Who", width=130),
    "what": column.TextColumn("Did", width=160),
    "target": column.TextColumn("Whom or what", width=130),
    "ip_address": column.TextColumn("From", width=120),
    "details": column.TextColumn("Details", width=240),
    "request_id": column.TextColumn("Request", width=140, help="As in the log"),
}


def show(admin: Identity) -> None:
    """Draw the filters, one page of what fits them, and the way to the others."""
    wanted = read_filters()
    if st.session_state.get(FILTERS_KEY) != wanted:
        st.session_state[FILTERS_KEY], st.session_state[PAGE_CURSORS_KEY] = wanted, []
    back: list[PageCursor] = st.session_state[PAGE_CURSORS_KEY]
    found, total = audit.list_events(wanted, back[-1] if back else None), audit.count_events(wanted)
    if found.empty:
        st.info("Nothing in the trail fits this.", icon=":material/search_off:")
        return
    st.dataframe(
        without_attrs(with_labels(found)[list(COLUMNS)]),
        column_config=COLUMNS,
        hide_index=True,
        placeholder=UNKNOWN,
        height=min(560, 35 * (len(found) + 1) + 3),
        alt="The audit trail, newest first",
        key="trail",
    )
    with st.container(horizontal=True, vertical_alignment="center", key="line-trail"):
        show_page_buttons(found, total, back)
        show_csv_button(admin, wanted)


def read_filters() -> EventFilter:
    told = query_params.invalid_choices("did", list(ACTION_BY_LABEL))
    with st.container(horizontal=True, vertical_alignment="bottom", key="trail-filters"):
        who = st.text_input("Who", key="by", bind="query-params", max_chars=100, placeholder="Anybody", width=130)
        did = st.selectbox(
            "Did",
            list(ACTION_BY_LABEL),
            index=None,
            key="did",
            bind="query-params",
            placeholder="Anything",
            width=190,
        )
        since = _date_input("From", "since")
        until = _date_input("To", "until")
        search = st.text_input(
            "Search", key="find", bind="query-params", max_chars=100, placeholder="Names, details, address", width=200
        )
    query_params.show_invalid_parameters(told)
    return EventFilter(
        who=who.strip(),
        action=ACTION_BY_LABEL.get(did or "", ""),
        since=datetime.combine(since, time.min, UTC) if since else None,
        until=end_of_day(until) if until else None,
        search=search.strip(),
    )


def _date_input(label: str, key: str) -> date | None:
    chosen: Any = st.date_input(label, value=None, key=key, bind="query-params", format="YYYY-MM-DD", width=140)
    return chosen


def with_labels(found: DataFrame) -> DataFrame:
    return found.assign(
        what=found["action"].map(lambda word: ACTION_LABELS.get(word, word.replace("_", " "))),
        details=found["details"].map(lambda text: text.strip("{}").replace('"', ""), na_action="ignore"),
    )


def show_page_buttons(found: DataFrame, total: int, back: list[PageCursor]) -> None:
    first = len(back) * audit.PAGE_SIZE + 1
    of = f"more than {number(audit.MAX_COUNTED)}" if total > audit.MAX_COUNTED else number(total)
    st.caption(f"{number(first)}–{number(first + len(found) - 1)} of {of}")
    last = found.iloc[-1]
    place = PageCursor(Timestamp(last["at"]).to_pydatetime(), int(last["id"]))
    st.button(
        "Newer",
        icon=":material/chevron_left:",
        type="tertiary",
        disabled=not back,
        on_click=back.pop,
        key="trail-newer",
    )
    st.button(
        "Older",
        icon=":material/chevron_right:",
        type="tertiary",
        disabled=len(found) < audit.PAGE_SIZE,
        on_click=lambda: back.append(place),
        key="trail-older",
    )


def show_csv_button(admin: Identity, wanted: EventFilter) -> None:
    """Offer all that fits as a file; the query runs once somebody asks, and it counts as an export."""
    permit: export.ExportPermit = st.session_state.setdefault("permit-trail", export.ExportPermit())

    def written() -> bytes:
        permit.wait_until_allowed()
        return csv(events_to_export(admin, wanted))

    st.download_button(
        "CSV",
        data=written,
        file_name=f"almanac-audit-{datetime.now(UTC):%Y-%m-%d}.csv",
        mime="text/csv",
        icon=":material/download:",
        type="tertiary",
        on_click=export.check_export_limit,
        args=(permit,),
        help=f"Download all that fits, at most {number(audit.MAX_EXPORTED)} events",
        key="trail-csv",
    )


def events_to_export(admin: Identity, wanted: EventFilter) -> DataFrame:
    """All events that fit. Who asks is looked at again: a page may stand open for long."""
    live = sessions.get_live(admin.session_id) if admin.session_id else None
    require_role(live.identity if live else None, "admin")
    return audit.list_events(wanted, most=audit.MAX_EXPORTED).drop(columns="id")
