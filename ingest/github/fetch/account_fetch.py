"""One account on its way from question to outcome, and the walk over the pages of its repositories."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from ingest.github.api.models import Account, Extras, Repository
from ingest.github.errors import GitHubError
from ingest.github.http.credentials import ANONYMOUS, Credential
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.transport import Tally
from ingest.github.types import AccountRequest, AccountResult, AccountSnapshot

log = structlog.get_logger()

MAX_PASSES = 2


@dataclass
class RepositoryPager:
    """The pages of a list. Data moves while we walk: what repeats counts once, what got lost is looked for again."""

    number: int = 1
    seen: dict[int, Repository] = field(default_factory=dict)
    before: dict[int, Repository] = field(default_factory=dict)

    def add(self, repositories: Iterable[Repository]) -> list[Repository]:
        """Take a page; returns what was new in it."""
        fresh = [r for r in repositories if r.github_id not in self.seen and r.github_id not in self.before]
        self.seen.update((repository.github_id, repository) for repository in repositories)
        return fresh

    def ends(self, total: int | None, *, is_complete: bool = True, known_gap: int | None = None) -> bool:
        """The last page has come. If there are not as many as GitHub counted, begin a second walk and return False.

        *known_gap* is by how many GitHub's count was off the last time, after two walks: so it is again.
        """
        gap = self.gap(total)
        if not gap or gap == known_gap or not is_complete or self.number == MAX_PASSES:
            return True
        self.number += 1
        self.before, self.seen = self.seen, {}
        return False

    def gap(self, total: int | None) -> int:
        """By how many GitHub counted more than it has shown on this walk."""
        return 0 if total is None else total - len(self.seen)

    def result(self, total: int | None) -> tuple[tuple[Repository, ...], bool]:
        """All repositories by their number, and whether they are as many as GitHub counted."""
        found = self.seen if total is None or len(self.seen) == total else self.before | self.seen
        return tuple(found[number] for number in sorted(found)), total is None or len(found) == total


@dataclass(eq=False)
class AccountFetch:
    """What is known of one Ask so far. Touched by the scheduling thread alone."""

    ask: AccountRequest
    credential: Credential
    login: str = ""
    account: Account | None = None
    organization: Account | None = None
    captured_at: datetime | None = None
    total: int | None = None
    cursor: str | None = None
    pager: RepositoryPager = field(default_factory=RepositoryPager)
    has_all_pages: bool = False
    is_complete: bool = True
    is_finished: bool = False
    pending_parts: int = 0
    """Parts besides the list that are asked for: languages, extras, an organization's followers."""
    tries: int = 0
    is_looked_up_by_id: bool = False
    languages: dict[int, dict[str, int]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    languages_failed: dict[int, GitHubError] = field(default_factory=dict)
    extras: dict[int, Extras] = field(default_factory=dict)
    requests: float = 0.0
    points: float = 0.0
    not_modified: float = 0.0
    excluded_credentials: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.login = self.login or self.ask.login

    def share(self, tally: Tally, part: float = 1.0) -> None:
        """Take on a part of what a request has cost."""
        self.requests += tally.requests * part
        self.points += tally.points * part
        self.not_modified += tally.not_modified * part

    def saw(self, moment: datetime) -> None:
        """An answer is of the moment of its oldest part."""
        self.captured_at = moment if self.captured_at is None else min(self.captured_at, moment)

    def restart_with(self, credential: Credential) -> "AccountFetch":
        """The same question, asked by somebody else; what it has cost stays."""
        return AccountFetch(
            self.ask,
            credential,
            requests=self.requests,
            points=self.points,
            not_modified=self.not_modified,
            excluded_credentials=self.excluded_credentials | {self.credential.fingerprint},
        )

    def answer(self) -> AccountSnapshot:
        assert self.account is not None
        assert self.captured_at is not None
        account = self.account.with_organization_details(self.organization) if self.organization else self.account
        repositories, complete = self.pager.result(self.total)
        fingerprint = self.credential.fingerprint
        return AccountSnapshot(
            account=account,
            repositories=tuple(
                repository.with_extras(self.extras[repository.github_id])
                if repository.github_id in self.extras
                else repository
                for repository in repositories
            ),
            languages=self.languages,
            captured_at=self.captured_at,
            is_complete=complete and self.is_complete,
            token=None if fingerprint == ANONYMOUS else fingerprint,
            languages_refused=self.refused,
            languages_failed=tuple(self.languages_failed),
            languages_error=next(iter(self.languages_failed.values()), None),
        )

    def result(self, error: GitHubError | None = None) -> AccountResult:
        answer = None if error else self.answer()
        return AccountResult(self.ask, answer, error, self.requests, self.points, round(self.not_modified))


class CountMismatchCache:
    """Remembers whose count is off for good, so that it does not cost a second walk each time."""

    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache

    def finish_pass(self, visit: AccountFetch) -> bool:
        """The walk has come to its end: whether that is it, or a second one has begun."""
        assert visit.account is not None
        gap = visit.pager.gap(visit.total)
        known = self._cache.gap(visit.account.github_id) if gap else None
        if not visit.pager.ends(visit.total, is_complete=visit.is_complete, known_gap=known):
            log.info("repositories moved while they were read, reading them again", login=visit.login, gap=gap)
            return False
        if gap and gap != known and visit.is_complete:
            self._cache.save_count_mismatch(visit.account.github_id, gap)
        return True


FinishFetch = Callable[[AccountFetch, GitHubError | None], None]
"""Called once for each visit: with None when its answer is complete, else with what went wrong."""
