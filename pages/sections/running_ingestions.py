"""Running ingestions: buttons to start one, progress, the reason for waiting, and cancelling."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from pandas import DataFrame

from core.auth.identity import Identity
from core.budget import forecast
from core.db.engine import read_rows, transaction
from core.errors import NotFound
from core.queries import ingestions, system, tracking
from core.queue.enrichment import FACT_KINDS
from core.tracking import accounts as tracking_accounts
from core.tracking import commands as tracking_commands
from core.tracking.login import parse_login
from core.wording import duration, quantity, time_ago
from pages.components import github_budget
from pages.components.cost_forecast import forecast_text
from pages.components.format import number, percent
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.components.status_cards import query_or_reason
from pages.sections.account_outcome import outcome_sentence
from pages.session import current, guard

RERUN_EVERY = "1s"
DUE_RERUN_EVERY = "5s"
NOTICE_KEY, ACCEPTED_KEY, RUNNING_IDS_KEY = "ingestion-notice", "ingestions-accepted", "ingestions-running"
TRIGGER_LABELS = {"schedule": "the schedule", "command line": "the command line", "import": "an import"}
MAX_INGESTIONS = 6
BACKGROUND_JOB_LABELS = {name: kind.label for name, kind in FACT_KINDS.items()} | {
    "lookup": "lookups",
    "deliver": "webhooks",
}


def show_start_buttons(_admin: Identity) -> None:
    """Draw the buttons that start an ingestion, with its expected cost."""
    with st.container(border=True, key="start-ingestion"):
        show_refresh_due_button()
        # Emptied by being another form once it was accepted: what is refused stays.
        accepted = int(st.session_state.get(ACCEPTED_KEY, 0))
        form = st.form(f"one-form-{accepted}", border=False)
        with form, st.container(horizontal=True, vertical_alignment="bottom"):
            login = st.text_input("Or one account", placeholder="octocat", width=220)
            if st.form_submit_button("Refresh", icon=":material/person:") and start_for_login(login):
                st.session_state[ACCEPTED_KEY] = accepted + 1
                st.rerun()
        if notice := st.session_state.pop(NOTICE_KEY, ""):
            st.success(notice, icon=":material/check_circle:")
        st.caption("Select several on the Tracking page. Accounts already in the queue move to the front.")


@guard.fragment(role="admin", run_every=DUE_RERUN_EVERY)
def show_refresh_due_button() -> None:
    """Draw the button that refreshes all due accounts, with its expected cost."""
    current.require_identity("admin")
    now = datetime.now(UTC)
    due, reason = query_or_reason(lambda: tracking.due_account_ids(now))
    if due is None:
        st.caption(f"{reason} Due accounts are shown again once it responds.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        label = f"Refresh {number(len(due))} due" if due else "Nothing is due"
        if st.button(label, type="primary", icon=":material/sync:", disabled=not due, key="all-due"):
            start_ingestion(due)
            st.rerun()
        if due:
            st.markdown(cost_sentence(due, now))


def cost_sentence(account_ids: list[int], now: datetime) -> str:
    """Return the expected cost of refreshing these accounts, from what is stored of them."""
    cost_inputs = read_rows(lambda connection: forecast.load_cost_inputs(connection, account_ids, now))
    seconds_per_request = read_rows(forecast.seconds_per_request)
    return f"Costs {forecast_text(cost_inputs, now, seconds_per_request)}."


def start_ingestion(account_ids: list[int]) -> bool:
    """Start an ingestion, or move these accounts to the front. Returns False, with a notice, where that was refused."""
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        started = tracking_commands.start_refresh(connection, admin, account_ids, datetime.now(UTC), current.origin())
        if started is None:
            notice = "These accounts are already queued."
        elif started.is_new:
            notice = f"Ingestion {started.id} started with {quantity(started.accounts, 'account')}."
        else:
            notice = f"These accounts are already in ingestion {started.id}; it now runs before scheduled refreshes."
        st.session_state[NOTICE_KEY] = notice
        return True
    return False


def start_for_login(login: str) -> bool:
    """Start the ingestion of one account. Returns False, with a notice, where that was refused."""
    current.require_identity("admin")
    with errors_as_notices():
        name = parse_login(login)
        with transaction() as connection:
            account_id = tracking_accounts.find_account_id(connection, name)
        if account_id is None:
            raise NotFound(f"{name} is not stored yet; add it on the Tracking page first")
        return start_ingestion([account_id])
    return False


@guard.fragment(role="admin", run_every=RERUN_EVERY)
def show_running() -> None:
    """Show each queued or running ingestion with progress, usage and reason for waiting, and the latest results."""
    current.require_identity("admin")
    now = datetime.now(UTC)
    found, reason = query_or_reason(ingestions.active_ingestions)
    if found is None:
        st.warning(f"{reason} Ingestions continue, but cannot be shown until then.", icon=":material/cloud_off:")
        return
    rerun_when_finished(found)
    with st.container(border=True, key="under-way"):
        if found.empty:
            st.markdown("**No ingestion is running**")
            st.caption(idle_reason(now))
        else:
            show_waiting_reasons(now)
            resume_times = ingestions.resume_times(now)
            for ingestion in found.head(MAX_INGESTIONS).to_dict("records"):
                show_ingestion(ingestion, now, resume_times.get(int(ingestion["id"])))
            if len(found) > MAX_INGESTIONS:
                st.caption(f"and {number(len(found) - MAX_INGESTIONS)} more")
            show_latest_items(found)
        st.caption(system_line(now))


def rerun_when_finished(found: DataFrame) -> None:
    """Run the whole page again when an ingestion has finished, so that its list shows the result."""
    ids = {int(ingestion_id) for ingestion_id in found["id"]}
    previous = st.session_state.get(RUNNING_IDS_KEY, ids)
    st.session_state[RUNNING_IDS_KEY] = ids
    if previous - ids:
        st.rerun()


def is_worker_running(now: datetime) -> bool:
    """Return whether a worker is alive; True also while the database cannot tell."""
    workers, _ = query_or_reason(lambda: system.worker_counts(now))
    return workers is None or workers.alive > 0


def system_line(now: datetime) -> str:
    """Return workers, scheduler, queue and background jobs in one line; what is unavailable is left out."""
    workers, _ = query_or_reason(lambda: system.worker_counts(now))
    leader, leader_error = query_or_reason(system.scheduler_leader)
    queue, _ = query_or_reason(lambda: system.queue_counts(now))
    jobs, _ = query_or_reason(lambda: ingestions.background_jobs(now))
    parts = []
    if workers is not None:
        parts.append(f"{quantity(workers.alive, 'worker')} running")
    if not leader_error:
        parts.append("scheduler running" if leader else "no scheduler is running: nothing starts automatically")
    if queue is not None:
        is_busy = queue.running + queue.waiting
        parts.append(
            f"jobs: {number(queue.running)} running, {number(queue.waiting)} waiting"
            if is_busy
            else "the queue is empty"
        )
        if queue.scheduled:
            parts.append(f"{number(queue.scheduled)} scheduled for later")
    if jobs is not None and len(jobs):
        busy = jobs[jobs["working"] + jobs["waiting"] > 0]["kind"]
        if len(busy):
            parts.append(f"in the background: {', '.join(BACKGROUND_JOB_LABELS.get(kind, kind) for kind in busy)}")
    return f":material/engineering: {' · '.join(parts)}"


def idle_reason(now: datetime) -> str:
    """Return why nothing is running, and what comes next."""
    if not is_worker_running(now):
        return "No worker is running: start one with `python -m ingest worker`."
    counts, reason = query_or_reason(lambda: tracking.state_counts(now))
    if counts is None:
        return reason
    if not counts["all"]:
        return "Nothing is tracked yet: add accounts on the Tracking page."
    next_due_at = tracking.next_due_at()
    if next_due_at is None:
        return "All tracked accounts are paused."
    left = next_due_at - now
    if left > timedelta(0):
        return f"The next account is due in {duration(left, round_up=True)}."
    return "Accounts are due; the scheduler queues them within a minute."


def show_waiting_reasons(now: datetime) -> None:
    """Show why queued ingestions do not start: no worker, or a pause that GitHub asked for."""
    if not is_worker_running(now):
        st.warning("No worker is running: these jobs wait until one starts.", icon=":material/engineering:")
    budget, _ = github_budget.load_budget(now)
    github_budget.show_pause(budget)


def show_ingestion(ingestion: Mapping[Any, Any], now: datetime, resumes_at: datetime | None) -> None:
    """Show one ingestion: its origin, progress, usage, and the cancel button."""
    ingestion_id, finished = int(ingestion["id"]), int(ingestion["stored"] + ingestion["failed"])
    share = finished / max(1, int(ingestion["accounts"]))
    trigger = ingestion["trigger"]
    requester = (
        escape_markdown(str(ingestion["requested_by"])) if trigger == "person" else TRIGGER_LABELS.get(trigger, trigger)
    )
    with st.container(horizontal=True, vertical_alignment="center", key=f"ingestion-{ingestion_id}"):
        with st.container(gap="xxsmall"):
            st.markdown(f"**Ingestion {ingestion_id}** · requested by {requester} · {ingestion['state']}")
            st.progress(min(1.0, share), text=f"{number(finished)} of {quantity(ingestion['accounts'], 'account')}")
            st.caption(" · ".join(usage_parts(ingestion, now)))
            if resumes_at is not None:
                st.caption(
                    f":orange[:material/pause_circle: The rest continues at {resumes_at:%H:%M:%S} UTC: GitHub's rate "
                    "budget is used up until then, or a failed refresh is retried.]"
                )
        is_cancelled = ingestion["state"] == "cancelled"
        st.button(
            "Stopping …" if is_cancelled else "Cancel", icon=":material/stop_circle:", disabled=is_cancelled,
            on_click=cancel_ingestion, args=(ingestion_id,), key=f"cancel-{ingestion_id}",
            help="Stops after the current account; what is stored stays, the rest is refreshed at its usual cadence",
        )  # fmt: skip


def usage_parts(ingestion: Mapping[Any, Any], now: datetime) -> list[str]:
    requests = int(ingestion["requests"])
    parts = [
        f"started {time_ago(ingestion['started_at'], now)}",
        quantity(requests, "request"),
        quantity(ingestion["points"], "point"),
    ]
    if requests:
        parts.append(f"{percent(int(ingestion['not_modified']) / requests)} returned 304")
    parts.append(quantity(ingestion["rows_written"], "row"))
    if ingestion["failed"]:
        parts.append(f":orange[{number(ingestion['failed'])} failed]")
    return parts


def show_latest_items(found: DataFrame) -> None:
    """Show the accounts being refreshed now, and the latest outcomes."""
    ids = [int(ingestion_id) for ingestion_id in found["id"]]
    in_progress, items = ingestions.accounts_in_progress(ids), ingestions.latest_items(ids)
    if len(in_progress):
        names = ", ".join(escape_markdown(str(login)) for login in in_progress["login"])
        more = int(in_progress["total"].iloc[0]) - len(in_progress)
        st.markdown(f"Refreshing now: {names}{f' and {number(more)} more' if more else ''} …")
    if items.empty:
        st.caption("No account is finished yet.")
        return
    lines = []
    for item in items.to_dict("records"):
        colour = ":orange" if item["error_code"] else ":gray"
        name = escape_markdown(item["login"])
        lines.append(f"{colour}[{item['finished_at']:%H:%M:%S}] **{name}** {escape_markdown(outcome_sentence(item))}")
    st.markdown("  \n".join(lines))


@guard.callback(role="admin")
def cancel_ingestion(ingestion_id: int) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        is_cancelled = tracking_commands.cancel_ingestion(
            connection, admin, ingestion_id, datetime.now(UTC), current.origin()
        )
        st.toast(
            "Stops after the current account." if is_cancelled else "It had already finished.",
            icon=":material/stop_circle:",
        )
