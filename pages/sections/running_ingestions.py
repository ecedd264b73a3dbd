"""What runs now: start it, see how far it is and why it waits, take it back."""

from datetime import UTC, datetime, timedelta

import streamlit as st
from pandas import DataFrame, Series

from core import redis_client
from core.auth.identity import Identity
from core.budget import cost_model, forecast, shared_state
from core.db.engine import transaction
from core.errors import NotFound
from core.queries import ingestions, system, tracking
from core.settings import settings
from core.tracking import accounts as tracking_accounts
from core.tracking import commands as tracking_commands
from core.tracking.login import parse_login
from core.wording import time_ago
from pages.components.format import number, percent
from pages.components.markdown import escape_markdown
from pages.components.status_cards import query_or_reason
from pages.sections.account_outcome import outcome_sentence
from pages.session import current
from pages.session.common import errors_as_notices

RERUN_EVERY = "1s"
NOTICE_KEY, RUNNING_IDS_KEY = "ingestion-started", "ingestions-watched"
TRIGGER_LABELS = {"schedule": "the timetable", "command line": "the command line", "import": "an import"}
MAX_INGESTIONS = 6
BACKGROUND_JOB_LABELS = {
    "star_history": "star history",
    "star_backfill": "star history from its beginning",
    "extras": "watchers and open issues",
    "commit_activity": "commit activity",
    "contributions": "contribution calendars",
    "lookup": "lookups",
    "deliver": "webhooks",
}


def show_start_buttons(_admin: Identity) -> None:
    """The buttons that begin an ingestion, and what it would cost."""
    with st.container(border=True, key="start-ingestion"):
        show_refresh_due_button()
        form = st.form("one-form", border=False, clear_on_submit=True)
        with form, st.container(horizontal=True, vertical_alignment="bottom"):
            login = st.text_input("Or one account", placeholder="octocat", width=220, key="one-login")
            if st.form_submit_button("Refresh it", icon=":material/person:"):
                start_for_login(login)
        if said := st.session_state.pop(NOTICE_KEY, ""):
            st.success(said, icon=":material/check_circle:")
        st.caption("Choose several on the Tracking page. What waits already is not queued twice: it comes sooner.")


@st.fragment(run_every="5s")
def show_refresh_due_button() -> None:
    """What is due at this moment, and what it would cost."""
    current.require_identity("admin")
    now = datetime.now(UTC)
    due, why = query_or_reason(lambda: tracking.due_account_ids(now))
    if due is None:
        st.caption(f"{why} What is due shows again when it does.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        label = f"Refresh {number(len(due))} due" if due else "Nothing is due"
        if st.button(label, type="primary", icon=":material/sync:", disabled=not due, key="all-due"):
            start_ingestion(due)
            st.rerun()
        if due:
            st.markdown(cost_sentence(due, now))


def cost_sentence(due: list[int], now: datetime) -> str:
    """What refreshing these accounts is expected to cost, and whether it fits what is left."""
    given = settings()
    with_token = given.with_token
    seen, _ = query_or_reason(lambda: shared_state.load_rate_budget(redis_client.redis(), given.github_api_url, now))
    left = forecast.budget_totals(seen.buckets if seen else (), with_token=with_token, now=now)
    with transaction() as connection:
        known = forecast.load_cost_inputs(connection, due, now)
        pace = forecast.seconds_per_request(connection)
    told = cost_model.forecast_refresh(known, with_token=with_token, left=left, now=now, seconds_per_request=pace)
    unit = "points" if with_token else "requests"
    parts = [
        f"About **{number(told.cost)} {unit}** and {number(told.requests)} requests, {minutes_label(told.minutes)}"
    ]
    if told.not_modified:
        parts.append(f"{percent(told.not_modified_share)} answered 304")
    if told.remaining is not None:
        until = f" until {told.resets_at:%H:%M} UTC" if told.resets_at else ""
        parts.append(
            f"{number(told.left)} of {number(told.remaining)} are left afterwards{until}"
            if told.is_affordable
            else f":orange[more than the {number(told.remaining)} that are left{until}: the rest waits for the reset]"
        )
    return "; ".join(parts) + "."


def accounts_label(count: int) -> str:
    return "1 account" if count == 1 else f"{number(count)} accounts"


def minutes_label(count: float) -> str:
    return "less than a minute" if count < 1 else f"about {number(count)} min"


def start_ingestion(account_ids: list[int]) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        begun = tracking_commands.start_refresh(connection, admin, account_ids, datetime.now(UTC), current.origin())
        if begun is None:
            said = "Nothing was left to queue: somebody was quicker."
        elif begun.is_new:
            said = f"Ingestion {begun.id} has begun with {accounts_label(begun.accounts)}."
        else:
            said = f"Ingestion {begun.id} has these accounts already; it comes before what the timetable wants."
        st.session_state[NOTICE_KEY] = said


def start_for_login(login: str) -> None:
    current.require_identity("admin")
    with errors_as_notices():
        name = parse_login(login)
        with transaction() as connection:
            account_id = tracking_accounts.find_account_id(connection, name)
        if account_id is None:
            raise NotFound(f"{name} is not known here; add it on the Tracking page first")
        start_ingestion([account_id])


@st.fragment(run_every=RERUN_EVERY)
def show_running() -> None:
    """Each ingestion that waits or runs: how far, at what price, what came last, why it waits."""
    current.require_identity("admin")
    now = datetime.now(UTC)
    found, why = query_or_reason(ingestions.active_ingestions)
    if found is None:
        st.warning(f"{why} What runs is not known meanwhile; it goes on by itself.", icon=":material/cloud_off:")
        return
    rerun_when_finished(found)
    with st.container(border=True, key="under-way"):
        if found.empty:
            st.markdown("**No account is being asked for at the moment**")
            st.caption(idle_reason(now))
        else:
            show_waiting_reasons(now)
            resuming = ingestions.resume_times(now)
            for at in range(min(len(found), MAX_INGESTIONS)):
                show_ingestion(found.iloc[at], now, resuming.get(int(found["id"].iloc[at])))
            if len(found) > MAX_INGESTIONS:
                st.caption(f"and {number(len(found) - MAX_INGESTIONS)} more")
            show_latest_items(found)
        st.caption(system_line(now))


def rerun_when_finished(found: DataFrame) -> None:
    """Let the rest of the page tell of an ingestion as soon as it is over."""
    ids = {int(one) for one in found["id"]}
    before = st.session_state.get(RUNNING_IDS_KEY, ids)
    st.session_state[RUNNING_IDS_KEY] = ids
    if before - ids:
        st.rerun()


def system_line(now: datetime) -> str:
    """Who works, what waits, and what else is read meanwhile."""
    workers, _ = query_or_reason(lambda: system.worker_counts(now))
    leader, unknown = query_or_reason(system.scheduler_leader)
    queue, _ = query_or_reason(lambda: system.queue_counts(now))
    others, _ = query_or_reason(lambda: ingestions.background_jobs(now))
    parts = []
    if workers is not None:
        parts.append(f"{number(workers.alive)} {'worker' if workers.alive == 1 else 'workers'} alive")
    if not unknown:
        parts.append("a scheduler leads" if leader else "no scheduler leads: nothing begins by itself")
    if queue is not None:
        jobs = f"{number(queue.running)} in hand, {number(queue.waiting)} waiting"
        parts.append(f"jobs: {jobs}" if queue.running + queue.waiting else "the queue is empty")
        if queue.scheduled:
            parts.append(f"{number(queue.scheduled)} put off to a later moment")
    if others is not None and len(others):
        busy = [
            BACKGROUND_JOB_LABELS.get(kind, kind) for kind in others[others["working"] + others["waiting"] > 0]["kind"]
        ]
        if busy:
            parts.append(f"in the background: {', '.join(busy)}")
    return f":material/engineering: {' · '.join(parts)}"


def idle_reason(now: datetime) -> str:
    """What comes next, while nothing runs."""
    told, _ = query_or_reason(lambda: system.worker_counts(now))
    if told is not None and not told.alive:
        return "No worker is alive: start one with `python -m ingest worker`."
    counted, why = query_or_reason(lambda: tracking.state_counts(now))
    if counted is None:
        return why
    if not counted["all"]:
        return "Nothing is tracked yet: add accounts on the Tracking page."
    soonest = tracking.next_due_at()
    if soonest is None:
        return "Everything tracked is paused."
    left = soonest - now
    return (
        f"The next account is due in {max(1, round(left.total_seconds() / 60))} min."
        if left > timedelta(0)
        else ("Accounts are due; the scheduler queues them within a minute.")
    )


def show_waiting_reasons(now: datetime) -> None:
    """Say why nothing moves, when nothing can."""
    told, _ = query_or_reason(lambda: system.worker_counts(now))
    if told is not None and not told.alive:
        st.warning("No worker is alive: these jobs wait until one runs.", icon=":material/engineering:")
    seen, _ = query_or_reason(
        lambda: shared_state.load_rate_budget(redis_client.redis(), settings().github_api_url, now)
    )
    if seen is not None and seen.paused_until:
        st.warning(
            f"GitHub told us to wait: nothing is asked before {seen.paused_until:%H:%M:%S} UTC.",
            icon=":material/pause_circle:",
        )


def show_ingestion(one: Series, now: datetime, resumes_at: datetime | None) -> None:
    """One ingestion: a line, its progress, its price, and the way to end it."""
    done = int(one["stored"] + one["failed"])
    share = done / max(1, int(one["accounts"]))
    who = (
        escape_markdown(str(one["requested_by"]))
        if one["trigger"] == "person"
        else TRIGGER_LABELS.get(one["trigger"], one["trigger"])
    )
    with st.container(horizontal=True, vertical_alignment="center", key=f"ingestion-{one['id']}"):
        with st.container(gap="xxsmall"):
            st.markdown(f"**Ingestion {one['id']}** · asked for by {who} · {one['state']}")
            st.progress(min(1.0, share), text=f"{number(done)} of {accounts_label(one['accounts'])}")
            st.caption(" · ".join(usage_parts(one, now)))
            if resumes_at is not None:
                st.caption(
                    f":orange[:material/pause_circle: The rest goes on at {resumes_at:%H:%M:%S} UTC: GitHub's budget is "
                    "spent until then, or something failed and is tried again.]"
                )
        cancelled = one["state"] == "cancelled"
        st.button(
            "Stopping …" if cancelled else "Cancel", icon=":material/stop_circle:", disabled=cancelled,
            on_click=cancel_ingestion, args=(int(one["id"]),), key=f"cancel-{one['id']}",
            help="Ends after the account in hand; what is stored stays, the rest comes in its usual cadence",
        )  # fmt: skip


def usage_parts(one: Series, now: datetime) -> list[str]:
    requests = int(one["requests"])
    parts = [
        f"begun {time_ago(one['started_at'], now)}",
        f"{number(requests)} requests",
        f"{number(one['points'])} points",
    ]
    if requests:
        parts.append(f"{percent(int(one['not_modified']) / requests)} answered 304")
    parts.append(f"{number(one['rows_written'])} rows")
    if one["failed"]:
        parts.append(f":orange[{number(one['failed'])} failed]")
    return parts


def show_latest_items(found: DataFrame) -> None:
    """The accounts that came last, errors among them."""
    ids = [int(one) for one in found["id"]]
    hand, items = ingestions.accounts_in_progress(ids), ingestions.latest_items(ids)
    if len(hand):
        names = ", ".join(escape_markdown(str(login)) for login in hand["login"])
        others = int(hand["in_all"].iloc[0]) - len(hand)
        st.markdown(f"Being asked for: {names}{f' and {number(others)} more' if others else ''} …")
    if items.empty:
        st.caption("No account is through yet.")
        return
    lines = [
        f"{':orange' if one['error_code'] else ':gray'}[{one['finished_at']:%H:%M:%S}] **{escape_markdown(one['login'])}** {outcome_sentence(one)}"
        for one in items.to_dict("records")
    ]
    st.markdown("  \n".join(lines))


def cancel_ingestion(ingestion_id: int) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        cancelled = tracking_commands.cancel_ingestion(
            connection, admin, ingestion_id, datetime.now(UTC), current.origin()
        )
        st.toast(
            "It ends after the account in hand." if cancelled else "It was over already.", icon=":material/stop_circle:"
        )
