"""Add accounts: parse pasted text, look the accounts up on GitHub, show their cost, then track them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st
import structlog
from pandas import DataFrame
from redis import RedisError
from sqlalchemy import Connection
from streamlit import column_config as column

from core import redis_client
from core.auth.identity import Identity
from core.budget import cost_model
from core.db.engine import transaction, write_rows
from core.errors import BadInput, NotFound
from core.github_site import page_url
from core.queries import system, tracking
from core.queue import lookups
from core.queue.lookups import Lookup, LookupResult, LookupStore
from core.settings import settings
from core.tracking import commands as tracking_commands
from core.tracking import parse_accounts
from core.tracking.cadence_options import CADENCES
from core.tracking.login import parse_login
from core.wording import pluralize, quantity
from pages.components.cost_forecast import forecast_text
from pages.components.format import number
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices, show_notice
from pages.components.status_cards import query_or_reason
from pages.components.table import show_export_buttons, table_height
from pages.session import current, guard

log = structlog.get_logger()
LOOKUP_KEY, PASTED_KEY, NOTICE_KEY = "lookup", "lookup-pasted", "add-notice"
RERUN_EVERY = "0.7s"
MAX_LISTED = 50
MAX_NAMED = 5
NEW, TRACKED, MISSING = "new", "already tracked", "not found"
COLUMNS = {
    "take": column.CheckboxColumn("Track", width=80),
    "login": column.TextColumn("Account", width=170, disabled=True),
    "kind": column.TextColumn("Kind", width=100, disabled=True),
    "name": column.TextColumn("Name", width=170, disabled=True),
    "repositories": column.NumberColumn("Repositories", format="localized", width=100, disabled=True),
    "state": column.TextColumn("State", width=300, disabled=True),
}


def show(admin: Identity) -> None:
    """Draw the lookup forms and the result of the last lookup."""
    with st.container(border=True, key="adding"):
        show_lookup_forms(admin)
        if notice := st.session_state.pop(NOTICE_KEY, ""):
            st.success(notice, icon=":material/check_circle:")
        if LOOKUP_KEY in st.session_state:
            show_lookup_result()


def show_lookup_forms(_admin: Identity) -> None:
    paste_tab, upload_tab, members_tab = st.tabs(["Paste", "Upload", "Members of an organization"])
    with paste_tab.form("paste-form", border=False, clear_on_submit=False):
        text = st.text_area(
            "Logins, repositories, URLs, or a table with a column called login or full_name",
            placeholder=f"pallets\n{page_url('torvalds')}\n@gaearon",
            height=120,
            max_chars=parse_accounts.MAX_LENGTH,
        )
        if st.form_submit_button("Look up", type="primary", icon=":material/search:"):
            look_up(text)
    with upload_tab:
        file = st.file_uploader("A text or CSV file, at most 1 MB", type=["csv", "txt", "tsv"], key="accounts-file")
        if file is not None and st.button("Look up", type="primary", icon=":material/search:", key="look-up-file"):
            look_up(decode_text(file.getvalue()))
    with members_tab.form("members-form", border=False):
        organization = st.text_input("Organization", placeholder="pallets", help="Its public members, at most 1,000")
        if st.form_submit_button("Look up", type="primary", icon=":material/search:"):
            look_up_members(organization)


@contextmanager
def redis_errors_as_notices() -> Iterator[None]:
    """Show a RedisError raised in this block as a notice: lookups and their results are stored there."""
    try:
        yield
    except RedisError as error:
        log.warning("lookup not started, Redis unavailable", error=type(error).__name__)
        show_notice("Lookups need Redis, which is unavailable; try again in a moment")


def decode_text(content: bytes) -> str:
    """Decode an uploaded file: UTF-16 or UTF-8, with or without a byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")


def look_up(text: str) -> None:
    current.require_identity("admin")
    with redis_errors_as_notices(), errors_as_notices(), transaction() as connection:
        parsed = parse_accounts.parse_accounts(text)
        if not parsed.logins and not parsed.rejected:
            raise BadInput("There is nothing to look up yet")
        st.session_state[PASTED_KEY] = parsed
        st.session_state.pop(LOOKUP_KEY, None)
        if parsed.logins:
            st.session_state[LOOKUP_KEY] = lookups.request_lookup(connection, redis_client.redis(), parsed.logins)
        else:
            show_rejected_lines(parsed)


def look_up_members(organization: str) -> None:
    current.require_identity("admin")
    with redis_errors_as_notices(), errors_as_notices(), transaction() as connection:
        st.session_state.pop(PASTED_KEY, None)
        st.session_state[LOOKUP_KEY] = lookups.request_lookup(
            connection, redis_client.redis(), members_of=parse_login(organization)
        )


def show_lookup_result() -> None:
    """Show the progress of the lookup, then its result."""
    lookup = None
    with redis_errors_as_notices():
        try:
            lookup = LookupStore(redis_client.redis()).get(st.session_state[LOOKUP_KEY])
        except NotFound as error:
            del st.session_state[LOOKUP_KEY]
            show_notice(escape_markdown(str(error)))
    if lookup is None:
        return
    if lookup.is_under_way:
        show_lookup_progress()
    elif lookup.state == "failed":
        st.warning(f"{escape_markdown(str(lookup.error_message))}.", icon=":material/error:")
    else:
        show_preview(lookup)


@guard.fragment(role="admin", run_every=RERUN_EVERY)
def show_lookup_progress() -> None:
    """Show the progress; runs the whole page again once the lookup has finished."""
    current.require_identity("admin")
    lookup = None
    with redis_errors_as_notices():
        try:
            lookup = LookupStore(redis_client.redis()).get(st.session_state.get(LOOKUP_KEY, ""))
        except NotFound:
            st.rerun()
    if lookup is None:
        return
    if not lookup.is_under_way:
        st.rerun()
    progress = f"{len(lookup.results)} of {number(len(lookup.logins))}" if lookup.logins else "the members"
    text = f"Looking up on GitHub: {progress} …"
    if lookup.state == "queued":
        workers, _ = query_or_reason(lambda: system.worker_counts(datetime.now(UTC)))
        is_worker_missing = workers is not None and not workers.alive
        text = (
            "No worker is running; the lookup starts when one is …" if is_worker_missing else "Waiting for a worker …"
        )
    st.progress(min(lookup.progress, 1.0), text=text)


def show_preview(lookup: Lookup) -> None:
    """Show the accounts found, which of them to track, and the expected cost."""
    parsed: parse_accounts.ParsedAccounts | None = st.session_state.get(PASTED_KEY)
    rows = lookup_table(lookup)
    if parsed is not None:
        show_rejected_lines(parsed)
    if rows.empty:
        st.info("No account was found.", icon=":material/person_search:")
        return
    st.caption(lookup_summary(rows))
    edited = st.data_editor(
        rows,
        column_config=COLUMNS,
        hide_index=True,
        height=table_height(len(rows)),
        placeholder="—",
        key=f"preview-{lookup.id}",
    )
    show_export_buttons(rows, "preview")
    selected = edited[edited["take"] & (edited["state"] == NEW)]
    st.markdown(cost_sentence(selected, datetime.now(UTC)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cadence = st.selectbox("Cadence", list(CADENCES), key="add-every", width=180)
        priority = st.number_input("Priority", -3, 3, 0, key="add-priority", width=120, help="Higher is sooner")
        note = st.text_input(
            "Note", key="add-note", max_chars=tracking_commands.MAX_NOTE_LENGTH, placeholder="Reason (optional)"
        )
        if st.button(
            f"Track {number(len(selected))}",
            type="primary",
            icon=":material/add:",
            disabled=selected.empty,
            key="track",
        ):
            track(list(selected["login"]), CADENCES[cadence], int(priority), note)


def lookup_summary(rows: DataFrame) -> str:
    """Return the counts by state: `25 new, 15 already tracked, 1 not found.`"""
    counts = {NEW: int((rows["state"] == NEW).sum()), TRACKED: int((rows["state"] == TRACKED).sum())}
    other = len(rows) - sum(counts.values())
    parts = [f"{number(count)} {state}" for state, count in counts.items() if count]
    return ", ".join(parts + ([f"{number(other)} not found"] if other else [])) + "."


def lookup_table(lookup: Lookup) -> DataFrame:
    existing = [result for result in lookup.results if result.exists]
    tracked = tracking.tracked_among(
        [str(result.login) for result in existing] + [result.requested_login for result in lookup.results],
        [int(result.github_id or 0) for result in existing],
    )
    return DataFrame([lookup_row(result, tracked) for result in lookup.results], columns=list(COLUMNS)).astype(
        {"repositories": "Int64"}
    )


def lookup_row(result: LookupResult, tracked: set[str]) -> dict[str, Any]:
    state = NEW if result.exists else (result.error_message or MISSING)
    if tracked & {result.requested_login.lower(), str(result.login).lower(), str(result.github_id)}:
        state = TRACKED
    return {
        "take": state == NEW,
        "login": result.login or result.requested_login,
        "kind": result.kind,
        "name": result.name,
        "repositories": result.public_repositories,
        "state": state,
    }


def show_rejected_lines(parsed: parse_accounts.ParsedAccounts) -> None:
    """Say which owners were taken, and list the duplicates and invalid lines of the pasted text."""
    if parsed.repositories:
        named = ", ".join(map(escape_markdown, parsed.repositories[:MAX_NAMED]))
        more = f" and {len(parsed.repositories) - MAX_NAMED:,} more" if len(parsed.repositories) > MAX_NAMED else ""
        st.caption(f"Repositories were read as their owners: {named}{more}.")
    parts = []
    if parsed.duplicates:
        parts.append(quantity(len(parsed.duplicates), "duplicate"))
    if parsed.rejected:
        parts.append(quantity(len(parsed.rejected), "invalid login"))
    if not parts:
        return
    with st.expander(f"Left out: {' and '.join(parts)}", icon=":material/rule:"):
        lines = [f"Line {entry.line}: {entry.reason}" for entry in parsed.rejected[:MAX_LISTED]]
        st.text("\n".join(lines + [f"{login}: duplicate" for login in parsed.duplicates[:MAX_LISTED]]))


def cost_sentence(selected: DataFrame, now: datetime) -> str:
    """Return the expected cost of the first refresh, and of one day at the default cadence."""
    if selected.empty:
        return ":gray[Select accounts to see what they cost.]"
    cost_inputs = [
        cost_model.AccountCostInputs(str(login), kind == "organization", None if pd.isna(count) else int(count))
        for login, kind, count in selected[["login", "kind", "repositories"]].itertuples(index=False)
    ]
    with_token = settings().with_token
    refreshes_a_day = timedelta(days=1) / settings().refresh_every
    daily = refreshes_a_day * sum(
        cost_model.refresh_cost(inputs.expected_repositories, with_token=with_token) for inputs in cost_inputs
    )
    return (
        f"The first refresh costs {forecast_text(cost_inputs, now)}. After that about "
        f"**{quantity(max(daily, 1), 'point' if with_token else 'request')} a day** at the default cadence."
    )


def track(logins: list[str], every: timedelta | None, priority: int, note: str) -> None:
    admin, now = current.require_identity("admin"), datetime.now(UTC)
    changes: dict[str, Any] = {name: value for name, value in (("every", every), ("priority", priority)) if value}

    def start_tracking(connection: Connection) -> int:
        result = tracking_commands.request_tracking(connection, admin, logins, now, current.origin(), note or None)
        if changes:
            tracking_commands.update_tracking(
                connection, admin, dict.fromkeys(result.tracked, changes), now, current.origin()
            )
        return len(result.tracked)

    with errors_as_notices():
        count = write_rows(start_tracking)
        st.session_state.pop(LOOKUP_KEY, None)
        st.session_state[NOTICE_KEY] = (
            f"{quantity(count, 'account')} {pluralize(count, 'is', 'are')} now tracked; the first refresh comes next."
        )
    if LOOKUP_KEY not in st.session_state:
        st.rerun()
