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
from pages.components.format import UNKNOWN, ago, number, percent, size
from pages.components.status_cards import Part, ask, draw, fine, look, resting, trouble
from pages.sections import budget_gauges
from pages.session import current

EVERY = "5s"
NOT_NOW = "Postgres has to say who reads this, and does not answer. This comes back by itself."
RECENT = timedelta(days=7)
LONG_WAIT = timedelta(minutes=10)
KIND = {"core": "REST", "graphql": "GraphQL", "search": "Search"}
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


def kind_of_server(url: str) -> str:
    return "embedded" if settings_report.is_embedded(url, settings()) else "external"


def postgres(now: datetime) -> Part:
    told = system.postgres()
    return fine(
        "answers",
        f"{told['version']}, {kind_of_server(settings().database_url)}, started {ago(told['started_at'], now)}",
        f"{number(told['connections'])} of {number(told['most'])} connections · {size(told['bytes'])}",
    )


def redis() -> Part:
    told = system.redis()
    bound = f" of {size(told['most_bytes'])}" if told["most_bytes"] else ""
    return fine(
        "answers",
        f"{told['name']} {told['version']}, {kind_of_server(settings().redis_url)}",
        f"{number(told['clients'])} clients · {size(told['bytes'])}{bound} used",
    )


def web() -> Part:
    pool = system.pool()
    say = trouble if pool["lent"] >= pool["most"] else fine
    return say(
        "runs",
        f"Streamlit {st.__version__}, Python {platform.python_version()}",
        f"{pool['lent']} of {pool['most']} database connections lent",
    )


def scheduler(now: datetime) -> Part:
    told = system.leader()
    if told is None:
        return trouble("nobody leads", "Nothing is refreshed on schedule until a scheduler runs.")
    return fine("leads", f"since {ago(told['since'], now)}", f"on {told['address'] or 'the machine of Postgres'}")


def workers(now: datetime) -> Part:
    told = system.workers(now)
    silent = f"{number(told['silent'])} silent, taken for dead" if told["silent"] else ""
    if not told["alive"]:
        heard = f"last heard of {ago(told['heard_at'], now)}" if told["heard_at"] else "none has ever run"
        return trouble("none alive", f"Jobs wait until a worker runs; {heard}.")
    return fine(f"{number(told['alive'])} alive", f"heard of {ago(told['heard_at'], now)}", silent)


def queue(now: datetime) -> Part:
    told = system.queue(now)
    later = f"{number(told['later'])} to be tried again" if told["later"] else ""
    failed = f"{number(told['failed'])} given up" if told["failed"] else ""
    more = " · ".join(part for part in (f"{number(told['doing'])} under way", later, failed) if part)
    if not told["waiting"]:
        return fine("nothing waits", more)
    late = told["oldest_at"] is not None and now - told["oldest_at"] > LONG_WAIT
    oldest = f"the oldest came {ago(told['oldest_at'], now)}" if told["oldest_at"] else ""
    return (trouble if late else fine)(f"{number(told['waiting'])} wait", oldest, more)


def freshness(now: datetime) -> Part:
    told = system.freshness(now)
    if not told["tracked"]:
        return resting("nothing tracked", "No account is tracked yet.")
    share = told["in_time"] / told["tracked"]
    more = " · ".join(f"{number(told[name])} {name}" for name in ("never", "failing") if told[name])
    say = fine if share >= 0.9 else trouble
    return say(
        f"{percent(share)} in time", f"{number(told['in_time'])} of {number(told['tracked'])} tracked accounts", more
    )


def limits(who: int) -> Part:
    from core.ratelimit.limiter import peek  # noqa: PLC0415 - loads its library when it is first asked

    if peek("pages", str(who)).shared:
        return fine("shared", "Counted in Redis for all processes.")
    return trouble("in memory", "Redis is away: each process counts for itself until it is back.")


@st.fragment(run_every=EVERY)
def parts() -> None:
    """Each part by itself: one that is away says so, and the others show."""
    who, now = admin(), datetime.now(UTC)
    found = {"Postgres": look(lambda: postgres(now)), "Redis": look(redis), "Web": look(web)}
    # One that does not answer is not asked five times more: each would cost the reader the whole wait.
    answers = found["Postgres"].answers and who is not None
    in_postgres = {"Scheduler": scheduler, "Workers": workers, "Queue": queue, "Freshness": freshness}
    for name, tell in in_postgres.items():
        found[name] = look(lambda tell=tell: tell(now)) if answers else unknown("Postgres")
    found["Limits"] = look(lambda: limits(who.person_id)) if who else unknown("Postgres")
    draw(found, "parts")
    st.caption(f":material/schedule: {now:%H:%M:%S} UTC, every {EVERY.removesuffix('s')} seconds")


def admin() -> Identity | None:
    """Who reads this; None while Postgres, which has to say so, is away. Raises Forbidden for who is no admin."""
    try:
        return current.required("admin")
    except ServerUnavailable:
        return None


def unknown(without: str) -> Part:
    return resting("not known", f"{without} would tell.")


@st.fragment(run_every=EVERY)
def budget() -> None:
    if admin() is None:
        st.info(NOT_NOW, icon=":material/cloud_off:")
        return
    now = datetime.now(UTC)
    seen, why = ask(lambda: shared_state.seen(redis_client.redis(), settings().github_api_url, now))
    if seen is None:
        st.info(f"{why} Budgets are shared through Redis, and show again when it is back.", icon=":material/cloud_off:")
        return
    if seen.paused_until:
        st.warning(
            f"GitHub told us to wait: nothing is asked before {seen.paused_until:%H:%M:%S} UTC.",
            icon=":material/pause_circle:",
        )
    budget_gauges.refused(now)
    if not seen.buckets:
        st.info("Nothing has been heard from GitHub in the last two hours.", icon=":material/hourglass_empty:")
        return
    st.dataframe(
        DataFrame([row_of(bucket, now) for bucket in seen.buckets]),
        column_config=BUDGET_COLUMNS,
        hide_index=True,
        alt="What is left of each of GitHub's budgets",
        key="budgets",
    )
    st.caption(f"As last heard by any process · {seen.in_flight} requests under way")


def row_of(bucket: shared_state.Bucket, now: datetime) -> dict[str, Any]:
    left, minutes = bucket.left(now), round((bucket.resets_at - now).total_seconds() / 60)
    return {
        "owner": bucket.owner,
        "resource": KIND.get(bucket.resource, bucket.resource),
        "share": round(left / bucket.limit, 2) if bucket.limit else 0.0,
        "left": left,
        "limit": bucket.limit,
        "full": "now" if bucket.resets_at <= now else f"in {max(1, minutes)} min",
    }


@st.fragment(run_every=EVERY)
def failures() -> None:
    if admin() is None:
        st.info(NOT_NOW, icon=":material/cloud_off:")
        return
    found, why = ask(lambda: system.failures(datetime.now(UTC) - RECENT))
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
def data() -> None:
    if admin() is None:
        st.info(NOT_NOW, icon=":material/cloud_off:")
        return
    told, why = ask(lambda: (system.data(), system.tables()))
    if told is None:
        st.info(f"{why} How much is held is not known meanwhile.", icon=":material/cloud_off:")
        return
    held, tables = told
    published = f"published {ago(held['published_at'], datetime.now(UTC))}" if held["published_at"] else "nothing yet"
    months = f"months are ready up to {held['last_month'].replace('_', '-')}" if held["last_month"] else "no month yet"
    st.caption(f"Data version {number(held['version'] or 0)}, {published} · {months}")
    rows = DataFrame(tables).assign(size=[size(table["bytes"]) for table in tables])
    st.dataframe(
        rows[list(TABLE_COLUMNS)].astype({"rows": "Int64"}),
        column_config=TABLE_COLUMNS,
        hide_index=True,
        placeholder=UNKNOWN,
        height=290,
        alt="The tables, largest first",
        key="tables",
    )


def versions() -> None:
    """What this process runs on; servers say theirs above."""
    revision, _ = ask(lambda: system.postgres()["revision"])
    names = {"Plotly": "plotly", "pandas": "pandas", "SQLAlchemy": "sqlalchemy", "procrastinate": "procrastinate"}
    told = {
        "Almanac": settings_report.version(),
        "Tables": f"revision {revision or UNKNOWN}",
        "Python": platform.python_version(),
        "Streamlit": st.__version__,
        **{shown: version(name) for shown, name in names.items()},
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }
    st.markdown(" · ".join(f"{name} **{value}**" for name, value in told.items()))


def setting_rows() -> DataFrame:
    shown = settings_report.shown(settings())
    return DataFrame(
        {
            "name": [one.name for one in shown],
            "value": [one.value or UNKNOWN for one in shown],
            "origin": ["set" if one.is_set else "default" for one in shown],
            "meaning": [one.meaning.replace("`", "") for one in shown],
        }
    )


current.required("admin")
if told := settings_report.warnings(settings()):
    st.warning("  \n".join(told), icon=":material/tune:")
parts()
"""
## GitHub's budget
What GitHub will still answer this hour. All tokens of one owner share one budget.
"""
budget()
"""
## Recent failures
Accounts that could not be refreshed in the last 7 days, newest first. They are tried again by themselves.
"""
failures()
"""
## Data
"""
data()
"""
## Versions
"""
versions()
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
