"""Adding accounts: read what was pasted, ask GitHub who they are, show what they cost, then track them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st
import structlog
from pandas import DataFrame
from redis import RedisError
from streamlit import column_config as column

from core import redis_client
from core.auth.identity import Identity
from core.budget import cost_model, forecast, shared_state
from core.db.engine import transaction
from core.errors import BadInput, NotFound
from core.queries import system, tracking
from core.queue import lookups
from core.queue.lookups import Lookup, LookupResult, LookupStore
from core.settings import settings
from core.tracking import commands as tracking_commands
from core.tracking import parse_accounts
from core.tracking.cadence_options import CADENCES
from core.tracking.login import parse_login
from pages.components.format import number
from pages.components.status_cards import query_or_reason
from pages.session import current
from pages.session.common import errors_as_notices, show_notice

log = structlog.get_logger()
LOOKUP_KEY, PASTED_KEY, NOTICE_KEY = "look-up", "look-up-pasted", "tracked-now"
RERUN_EVERY = "0.7s"
NEW, TRACKED, MISSING = "new", "tracked already", "not found"
COLUMNS = {
    "take": column.CheckboxColumn("Track", width=80),
    "login": column.TextColumn("Account", width=170, disabled=True),
    "kind": column.TextColumn("Kind", width=100, disabled=True),
    "name": column.TextColumn("Name", width=170, disabled=True),
    "repositories": column.NumberColumn("Repositories", format="localized", width=100, disabled=True),
    "state": column.TextColumn("What is known", width=300, disabled=True),
}


def show(admin: Identity) -> None:
    """The form, and what became of the last look-up."""
    with st.container(border=True, key="adding"):
        show_lookup_forms(admin)
        if said := st.session_state.pop(NOTICE_KEY, ""):
            st.success(said, icon=":material/check_circle:")
        if LOOKUP_KEY in st.session_state:
            show_lookup_result()


def show_lookup_forms(_admin: Identity) -> None:
    by_list, by_file, by_members = st.tabs(["Paste", "Upload", "Members of an organization"])
    with by_list.form("paste-form", border=False, clear_on_submit=False):
        text = st.text_area(
            "Logins, addresses, or a table with a column called login",
            placeholder="pallets\nhttps://github.com/torvalds\n@gaearon",
            height=120,
            max_chars=parse_accounts.MAX_LENGTH,
        )
        if st.form_submit_button("Look them up", type="primary", icon=":material/search:"):
            look_up(text)
    with by_file:
        file = st.file_uploader("A text or CSV file, at most 1 MB", type=["csv", "txt", "tsv"], key="accounts-file")
        if file is not None and st.button("Look them up", type="primary", icon=":material/search:", key="look-up-file"):
            look_up(decode_text(file.getvalue()))
    with by_members.form("members-form", border=False):
        organization = st.text_input("Organization", placeholder="pallets", help="Its public members, 1,000 at most")
        if st.form_submit_button("Look them up", type="primary", icon=":material/search:"):
            look_up_members(organization)


@contextmanager
def redis_errors_as_notices() -> Iterator[None]:
    """Let an absent Redis in this block be one calm sentence: question and answer lie there."""
    try:
        yield
    except RedisError as error:
        log.warning("look-up without Redis", error=type(error).__name__)
        show_notice("Look-ups go through Redis, which does not answer; try again in a moment")


def decode_text(content: bytes) -> str:
    """A file as text, whichever of the usual encodings a spreadsheet wrote."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")


def look_up(text: str) -> None:
    current.require_identity("admin")
    with redis_errors_as_notices(), errors_as_notices(), transaction() as connection:
        read = parse_accounts.parse_accounts(text)
        if not read.logins and not read.rejected:
            raise BadInput("There is nothing to look up yet")
        st.session_state[PASTED_KEY] = read
        st.session_state.pop(LOOKUP_KEY, None)
        if read.logins:
            st.session_state[LOOKUP_KEY] = lookups.request_lookup(connection, redis_client.redis(), read.logins)
        else:
            show_rejected_lines(read)


def look_up_members(organization: str) -> None:
    current.require_identity("admin")
    with redis_errors_as_notices(), errors_as_notices(), transaction() as connection:
        st.session_state.pop(PASTED_KEY, None)
        st.session_state[LOOKUP_KEY] = lookups.request_lookup(
            connection, redis_client.redis(), members_of=parse_login(organization)
        )


def show_lookup_result() -> None:
    """Show how far the look-up is, then who was found."""
    lookup = None
    with redis_errors_as_notices():
        try:
            lookup = LookupStore(redis_client.redis()).get(st.session_state[LOOKUP_KEY])
        except NotFound as over:
            del st.session_state[LOOKUP_KEY]
            show_notice(str(over))
    if lookup is None:
        return
    if lookup.state in {"waiting", "working"}:
        show_lookup_progress()
    elif lookup.state == "failed":
        st.warning(f"{lookup.error_message}.", icon=":material/error:")
    else:
        show_preview(lookup)


@st.fragment(run_every=RERUN_EVERY)
def show_lookup_progress() -> None:
    """Progress; the whole page runs again once there is an answer."""
    current.require_identity("admin")
    lookup = None
    with redis_errors_as_notices():
        try:
            lookup = LookupStore(redis_client.redis()).get(st.session_state.get(LOOKUP_KEY, ""))
        except NotFound:
            st.rerun()
    if lookup is None:
        return
    if lookup.state not in {"waiting", "working"}:
        st.rerun()
    what = f"{len(lookup.results)} of {number(len(lookup.logins))}" if lookup.logins else "the members"
    said = f"Asking GitHub: {what} …"
    if lookup.state == "waiting":
        told, _ = query_or_reason(lambda: system.worker_counts(datetime.now(UTC)))
        nobody = told is not None and not told.alive
        said = "No worker is alive; it begins when one is …" if nobody else "Waiting for a worker …"
    st.progress(min(lookup.progress, 1.0), text=said)


def show_preview(lookup: Lookup) -> None:
    """Who was found, whom to take, and what that costs."""
    read: parse_accounts.ParsedAccounts | None = st.session_state.get(PASTED_KEY)
    rows = lookup_table(lookup)
    if read is not None:
        show_rejected_lines(read)
    if rows.empty:
        st.info("Nobody was found.", icon=":material/person_search:")
        return
    st.caption(lookup_summary(rows))
    edited = st.data_editor(
        rows,
        column_config=COLUMNS,
        hide_index=True,
        height=min(430, 35 * (len(rows) + 1) + 3),
        placeholder="—",
        key=f"preview-{lookup.id}",
    )
    chosen = edited[edited["take"] & (edited["state"] == NEW)]
    st.markdown(cost_sentence(chosen))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cadence = st.selectbox("How often", list(CADENCES), key="add-every", width=180)
        priority = st.number_input("Priority", -3, 3, 0, key="add-priority", width=120, help="The higher the sooner")
        note = st.text_input(
            "Note", key="add-note", max_chars=tracking_commands.MAX_NOTE_LENGTH, placeholder="Why (optional)"
        )
        if st.button(
            f"Track {number(len(chosen))}", type="primary", icon=":material/add:", disabled=chosen.empty, key="track"
        ):
            track(list(chosen["login"]), CADENCES[cadence], int(priority), note)


def lookup_summary(rows: DataFrame) -> str:
    """25 new, 15 tracked already, 1 could not be found."""
    counts = {NEW: int((rows["state"] == NEW).sum()), TRACKED: int((rows["state"] == TRACKED).sum())}
    other = len(rows) - sum(counts.values())
    parts = [f"{number(count)} {state}" for state, count in counts.items() if count]
    return ", ".join(parts + ([f"{number(other)} could not be found"] if other else [])) + "."


def lookup_table(lookup: Lookup) -> DataFrame:
    there = [one for one in lookup.results if one.exists]
    known = tracking.tracked_among(
        [str(one.login) for one in there] + [one.requested_login for one in lookup.results],
        [int(one.github_id or 0) for one in there],
    )
    return DataFrame([lookup_row(one, known) for one in lookup.results], columns=list(COLUMNS)).astype(
        {"repositories": "Int64"}
    )


def lookup_row(one: LookupResult, known: set[str]) -> dict[str, Any]:
    state = NEW if one.exists else (one.error_message or MISSING)
    if known & {one.requested_login.lower(), str(one.login).lower(), str(one.github_id)}:
        state = TRACKED
    return {
        "take": state == NEW,
        "login": one.login or one.requested_login,
        "kind": one.kind,
        "name": one.name,
        "repositories": one.public_repositories,
        "state": state,
    }


def show_rejected_lines(read: parse_accounts.ParsedAccounts) -> None:
    """Say what of the text was left out."""
    parts = []
    if read.duplicates:
        parts.append(f"{number(len(read.duplicates))} given more than once")
    if read.rejected:
        parts.append(f"{number(len(read.rejected))} that cannot be logins")
    if not parts:
        return
    with st.expander(f"Left out: {' and '.join(parts)}", icon=":material/rule:"):
        lines = [f"Line {one.line}: {one.reason}" for one in read.rejected[:50]]
        st.text("\n".join(lines + [f"{login}: given before" for login in read.duplicates[:50]]))


def cost_sentence(chosen: DataFrame) -> str:
    """What the first look and a day of looks cost, in a sentence."""
    if chosen.empty:
        return ":gray[Choose whom to track to see what it costs.]"
    counted = [
        cost_model.AccountCostInputs(str(login), kind == "organization", None if pd.isna(count) else int(count))
        for login, kind, count in chosen[["login", "kind", "repositories"]].itertuples(index=False)
    ]
    given, now = settings(), datetime.now(UTC)
    with_token = given.with_token
    seen, _ = query_or_reason(lambda: shared_state.load_rate_budget(redis_client.redis(), given.github_api_url, now))
    left = forecast.budget_totals(seen.buckets if seen else (), with_token=with_token, now=now)
    told = cost_model.forecast_refresh(counted, with_token=with_token, left=left, now=now)
    unit = "points" if with_token else "requests"
    looks = timedelta(days=1) / given.refresh_every
    daily = sum(cost_model.refresh_cost(one.repositories, with_token=with_token) for one in counted) * looks
    remaining = "" if told.remaining is None else f" of the {number(told.remaining)} that are left"
    return (
        f"The first look costs about **{number(told.cost)} {unit}**{remaining}; after that about "
        f"**{number(max(daily, 1))} a day** at the usual cadence."
    )


def track(logins: list[str], every: timedelta | None, priority: int, note: str) -> None:
    admin, now = current.require_identity("admin"), datetime.now(UTC)
    with errors_as_notices(), transaction() as connection:
        outcome = tracking_commands.request_tracking(connection, admin, logins, now, current.origin(), note or None)
        wish: dict[str, Any] = {name: value for name, value in (("every", every), ("priority", priority)) if value}
        if wish:
            tracking_commands.update_tracking(
                connection, admin, dict.fromkeys(outcome.tracked, wish), now, current.origin()
            )
        st.session_state.pop(LOOKUP_KEY, None)
        count = len(outcome.tracked)
        st.session_state[NOTICE_KEY] = (
            f"{number(count)} {'account is' if count == 1 else 'accounts are'} tracked from now on; "
            "the first look comes next."
        )
    if LOOKUP_KEY not in st.session_state:
        st.rerun()
