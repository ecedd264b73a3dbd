"""Track a name that is not stored: look it up at GitHub first, so that a name of no account is never stored.

The worker of the lookup also tracks it, as the person who asked.
"""

import time
from collections.abc import Callable
from datetime import datetime

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Connection, text

from core import redis_client
from core.auth.identity import Identity, Origin
from core.clock import now_utc
from core.db.engine import transaction
from core.errors import AlmanacError
from core.queries import system
from core.queue import jobs
from core.queue.lookups import Lookup, LookupResult, LookupStore, Requester, login_lookup_id
from core.tracking import commands

log = structlog.get_logger()
CHECK_SECONDS, POLL_SECONDS = 5.0, 0.1


def find(login: str) -> Lookup | None:
    """Return the latest lookup of *login*; None when there is none, and while Redis is unavailable."""
    try:
        return LookupStore(redis_client.redis()).find(login_lookup_id(login))
    except (RedisError, AlmanacError, OSError) as error:
        log.warning("lookup not read, Redis unavailable", error=type(error).__name__)
        return None


def unresolved(connection: Connection, login: str) -> Lookup | None:
    """Return the latest lookup of *login* if it is under way, or found no such account or another login.

    One that is under way has a job: Redis keeps those, too, whose transaction was rolled back. None also where GitHub
    has reported the account before, or it is tracked or requested.
    """
    lookup = find(login)
    if lookup is None or _is_confirmed(connection, login):
        return None
    is_final = lookup.state == "done" and (lookup.result.is_missing or renamed_to(lookup.result) is not None)
    return lookup if is_final or _has_job(connection, lookup) else None


def start(
    connection: Connection, identity: Identity, login: str, origin: Origin, repository: str = ""
) -> Lookup | None:
    """Start a lookup of *login* for a tracking request, of *repository* alone if given, unless one is `unresolved`.

    None when the request needs no lookup: GitHub has reported the account, in a lookup too, or it is tracked or
    requested. None also while Redis is unavailable; the first refresh then finds out.
    """
    if found := unresolved(connection, login):
        return found
    before = find(login)
    has_found = before is not None and before.state == "done" and before.result.exists
    if has_found or _is_confirmed(connection, login):
        return None
    requester = Requester(
        identity.person_id,
        identity.username,
        identity.role,
        origin.address,
        origin.user_agent,
        origin.request_id,
        repository,
    )
    return _put(connection, Lookup(login_lookup_id(login), (login,), track_for=requester))


def check(login: str, sleep: Callable[[float], None] = time.sleep) -> LookupResult | None:
    """Have a worker look up *login* and return what GitHub reported of it, within CHECK_SECONDS.

    None where GitHub has reported the account before, and where no worker, no Redis or no GitHub answers in time; the
    first refresh then finds out.
    """
    with transaction() as connection:
        if _is_confirmed(connection, login):
            return None
        found = find(login)
        if found is None or found.state == "failed" or (found.is_under_way and not _has_job(connection, found)):
            found = _put_for_living_workers(connection, Lookup(login_lookup_id(login), (login,)))
    for _ in range(round(CHECK_SECONDS / POLL_SECONDS)):
        if found is None or not found.is_under_way:
            break
        sleep(POLL_SECONDS)
        found = find(login)
    return found.result if found is not None and found.state == "done" else None


def _has_job(connection: Connection, lookup: Lookup) -> bool:
    """Return whether *lookup* is under way."""
    return lookup.is_under_way and jobs.has_job(connection, jobs.lookup_lock(lookup.id))


def _put_for_living_workers(connection: Connection, lookup: Lookup) -> Lookup | None:
    return _put(connection, lookup) if system.worker_counts(now_utc()).alive else None


def _put(connection: Connection, lookup: Lookup) -> Lookup | None:
    """Store and queue *lookup*; None while Redis is unavailable."""
    try:
        LookupStore(redis_client.redis()).put(lookup)
    except (RedisError, AlmanacError, OSError) as error:
        log.warning("lookup not started, Redis unavailable", error=type(error).__name__)
        return None
    jobs.defer_lookup(connection, lookup.id)
    return lookup


def track_found(connection: Connection, lookup: Lookup, now: datetime) -> None:
    """Track the account that *lookup* found, under its present login, or request it where an admin decides."""
    if lookup.track_for is None or not lookup.results or lookup.result.login is None:
        return
    asked = lookup.track_for
    identity = Identity(asked.person_id, asked.username, asked.role)
    origin = Origin(asked.address, asked.user_agent, asked.request_id)
    commands.request_tracking(connection, identity, [lookup.result.login], now, origin, repository=asked.repository)


def renamed_to(result: LookupResult) -> str | None:
    """Return the present login where GitHub redirected from the requested one."""
    if result.login is None or result.login.lower() == result.requested_login.lower():
        return None
    return result.login


def _is_confirmed(connection: Connection, login: str) -> bool:
    return bool(
        connection.scalar(
            text(
                "SELECT EXISTS (SELECT FROM account LEFT JOIN tracked_account ON account_id = account.id"
                "                WHERE lower(login) = lower(:login)"
                "                  AND (github_id IS NOT NULL OR tracked_account.account_id IS NOT NULL))"
                "    OR EXISTS (SELECT FROM tracking_request"
                "                WHERE lower(login) = lower(:login) AND decided_at IS NULL)"
            ),
            {"login": login},
        )
    )
