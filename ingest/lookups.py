"""Runs lookups: fetches the profiles of logins from GitHub and stores them in Redis for the page that waits."""

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog
from redis import Redis
from sqlalchemy import Engine

from core.clock import now_utc
from core.db.engine import run_transaction
from core.errors import AlmanacError, NotFound
from core.queue.lookups import MAX_LOGINS, Lookup, LookupResult, LookupStore
from core.tracking import first_lookup
from ingest.github import AccountNotFound, GitHub, GitHubError, Stopped
from ingest.github.api.profiles import Profile
from ingest.github.http.rate_gate import StopSignal

log = structlog.get_logger()
PROGRESS_INTERVAL_SECONDS = 0.5


def run_lookup(
    github: GitHub, redis: Redis, lookup_id: str, stop: StopSignal | None = None, engine: Engine | None = None
) -> None:
    """Run one lookup and store its progress. Safe to repeat; an expired or finished lookup is skipped.

    An account found by a lookup for tracking is tracked in *engine*.
    """
    store = LookupStore(redis)
    try:
        lookup = store.get(lookup_id)
    except NotFound:
        return
    if lookup.state == "done":
        return
    try:
        logins = lookup.logins
        if lookup.members_of is not None:
            logins = tuple(github.profiles.members(lookup.members_of, stop=stop)[:MAX_LOGINS])
        lookup = replace(lookup, logins=logins, state="running", results=())
        store.put(lookup)
        results = _fetch_profiles(github, store, lookup, stop)
    except Stopped:
        store.put(replace(lookup, state="queued"))
        raise
    except GitHubError as error:
        log.info("lookup failed", lookup=lookup_id, error=str(error))
        store.put(replace(lookup, state="failed", error_message=str(error)))
        return
    lookup = replace(lookup, state="done", results=results)
    if engine is not None and lookup.track_for is not None:
        run_transaction(engine, lambda connection: first_lookup.track_found(connection, lookup, now_utc()))
    store.put(lookup)
    log.info("lookup finished", lookup=lookup_id, logins=len(lookup.logins))


def record_failure(redis: Redis, lookup_id: str, error: Exception) -> None:
    """Store that a lookup ended with *error* and is not tried again by itself."""
    store = LookupStore(redis)
    lookup = store.find(lookup_id)
    if lookup is not None and lookup.is_under_way:
        reason = str(error) if isinstance(error, AlmanacError) else "The lookup ended with an error; start it again"
        store.put(replace(lookup, state="failed", error_message=reason))


def _fetch_profiles(
    github: GitHub, store: LookupStore, lookup: Lookup, stop: StopSignal | None
) -> tuple[LookupResult, ...]:
    results: list[LookupResult] = []
    stored_at = time.monotonic()
    for login, profile in github.profiles.of(lookup.logins, stop=stop):
        results.append(_lookup_result(login, profile))
        if time.monotonic() - stored_at > PROGRESS_INTERVAL_SECONDS:
            store.put(replace(lookup, results=_in_order(lookup.logins, results)))
            stored_at = time.monotonic()
    return _in_order(lookup.logins, results)


def _lookup_result(login: str, profile: Profile | GitHubError) -> LookupResult:
    if isinstance(profile, AccountNotFound):
        return LookupResult(login, error_message="There is no such account", is_missing=True)
    if isinstance(profile, GitHubError):
        return LookupResult(login, error_message=str(profile))
    return LookupResult(
        login, profile.login, profile.github_id, profile.kind, profile.name, profile.public_repositories
    )


def _in_order(logins: Sequence[str], results: Sequence[LookupResult]) -> tuple[LookupResult, ...]:
    by_login = {one.requested_login: one for one in results}
    return tuple(by_login[login] for login in logins if login in by_login)
