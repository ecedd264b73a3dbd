"""
# System
What runs, what waits, how far GitHub's budget reaches, and what is set.
"""

import platform
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core import redis_client, settings_report
from core.auth.identity import Identity
from core.budget import shared_state
from core.errors import ServerUnavailable
from core.queries import system
from core.settings import settings
from core.wording import time_ago
from pages.components.format import UNKNOWN, byte_size, number, percent
from pages.components.status_cards import (
    StatusCard,
    check_status,
    inactive,
    ok,
    query_or_reason,
    show_status_cards,
    warning,
)
from pages.sections import budget_gauges
from pages.session import current

RERUN_EVERY = "5s"
ADMIN_UNVERIFIED_MESSAGE = "Postgres has to say who reads this, and does not answer. This comes back by itself."
FAILURES_PERIOD = timedelta(days=7)
LONG_WAIT = timedelta(minutes=10)
RESOURCE_LABELS = {"core": "REST", "graphql": "GraphQL", "search": "Search"}
BUDGET_COLUMNS = {
    "owner": column.TextColumn("Owner of the token", help="A login, or a token's fingerprint before GitHub told it"),
    "resource": column.TextColumn("Budget"),
    "share": column.ProgressColumn("Left", format="percent", min_value=0, max_value=1, color="primary"),
    "left": column.NumberColumn("Requests or points left", format="localized"),
    "limit": column.NumberColumn("Of", format="localized"),
    "full": column.TextColumn("Full again"),
}
FAILURE_COLUMNS = {
    "at": column.DatetimeColumn("When", format="YYYY-MM-DD HH:mm", timezone="UTC", width=130),
    "login": column.TextColumn("Account", width=140),
    "code": column.TextColumn("Kind", width=120),
    "error": column.TextColumn("What happened", width=420),
}
TABLE_COLUMNS = {
    "name": column.TextColumn("Table"),
    "rows": column.NumberColumn("Rows, about", format="localized", help="As of the last ANALYZE"),
    "size": column.TextColumn("Size with indexes", alignment="right"),
    "partitions": column.NumberColumn("Partitions", format="localized"),
}
SETTING_COLUMNS = {
    "name": column.TextColumn("Setting", width=240),
    "value": column.TextColumn("Value", width=240),
    "origin": column.TextColumn("Comes from", width=110),
    "meaning": column.TextColumn("Meaning", width=460),
}


def server_kind(url: str) -> str:
    return "embedded" if settings_report.is_embedded_url(url, settings()) else "external"


def postgres_status(now: datetime) -> StatusCard:
    told = system.postgres_status()
    return ok(
        "answers",
        f"{told.version}, {server_kind(settings().database_url)}, started {time_ago(told.started_at, now)}",
        f"{number(told.connections)} of {number(told.max_connections)} connections · {byte_size(told.bytes)}",
    )


def redis_status() -> StatusCard:
    told = system.redis_status()
    bound = f" of {byte_size(told.max_bytes)}" if told.max_bytes else ""
    return ok(
        "answers",
        f"{told.name} {told.version}, {server_kind(settings().redis_url)}",
        f"{number(told.clients)} clients · {byte_size(told.bytes)}{bound} used",
    )


def web_status() -> StatusCard:
    pool = system.pool_usage()
    say = warning if pool.checked_out >= pool.max_connections else ok
    return say(
        "runs",
        f"Streamlit {st.__version__}, Python {platform.python_version()}",
        f"{pool.checked_out} of {pool.max_connections} database connections lent",
    )


def scheduler_status(now: datetime) -> StatusCard:
    told = system.scheduler_leader()
    if told is None:
        return warning("nobody leads", "Nothing is refreshed on schedule until a scheduler runs.")
    return ok("leads", f"since {time_ago(told.since, now)}", f"on {told.address or 'the machine of Postgres'}")


def workers_status(now: datetime) -> StatusCard:
    told = system.worker_counts(now)
    silent = f"{number(told.unresponsive)} silent, taken for dead" if told.unresponsive else ""
    if not told.alive or told.last_heartbeat_at is None:
        heard = (
            f"last heard of {time_ago(told.last_heartbeat_at, now)}" if told.last_heartbeat_at else "none has ever run"
        )
        return warning("none alive", f"Jobs wait until a worker runs; {heard}.")
    return ok(f"{number(told.alive)} alive", f"heard of {time_ago(told.last_heartbeat_at, now)}", silent)


def queue_status(now: datetime) -> StatusCard:
    told = system.queue_counts(now)
    later = f"{number(told.scheduled)} to be tried again" if told.scheduled else ""
    failed = f"{number(told.failed)} given up" if told.failed else ""
    more = " · ".join(part for part in (f"{number(told.running)} under way", later, failed) if part)
    if not told.waiting:
        return ok("nothing waits", more)
    late = told.oldest_at is not None and now - told.oldest_at > LONG_WAIT
    oldest = f"the oldest came {time_ago(told.oldest_at, now)}" if told.oldest_at else ""
    return (warning if late else ok)(f"{number(told.waiting)} wait", oldest, more)


def freshness_status(now: datetime) -> StatusCard:
    told = system.freshness_counts(now)
    if not told.tracked:
        return inactive("nothing tracked", "No account is tracked yet.")
    share = told.on_time / told.tracked
    more = " · ".join(f"{number(n)} {name}" for name, n in (("never", told.never), ("failing", told.failing)) if n)
    say = ok if share >= 0.9 else warning
    return say(f"{percent(share)} in time", f"{number(told.on_time)} of {number(told.tracked)} tracked accounts", more)


def limits_status(who: int) -> StatusCard:
    from core.ratelimit.limiter import peek  # noqa: PLC0415 - loads its library when it is first asked

    if peek("pages", str(who)).is_shared:
        return ok("shared", "Counted in Redis for all processes.")
    return warning("in memory", "Redis is away: each process counts for itself until it is back.")


@st.fragment(run_every=RERUN_EVERY)
def show_status() -> None:
    """Each part by itself: one that is away says so, and the others show."""
    who, now = verified_admin(), datetime.now(UTC)
    found = {
        "Postgres": check_status(lambda: postgres_status(now)),
        "Redis": check_status(redis_status),
        "Web": check_status(web_status),
    }
    # One that does not answer is not asked five times more: each would cost the reader the whole wait.
    answers = found["Postgres"].is_available and who is not None
    in_postgres = {
        "Scheduler": scheduler_status,
        "Workers": workers_status,
        "Queue": queue_status,
        "Freshness": freshness_status,
    }
    for name, tell in in_postgres.items():
        found[name] = check_status(lambda tell=tell: tell(now)) if answers else unknown_status("Postgres")
    found["Limits"] = check_status(lambda: limits_status(who.person_id)) if who else unknown_status("Postgres")
    show_status_cards(found, "parts")
    st.caption(f":material/schedule: {now:%H:%M:%S} UTC, every {RERUN_EVERY.removesuffix('s')} seconds")


def verified_admin() -> Identity | None:
    """Who reads this; None while Postgres, which has to say so, is away. Raises Forbidden for who is no admin."""
    try:
        return current.require_identity("admin")
    except ServerUnavailable:
        return None


def unknown_status(without: str) -> StatusCard:
    return inactive("not known", f"{without} would tell.")


@st.fragment(run_every=RERUN_EVERY)
def show_rate_budget() -> None:
    if verified_admin() is None:
        st.info(ADMIN_UNVERIFIED_MESSAGE, icon=":material/cloud_off:")
        return
    now = datetime.now(UTC)
    seen, why = query_or_reason(
        lambda: shared_state.load_rate_budget(redis_client.redis(), settings().github_api_url, now)
    )
    if seen is None:
        st.info(f"{why} Budgets are shared through Redis, and show again when it is back.", icon=":material/cloud_off:")
        return
    if seen.paused_until:
        st.warning(
            f"GitHub told us to wait: nothing is asked before {seen.paused_until:%H:%M:%S} UTC.",
            icon=":material/pause_circle:",
        )
    budget_gauges.show_refused_tokens(now)
    if not seen.buckets:
        st.info("Nothing has been heard from GitHub in the last two hours.", icon=":material/hourglass_empty:")
        return
    st.dataframe(
        DataFrame([budget_row(bucket, now) for bucket in seen.buckets]),
        column_config=BUDGET_COLUMNS,
        hide_index=True,
        alt="What is left of each of GitHub's budgets",
        key="budgets",
    )
    st.caption(f"As last heard by any process · {seen.in_flight} requests under way")


def budget_row(bucket: shared_state.RateBudgetBucket, now: datetime) -> dict[str, Any]:
    left, minutes = bucket.left(now), round((bucket.resets_at - now).total_seconds() / 60)
    return {
        "owner": bucket.owner,
        "resource": RESOURCE_LABELS.get(bucket.resource, bucket.resource),
        "share": round(left / bucket.limit, 2) if bucket.limit else 0.0,
        "left": left,
        "limit": bucket.limit,
        "full": "now" if bucket.resets_at <= now else f"in {max(1, minutes)} min",
    }


@st.fragment(run_every=RERUN_EVERY)
def show_failures() -> None:
    if verified_admin() is None:
        st.info(ADMIN_UNVERIFIED_MESSAGE, icon=":material/cloud_off:")
        return
    found, why = query_or_reason(lambda: system.recent_failures(datetime.now(UTC) - FAILURES_PERIOD))
    if found is None:
        st.info(f"{why} What failed lately is not known meanwhile.", icon=":material/cloud_off:")
    elif not found:
        st.success("No account failed in the last 7 days.", icon=":material/check_circle:")
    else:
        st.dataframe(
            DataFrame(found, columns=list(FAILURE_COLUMNS)),
            column_config=FAILURE_COLUMNS,
            hide_index=True,
            placeholder=UNKNOWN,
            height=min(290, 35 * (len(found) + 1) + 3),
            alt="What failed lately, newest first",
            key="failures",
        )


@st.fragment(run_every="30s")
def show_data() -> None:
    if verified_admin() is None:
        st.info(ADMIN_UNVERIFIED_MESSAGE, icon=":material/cloud_off:")
        return
    told, why = query_or_reason(lambda: (system.data_status(), system.table_sizes()))
    if told is None:
        st.info(f"{why} How much is held is not known meanwhile.", icon=":material/cloud_off:")
        return
    held, tables = told
    published = f"published {time_ago(held.published_at, datetime.now(UTC))}" if held.published_at else "nothing yet"
    months = f"months are ready up to {held.last_month.replace('_', '-')}" if held.last_month else "no month yet"
    st.caption(f"Data version {number(held.version or 0)}, {published} · {months}")
    rows = DataFrame(tables).assign(size=[byte_size(table.bytes) for table in tables])
    st.dataframe(
        rows[list(TABLE_COLUMNS)].astype({"rows": "Int64"}),
        column_config=TABLE_COLUMNS,
        hide_index=True,
        placeholder=UNKNOWN,
        height=290,
        alt="The tables, largest first",
        key="tables",
    )


def show_versions() -> None:
    """What this process runs on; servers say theirs above."""
    revision, _ = query_or_reason(lambda: system.postgres_status().revision)
    names = {"Plotly": "plotly", "pandas": "pandas", "SQLAlchemy": "sqlalchemy", "procrastinate": "procrastinate"}
    told = {
        "Almanac": settings_report.almanac_version(),
        "Tables": f"revision {revision or UNKNOWN}",
        "Python": platform.python_version(),
        "Streamlit": st.__version__,
        **{shown: version(name) for shown, name in names.items()},
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }
    st.markdown(" · ".join(f"{name} **{value}**" for name, value in told.items()))


def setting_rows() -> DataFrame:
    shown = settings_report.setting_rows(settings())
    return DataFrame(
        {
            "name": [one.name for one in shown],
            "value": [one.value or UNKNOWN for one in shown],
            "origin": ["set" if one.is_set else "default" for one in shown],
            "meaning": [one.description.replace("`", "") for one in shown],
        }
    )


current.require_identity("admin")
if told := settings_report.settings_warnings(settings()):
    st.warning("  \n".join(told), icon=":material/tune:")
show_status()
"""
## GitHub's budget
What GitHub will still answer this hour. All tokens of one owner share one budget.
"""
show_rate_budget()
"""
## Recent failures
Accounts that could not be refreshed in the last 7 days, newest first. They are tried again by themselves.
"""
show_failures()
"""
## Data
"""
show_data()
"""
## Versions
"""
show_versions()
"""
## Settings
From the environment or `.env`, as this process read them at its start; secrets are masked.
"""
st.dataframe(
    setting_rows(),
    column_config=SETTING_COLUMNS,
    hide_index=True,
    height=430,
    alt="The settings of this process",
    key="settings",
)
