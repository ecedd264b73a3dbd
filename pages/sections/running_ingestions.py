"""What runs now: start it, see how far it is and why it waits, take it back."""

from datetime import UTC, datetime, timedelta

import streamlit as st
from pandas import DataFrame, Series

from core import redis_client
from core.auth.identity import Identity
from core.budget import cost_model, forecast, shared_state
from core.db.engine import transaction
from core.errors import NotHere
from core.queries import ingestions, system, tracking
from core.settings import settings
from core.tracking import accounts as tracking_accounts
from core.tracking import commands as tracking_commands
from core.tracking.login import parse_login
from pages.components.format import ago, number, percent
from pages.components.status_cards import ask
from pages.sections.account_outcome import sentence
from pages.session import current
from pages.session.common import plain, refusals_told

EVERY = "1s"
STARTED, WATCHED = "ingestion-started", "ingestions-watched"
WHO = {"schedule": "the timetable", "command line": "the command line", "import": "an import"}
SHOWN = 6
BACKGROUND = {
    "stars": "star history",
    "star_walk": "star history from its beginning",
    "extras": "watchers and open issues",
    "commit_activity": "commit activity",
    "contributions": "contribution calendars",
    "look_up": "look-ups",
    "deliver": "webhooks",
}


def start(_admin: Identity) -> None:
    """The buttons that begin an ingestion, and what it would cost."""
    with st.container(border=True, key="start-ingestion"):
        all_due()
        form = st.form("one-form", border=False, clear_on_submit=True)
        with form, st.container(horizontal=True, vertical_alignment="bottom"):
            login = st.text_input("Or one account", placeholder="octocat", width=220, key="one-login")
            if st.form_submit_button("Refresh it", icon=":material/person:"):
                begin_one(login)
        if said := st.session_state.pop(STARTED, ""):
            st.success(said, icon=":material/check_circle:")
        st.caption("Choose several on the Tracking page. What waits already is not queued twice: it comes sooner.")


@st.fragment(run_every="5s")
def all_due() -> None:
    """What is due at this moment, and what it would cost."""
    current.required("admin")
    now = datetime.now(UTC)
    due, why = ask(lambda: tracking.due(now))
    if due is None:
        st.caption(f"{why} What is due shows again when it does.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        label = f"Refresh {number(len(due))} due" if due else "Nothing is due"
        if st.button(label, type="primary", icon=":material/sync:", disabled=not due, key="all-due"):
            begin(due)
            st.rerun()
        if due:
            st.markdown(cost(due, now))


def cost(due: list[int], now: datetime) -> str:
    """What refreshing these accounts is expected to cost, and whether it fits what is left."""
    given = settings()
    with_token = given.with_token
    seen, _ = ask(lambda: shared_state.seen(redis_client.redis(), given.github_api_url, now))
    left = forecast.left(seen.buckets if seen else (), with_token=with_token, now=now)
    with transaction() as connection:
        known = forecast.known(connection, due, now)
        pace = forecast.seconds_per_request(connection)
    told = cost_model.forecast(known, with_token=with_token, left=left, now=now, seconds_per_request=pace)
    unit = "points" if with_token else "requests"
    parts = [f"About **{number(told.cost)} {unit}** and {number(told.requests)} requests, {minutes(told.minutes)}"]
    if told.not_modified:
        parts.append(f"{percent(told.not_modified_share)} answered 304")
    if told.remaining is not None:
        until = f" until {told.resets_at:%H:%M} UTC" if told.resets_at else ""
        parts.append(
            f"{number(told.left)} of {number(told.remaining)} are left afterwards{until}"
            if told.fits
            else f":orange[more than the {number(told.remaining)} that are left{until}: the rest waits for the reset]"
        )
    return "; ".join(parts) + "."


def accounts(count: int) -> str:
    return "1 account" if count == 1 else f"{number(count)} accounts"


def minutes(count: float) -> str:
    return "less than a minute" if count < 1 else f"about {number(count)} min"


def begin(account_ids: list[int]) -> None:
    admin = current.required("admin")
    with refusals_told(), transaction() as connection:
        begun = tracking_commands.refresh(connection, admin, account_ids, datetime.now(UTC), current.origin())
        if begun is None:
            said = "Nothing was left to queue: somebody was quicker."
        elif begun.is_new:
            said = f"Ingestion {begun.id} has begun with {accounts(begun.accounts)}."
        else:
            said = f"Ingestion {begun.id} has these accounts already; it comes before what the timetable wants."
        st.session_state[STARTED] = said


def begin_one(login: str) -> None:
    current.required("admin")
    with refusals_told():
        name = parse_login(login)
        with transaction() as connection:
            account_id = tracking_accounts.find(connection, name)
        if account_id is None:
            raise NotHere(f"{name} is not known here; add it on the Tracking page first")
        begin([account_id])


@st.fragment(run_every=EVERY)
def live() -> None:
    """Each ingestion that waits or runs: how far, at what price, what came last, why it waits."""
    current.required("admin")
    now = datetime.now(UTC)
    found, why = ask(ingestions.under_way)
    if found is None:
        st.warning(f"{why} What runs is not known meanwhile; it goes on by itself.", icon=":material/cloud_off:")
        return
    renew_with(found)
    with st.container(border=True, key="under-way"):
        if found.empty:
            st.markdown("**No account is being asked for at the moment**")
            st.caption(idle(now))
        else:
            waits(now)
            resuming = ingestions.resuming(now)
            for at in range(min(len(found), SHOWN)):
                draw(found.iloc[at], now, resuming.get(int(found["id"].iloc[at])))
            if len(found) > SHOWN:
                st.caption(f"and {number(len(found) - SHOWN)} more")
            last(found)
        st.caption(machinery(now))


def renew_with(found: DataFrame) -> None:
    """Let the rest of the page tell of an ingestion as soon as it is over."""
    ids = {int(one) for one in found["id"]}
    before = st.session_state.get(WATCHED, ids)
    st.session_state[WATCHED] = ids
    if before - ids:
        st.rerun()


def machinery(now: datetime) -> str:
    """Who works, what waits, and what else is read meanwhile."""
    workers, _ = ask(lambda: system.workers(now))
    leader, unknown = ask(system.leader)
    queue, _ = ask(lambda: system.queue(now))
    others, _ = ask(lambda: ingestions.background(now))
    parts = []
    if workers is not None:
        parts.append(f"{number(workers['alive'])} {'worker' if workers['alive'] == 1 else 'workers'} alive")
    if not unknown:
        parts.append("a scheduler leads" if leader else "no scheduler leads: nothing begins by itself")
    if queue is not None:
        jobs = f"{number(queue['doing'])} in hand, {number(queue['waiting'])} waiting"
        parts.append(f"jobs: {jobs}" if queue["doing"] + queue["waiting"] else "the queue is empty")
        if queue["later"]:
            parts.append(f"{number(queue['later'])} put off to a later moment")
    if others is not None and len(others):
        busy = [BACKGROUND.get(kind, kind) for kind in others[others["working"] + others["waiting"] > 0]["kind"]]
        if busy:
            parts.append(f"in the background: {', '.join(busy)}")
    return f":material/engineering: {' · '.join(parts)}"


def idle(now: datetime) -> str:
    """What comes next, while nothing runs."""
    told, _ = ask(lambda: system.workers(now))
    if told is not None and not told["alive"]:
        return "No worker is alive: start one with `python -m ingest worker`."
    counted, why = ask(lambda: tracking.states(now))
    if counted is None:
        return why
    if not counted["all"]:
        return "Nothing is tracked yet: add accounts on the Tracking page."
    soonest = tracking.next_due()
    if soonest is None:
        return "Everything tracked is paused."
    left = soonest - now
    return (
        f"The next account is due in {max(1, round(left.total_seconds() / 60))} min."
        if left > timedelta(0)
        else ("Accounts are due; the scheduler queues them within a minute.")
    )


def waits(now: datetime) -> None:
    """Say why nothing moves, when nothing can."""
    told, _ = ask(lambda: system.workers(now))
    if told is not None and not told["alive"]:
        st.warning("No worker is alive: these jobs wait until one runs.", icon=":material/engineering:")
    seen, _ = ask(lambda: shared_state.seen(redis_client.redis(), settings().github_api_url, now))
    if seen is not None and seen.paused_until:
        st.warning(
            f"GitHub told us to wait: nothing is asked before {seen.paused_until:%H:%M:%S} UTC.",
            icon=":material/pause_circle:",
        )


def draw(one: Series, now: datetime, resumes_at: datetime | None) -> None:
    """One ingestion: a line, its progress, its price, and the way to end it."""
    done = int(one["stored"] + one["failed"])
    share = done / max(1, int(one["accounts"]))
    who = plain(str(one["requested_by"])) if one["trigger"] == "person" else WHO.get(one["trigger"], one["trigger"])
    with st.container(horizontal=True, vertical_alignment="center", key=f"ingestion-{one['id']}"):
        with st.container(gap="xxsmall"):
            st.markdown(f"**Ingestion {one['id']}** · asked for by {who} · {one['state']}")
            st.progress(min(1.0, share), text=f"{number(done)} of {accounts(one['accounts'])}")
            st.caption(" · ".join(price(one, now)))
            if resumes_at is not None:
                st.caption(
                    f":orange[:material/pause_circle: The rest goes on at {resumes_at:%H:%M:%S} UTC: GitHub's budget is "
                    "spent until then, or something failed and is tried again.]"
                )
        cancelled = one["state"] == "cancelled"
        st.button(
            "Stopping …" if cancelled else "Cancel", icon=":material/stop_circle:", disabled=cancelled,
            on_click=cancel, args=(int(one["id"]),), key=f"cancel-{one['id']}",
            help="Ends after the account in hand; what is stored stays, the rest comes in its usual rhythm",
        )  # fmt: skip


def price(one: Series, now: datetime) -> list[str]:
    requests = int(one["requests"])
    parts = [f"begun {ago(one['started_at'], now)}", f"{number(requests)} requests", f"{number(one['points'])} points"]
    if requests:
        parts.append(f"{percent(int(one['not_modified']) / requests)} answered 304")
    parts.append(f"{number(one['rows_written'])} rows")
    if one["failed"]:
        parts.append(f":orange[{number(one['failed'])} failed]")
    return parts


def last(found: DataFrame) -> None:
    """The accounts that came last, errors among them."""
    ids = [int(one) for one in found["id"]]
    hand, items = ingestions.at_hand(ids), ingestions.newest_items(ids)
    if len(hand):
        names = ", ".join(plain(str(login)) for login in hand["login"])
        others = int(hand["in_all"].iloc[0]) - len(hand)
        st.markdown(f"Being asked for: {names}{f' and {number(others)} more' if others else ''} …")
    if items.empty:
        st.caption("No account is through yet.")
        return
    lines = [
        f"{':orange' if one['error_code'] else ':gray'}[{one['finished_at']:%H:%M:%S}] **{plain(one['login'])}** {sentence(one)}"
        for one in items.to_dict("records")
    ]
    st.markdown("  \n".join(lines))


def cancel(ingestion_id: int) -> None:
    admin = current.required("admin")
    with refusals_told(), transaction() as connection:
        cancelled = tracking_commands.cancel(connection, admin, ingestion_id, datetime.now(UTC), current.origin())
        st.toast(
            "It ends after the account in hand." if cancelled else "It was over already.", icon=":material/stop_circle:"
        )
