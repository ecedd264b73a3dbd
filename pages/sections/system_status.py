"""Status cards of the installation's components: servers, processes, queue, freshness, and limits."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import streamlit as st
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core import settings_report
from core.auth.identity import Identity
from core.db import replica
from core.disk_space import DiskSpace, embedded_disk_space
from core.errors import ServerUnavailable
from core.queries import system
from core.queries.freshness import MIN_SHARE_ON_TIME
from core.settings import settings
from core.wording import duration, quantity, time_ago
from pages.components.format import byte_size, number, percent
from pages.components.markdown import escape_markdown
from pages.components.status_cards import (
    StatusCard,
    check_status,
    inactive,
    ok,
    show_status_cards,
    warning,
)
from pages.session import current, guard

RERUN_SECONDS = 5
LONG_WAIT = timedelta(minutes=10)
LONG_LAG = timedelta(minutes=1)


@guard.fragment(role="admin", run_every=RERUN_SECONDS, runs_unverified=True)
def show() -> None:
    """Show each component independently: one that is unavailable says so, and the others still show."""
    admin, now = verified_admin(), datetime.now(UTC)
    cards = {
        "Postgres": check_status(lambda: postgres_status(now)),
        "Redis": check_status(redis_status),
        "Web": check_status(web_status),
    }
    if settings().database_read_url:
        cards["Replica"] = check_status(replica_status) if cards["Postgres"].is_available else unknown_status()
    # Without Postgres its other queries are skipped: each would cost the reader a whole timeout.
    from_postgres: dict[str, Callable[[datetime], StatusCard]] = {
        "Scheduler": scheduler_status,
        "Workers": workers_status,
        "Queue": queue_status,
        "Freshness": freshness_status,
    }
    is_readable = cards["Postgres"].is_available and admin is not None
    for name, status in from_postgres.items():
        cards[name] = check_status(partial(status, now)) if is_readable else unknown_status()
    if (space := embedded_disk_space(settings())) is not None:
        cards["Disk"] = disk_status(space)
    cards["Limits"] = check_status(lambda: limits_status(admin.person_id)) if admin else unknown_status()
    show_status_cards(cards, "parts")
    st.caption(f":material/schedule: {now:%H:%M:%S} UTC, every {RERUN_SECONDS} seconds")


def verified_admin() -> Identity | None:
    """Return the admin who reads the page; None while the database is unavailable. Raises Forbidden for others."""
    try:
        return current.require_identity("admin")
    except ServerUnavailable:
        return None


def unknown_status() -> StatusCard:
    return inactive("unknown", "Read from Postgres, which is unavailable.")


def server_kind(url: str) -> str:
    return "embedded" if settings_report.is_embedded_url(url, settings()) else "external"


def postgres_status(now: datetime) -> StatusCard:
    server, cluster = system.postgres_status(), system.cluster_nodes()
    if cluster and cluster.unavailable:
        names = escape_markdown(", ".join(cluster.unavailable))
        return warning(
            "partly available", f"Citus: {names} does not respond.", "What is there cannot be read or stored."
        )
    return ok(
        "available",
        f"{escape_markdown(server.version)}, {server_kind(settings().database_url)}, started {time_ago(server.started_at, now)}",
        f"{number(server.connections)} of {number(server.max_connections)} connections · {byte_size(server.bytes)}",
        f"Citus: {escape_markdown(cluster.summary)}" if cluster else "",
    )


def replica_status() -> StatusCard:
    try:
        found = replica.status()
    except ServerUnavailable as error:
        return warning("not used", f"{escape_markdown(str(error))}.", "The primary answers all reads.")
    except (DBAPIError, PoolTimeout):
        return warning("unavailable", "It does not respond.", "The primary answers all reads.")
    if not found.lag_bytes:
        return ok("available", "Up to date with the primary.")
    lag = timedelta(seconds=found.lag_seconds)
    behind = f"{byte_size(found.lag_bytes)} and {duration(lag)} behind the primary"
    if lag > LONG_LAG:
        return warning("behind", behind, "The primary answers what the replica does not have yet.")
    return ok("available", behind)


def redis_status() -> StatusCard:
    server = system.redis_status()
    limit = f" of {byte_size(server.max_bytes)}" if server.max_bytes else ""
    return ok(
        "available",
        f"{server.name} {escape_markdown(server.version)}, {server_kind(settings().redis_url)}",
        f"{quantity(server.clients, 'client')} · {byte_size(server.bytes)}{limit} used",
    )


def web_status() -> StatusCard:
    pool = system.pool_usage()
    status = warning if pool.checked_out >= pool.max_connections else ok
    return status(
        "running",
        f"Streamlit {st.__version__}, Python {platform.python_version()}",
        f"{pool.checked_out} of {pool.max_connections} database connections in use",
    )


def scheduler_status(now: datetime) -> StatusCard:
    leader = system.scheduler_leader()
    if leader is None:
        return warning("not running", "Nothing is refreshed on schedule until a scheduler runs.")
    return ok(
        "running",
        f"became leader {time_ago(leader.since, now)}",
        f"on {escape_markdown(leader.address or 'the Postgres host')}",
    )


def workers_status(now: datetime) -> StatusCard:
    workers = system.worker_counts(now)
    if not workers.alive:
        last = (
            f"last heartbeat {time_ago(workers.last_heartbeat_at, now)}"
            if workers.last_heartbeat_at
            else "none has ever run"
        )
        return warning("none running", f"Jobs wait until a worker runs; {last}.")
    return ok(
        f"{number(workers.alive)} running",
        f"last heartbeat {time_ago(workers.last_heartbeat_at, now)}" if workers.last_heartbeat_at else "",
        f"{number(workers.unresponsive)} unresponsive" if workers.unresponsive else "",
    )


def queue_status(now: datetime) -> StatusCard:
    jobs = system.queue_counts(now)
    parts = [f"{number(jobs.running)} running"]
    if jobs.scheduled:
        parts.append(f"{number(jobs.scheduled)} scheduled for later")
    if jobs.failed:
        parts.append(f"{number(jobs.failed)} failed")
    details = " · ".join(parts)
    if not jobs.waiting:
        return ok("nothing waiting", details)
    is_late = jobs.oldest_at is not None and now - jobs.oldest_at > LONG_WAIT
    oldest = f"the oldest queued {time_ago(jobs.oldest_at, now)}" if jobs.oldest_at else ""
    return (warning if is_late else ok)(f"{number(jobs.waiting)} waiting", oldest, details)


def freshness_status(now: datetime) -> StatusCard:
    accounts = system.freshness_counts(now)
    share = accounts.share_on_time
    if share is None:
        return inactive("nothing tracked", "No account is tracked yet.")
    parts = []
    if accounts.overdue:
        parts.append(f"{number(accounts.overdue)} overdue")
    if accounts.never:
        parts.append(f"{number(accounts.never)} never refreshed")
    if accounts.failing:
        parts.append(f"{number(accounts.failing)} failing")
    status = ok if share >= MIN_SHARE_ON_TIME else warning
    return status(
        f"{percent(share, round_down=True)} on time",
        f"{number(accounts.on_time)} of {quantity(accounts.tracked, 'tracked account')}",
        " · ".join(parts),
    )


def disk_status(space: DiskSpace) -> StatusCard:
    if space.is_low:
        return warning(
            "full" if space.is_full else "nearly full", space.summary, "Free some space: without it nothing is stored."
        )
    return ok("enough space", space.summary)


def limits_status(person_id: int) -> StatusCard:
    from core.ratelimit.limiter import peek  # noqa: PLC0415 - loads the limits library on first use

    if peek("pages", str(person_id)).is_shared:
        return ok("shared", "Counted in Redis for all processes.")
    return warning("in memory", "Redis is unavailable: each process counts on its own until it is back.")
