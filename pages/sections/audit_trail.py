"""The audit trail with its filters, one page at a time."""

from collections.abc import Mapping
from datetime import UTC, datetime, time

import streamlit as st
from pandas import DataFrame, Timestamp
from streamlit import column_config as column

from core.as_of import end_of_day
from core.auth import sessions
from core.auth.audit import Action
from core.auth.identity import Identity, require_role
from core.export.table_files import spreadsheet_csv
from core.queries import audit
from core.queries.audit import EventFilter, PageCursor
from pages.components import export, query_params
from pages.components.format import number
from pages.components.table import show_table
from pages.session import guard

ACTION_LABELS: Mapping[Action, str] = {
    "sign_in": "signed in",
    "sign_in_refused": "was refused at sign-in",
    "sign_out": "signed out",
    "session_ended": "ended sessions",
    "refresh_token_reused": "reused an old refresh token",
    "registered": "registered",
    "password_changed": "changed the password",
    "password_reset": "set a new password by link",
    "reset_link_created": "created a reset link",
    "invite_created": "invited",
    "invite_withdrawn": "revoked an invitation",
    "role_changed": "changed the role",
    "person_deactivated": "deactivated",
    "person_activated": "activated",
    "person_created": "added",
    "api_key_created": "created an API key",
    "api_key_revoked": "revoked an API key",
    "feed_token_created": "created a feed token",
    "feed_token_revoked": "revoked a feed token",
    "account_tracked": "tracked",
    "account_untracked": "stopped tracking",
    "tracking_changed": "changed tracking settings",
    "tracking_request_declined": "declined a tracking request",
    "ingestion_started": "started ingestion",
    "ingestion_cancelled": "cancelled ingestion",
    "alert_rule_changed": "changed an alert rule",
    "collection_changed": "changed a collection",
    "webhook_changed": "changed a webhook",
    "number_reported": "reported a number",
    "report_closed": "closed a report",
    "backup_restored": "restored a backup",
}
# The URL holds the label, not the code.
ACTION_BY_LABEL = {label: action for action, label in ACTION_LABELS.items()}
PAGE_CURSORS_KEY, FILTERS_KEY = "trail-cursors", "trail-filter"
COLUMNS = {
    "at": column.DatetimeColumn("When, UTC", format="YYYY-MM-DD HH:mm:ss", timezone="UTC", width=150),
    "actor": column.TextColumn("Who", width=130),
    "what": column.TextColumn("Action", width=160),
    "target": column.TextColumn("Target", width=130),
    "ip_address": column.TextColumn("IP address", width=120),
    "details": column.TextColumn("Details", width=240),
    "request_id": column.TextColumn("Request", width=140, help="The request id, as in the log"),
}


def show(admin: Identity) -> None:
    """Draw the filters, one page of the matching events, and buttons to the other pages."""
    event_filter = read_filters()
    if st.session_state.get(FILTERS_KEY) != event_filter:
        st.session_state[FILTERS_KEY], st.session_state[PAGE_CURSORS_KEY] = event_filter, []
    cursors: list[PageCursor] = st.session_state[PAGE_CURSORS_KEY]
    found = audit.list_events(event_filter, cursors[-1] if cursors else None)
    total = audit.count_events(event_filter)
    if found.empty:
        st.info("No events match these filters.", icon=":material/search_off:")
        return
    show_table(
        with_labels(found), COLUMNS, max_height=560, alt="The audit trail, newest first", key="trail", exported=False
    )
    with st.container(horizontal=True, vertical_alignment="center", key="line-trail"):
        show_page_buttons(found, total, cursors)
        show_csv_button(admin, event_filter)


def read_filters() -> EventFilter:
    now = datetime.now(UTC)
    query_params.show_invalid_parameters(
        query_params.invalid_choices("did", list(ACTION_BY_LABEL)),
        query_params.invalid_days("since", now),
        query_params.invalid_days("until", now),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="trail-filters"):
        who = query_params.text_input("Who", key="by", placeholder="Anyone", width=130)
        action = st.selectbox(
            "Action",
            list(ACTION_BY_LABEL),
            index=None,
            key="did",
            bind="query-params",
            placeholder="Any action",
            width=190,
        )
        since = query_params.day_input("From", key="since", now=now, width=140)
        until = query_params.day_input("To", key="until", now=now, width=140)
        search = query_params.text_input("Search", key="find", placeholder="Names, details, IP address", width=200)
    return EventFilter(
        who=who,
        action=ACTION_BY_LABEL.get(action or "", ""),
        since=datetime.combine(since, time.min, UTC) if since else None,
        until=end_of_day(until) if until else None,
        search=search,
    )


def with_labels(found: DataFrame) -> DataFrame:
    return found.assign(
        what=found["action"].map(lambda action: ACTION_LABELS.get(action, action.replace("_", " "))),
        details=found["details"].map(lambda text: text.strip("{}").replace('"', ""), na_action="ignore"),
    )


def show_page_buttons(found: DataFrame, total: int, cursors: list[PageCursor]) -> None:
    first = len(cursors) * audit.PAGE_SIZE + 1
    of = f"more than {number(audit.MAX_COUNTED)}" if total > audit.MAX_COUNTED else number(total)
    st.caption(f"{number(first)}–{number(first + len(found) - 1)} of {of}")
    last = found.iloc[-1]
    next_page = PageCursor(Timestamp(last["at"]).to_pydatetime(), int(last["id"]))

    @guard.callback(role="admin")
    def show_newer() -> None:
        cursors.pop()

    @guard.callback(role="admin")
    def show_older() -> None:
        cursors.append(next_page)

    st.button(
        "Newer",
        icon=":material/chevron_left:",
        type="tertiary",
        disabled=not cursors,
        on_click=show_newer,
        key="trail-newer",
    )
    st.button(
        "Older",
        icon=":material/chevron_right:",
        type="tertiary",
        disabled=len(found) < audit.PAGE_SIZE,
        on_click=show_older,
        key="trail-older",
    )


def show_csv_button(admin: Identity, event_filter: EventFilter) -> None:
    """Offer all matching events as a file; the query runs on the click, which counts as an export."""
    export.download(
        "CSV",
        lambda: spreadsheet_csv(events_to_export(admin, event_filter)),
        file_name=f"almanac-audit-{datetime.now(UTC):%Y-%m-%d}.csv",
        mime="text/csv",
        icon=":material/download:",
        help=f"Download all matching events, at most {number(audit.MAX_EXPORTED)} events",
        key="trail-csv",
    )


def events_to_export(admin: Identity, event_filter: EventFilter) -> DataFrame:
    """Return all matching events. Checks *admin* again: the page may have been open for long.

    Raises NotSignedIn, or Forbidden for who is no longer an admin.
    """
    live = sessions.get_live(admin.session_id) if admin.session_id else None
    require_role(live.identity if live else None, "admin")
    return audit.list_events(event_filter, limit=audit.MAX_EXPORTED).drop(columns="id")
