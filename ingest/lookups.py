"""Answer look-ups: ask GitHub who logins belong to, and leave the answer where the asker waits for it."""

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog
from redis import Redis

from core.errors import NotFound
from core.queue.lookups import MAX_LOGINS, Lookup, LookupResult, LookupStore
from ingest.github import AccountNotFound, GitHub, GitHubError, Stopped
from ingest.github.api.profiles import Profile
from ingest.github.http.rate_gate import StopSignal

log = structlog.get_logger()
PROGRESS_INTERVAL_SECONDS = 0.5


def run_lookup(github: GitHub, redis: Redis, lookup_id: str, stop: StopSignal | None = None) -> None:
    """Answer one look-up, showing how far it is. Safe to repeat; one that nobody waits for any more is left alone."""
    shelf = LookupStore(redis)
    try:
        lookup = shelf.get(lookup_id)
    except NotFound:
        return
    if lookup.state == "done":
        return
    try:
        logins = lookup.logins
        if lookup.members_of is not None:
            logins = tuple(github.profiles.members(lookup.members_of, stop=stop)[:MAX_LOGINS])
        lookup = replace(lookup, logins=logins, state="working", results=())
        shelf.put(lookup)
        found = _fetch_profiles(github, shelf, lookup, stop)
    except Stopped:
        shelf.put(replace(lookup, state="waiting"))
        raise
    except GitHubError as error:
        log.info("look-up failed", lookup=lookup_id, why=str(error))
        shelf.put(replace(lookup, state="failed", error_message=str(error)))
        return
    shelf.put(replace(lookup, state="done", results=found))
    log.info("look-up done", lookup=lookup_id, logins=len(lookup.logins))


def _fetch_profiles(
    github: GitHub, shelf: LookupStore, lookup: Lookup, stop: StopSignal | None
) -> tuple[LookupResult, ...]:
    found: list[LookupResult] = []
    told = time.monotonic()
    for login, answer in github.profiles.of(lookup.logins, stop=stop):
        found.append(_lookup_result(login, answer))
        if time.monotonic() - told > PROGRESS_INTERVAL_SECONDS:
            shelf.put(replace(lookup, results=_in_order(lookup.logins, found)))
            told = time.monotonic()
    return _in_order(lookup.logins, found)


def _lookup_result(login: str, answer: Profile | GitHubError) -> LookupResult:
    if isinstance(answer, AccountNotFound):
        return LookupResult(login, error_message="There is no such account")
    if isinstance(answer, GitHubError):
        return LookupResult(login, error_message=str(answer))
    return LookupResult(login, answer.login, answer.github_id, answer.kind, answer.name, answer.public_repositories)


def _in_order(logins: Sequence[str], found: Sequence[LookupResult]) -> tuple[LookupResult, ...]:
    by_login = {one.requested_login: one for one in found}
    return tuple(by_login[login] for login in logins if login in by_login)
