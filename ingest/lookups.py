"""Answer look-ups: ask GitHub who logins belong to, and leave the answer where the asker waits for it."""

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog
from redis import Redis

from core.errors import NotHere
from core.queue.lookups import MOST_LOGINS, Found, Lookup, Shelf
from ingest.github import AccountNotFound, GitHub, GitHubError, Stopped
from ingest.github.api.profiles import Profile
from ingest.github.http.rate_gate import Stop

log = structlog.get_logger()
TELL_EVERY = 0.5


def work(github: GitHub, redis: Redis, lookup_id: str, stop: Stop | None = None) -> None:
    """Answer one look-up, showing how far it is. Safe to repeat; one that nobody waits for any more is left alone."""
    shelf = Shelf(redis)
    try:
        lookup = shelf.get(lookup_id)
    except NotHere:
        return
    if lookup.state == "done":
        return
    try:
        logins = lookup.logins
        if lookup.members_of is not None:
            logins = tuple(github.profiles.members(lookup.members_of, stop=stop)[:MOST_LOGINS])
        lookup = replace(lookup, logins=logins, state="working", found=())
        shelf.put(lookup)
        found = _ask(github, shelf, lookup, stop)
    except Stopped:
        shelf.put(replace(lookup, state="waiting"))
        raise
    except GitHubError as error:
        log.info("look-up failed", lookup=lookup_id, why=str(error))
        shelf.put(replace(lookup, state="failed", problem=str(error)))
        return
    shelf.put(replace(lookup, state="done", found=found))
    log.info("look-up done", lookup=lookup_id, logins=len(lookup.logins))


def _ask(github: GitHub, shelf: Shelf, lookup: Lookup, stop: Stop | None) -> tuple[Found, ...]:
    found: list[Found] = []
    told = time.monotonic()
    for login, answer in github.profiles.of(lookup.logins, stop=stop):
        found.append(_found(login, answer))
        if time.monotonic() - told > TELL_EVERY:
            shelf.put(replace(lookup, found=_in_order(lookup.logins, found)))
            told = time.monotonic()
    return _in_order(lookup.logins, found)


def _found(login: str, answer: Profile | GitHubError) -> Found:
    if isinstance(answer, AccountNotFound):
        return Found(login, problem="There is no such account")
    if isinstance(answer, GitHubError):
        return Found(login, problem=str(answer))
    return Found(login, answer.login, answer.github_id, answer.kind, answer.name, answer.public_repositories)


def _in_order(logins: Sequence[str], found: Sequence[Found]) -> tuple[Found, ...]:
    by_login = {one.asked: one for one in found}
    return tuple(by_login[login] for login in logins if login in by_login)
