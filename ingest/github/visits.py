"""One account on its way from question to outcome, and the walk over the pages of its repositories."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ingest.github.asks import AccountAnswer, Ask, Outcome
from ingest.github.credentials import ANONYMOUS, Credential
from ingest.github.errors import GitHubError
from ingest.github.models import Account, Extras, Repository
from ingest.github.transport import Tally

WALKS = 2


@dataclass
class Walk:
    """The pages of a list. Data moves while we walk: what repeats counts once, what got lost is looked for again."""

    number: int = 1
    seen: dict[int, Repository] = field(default_factory=dict)
    before: dict[int, Repository] = field(default_factory=dict)

    def add(self, repositories: Iterable[Repository]) -> list[Repository]:
        """Take a page; returns what was new in it."""
        fresh = [r for r in repositories if r.github_id not in self.seen and r.github_id not in self.before]
        self.seen.update((repository.github_id, repository) for repository in repositories)
        return fresh

    def ends(self, total: int | None, *, is_whole: bool) -> bool:
        """The last page has come. If there are not as many as GitHub counted, begin a second walk and return False."""
        if total is None or len(self.seen) == total or not is_whole or self.number == WALKS:
            return True
        self.number += 1
        self.before, self.seen = self.seen, {}
        return False

    def result(self, total: int | None) -> tuple[tuple[Repository, ...], bool]:
        """All repositories, and whether they are as many as GitHub counted."""
        found = self.seen if total is None or len(self.seen) == total else self.before | self.seen
        return tuple(found.values()), total is None or len(found) == total


@dataclass(eq=False)
class Visit:
    """What is known of one Ask so far. Touched by the scheduling thread alone."""

    ask: Ask
    credential: Credential
    login: str = ""
    account: Account | None = None
    organization: Account | None = None
    captured_at: datetime | None = None
    total: int | None = None
    cursor: str | None = None
    walk: Walk = field(default_factory=Walk)
    is_listed: bool = False
    is_whole: bool = True
    is_finished: bool = False
    under_way: int = 0
    """Parts besides the list that are asked for: languages, extras, an organization's followers."""
    tries: int = 0
    was_renamed: bool = False
    languages: dict[int, dict[str, int]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    unread: dict[int, GitHubError] = field(default_factory=dict)
    extras: dict[int, Extras] = field(default_factory=dict)
    requests: float = 0.0
    points: float = 0.0
    not_modified: float = 0.0
    avoided: set[str] = field(default_factory=set)

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

    def begin_again(self, credential: Credential) -> "Visit":
        """The same question, asked by somebody else; what it has cost stays."""
        return Visit(
            self.ask,
            credential,
            requests=self.requests,
            points=self.points,
            not_modified=self.not_modified,
            avoided=self.avoided | {self.credential.fingerprint},
        )

    def answer(self) -> AccountAnswer:
        assert self.account is not None
        assert self.captured_at is not None
        account = self.account.completed_by(self.organization) if self.organization else self.account
        repositories, complete = self.walk.result(self.total)
        fingerprint = self.credential.fingerprint
        renamed = account.login.lower() != self.ask.login.lower()
        return AccountAnswer(
            account=account,
            repositories=tuple(
                repository.with_extras(self.extras[repository.github_id])
                if repository.github_id in self.extras
                else repository
                for repository in repositories
            ),
            languages=self.languages,
            captured_at=self.captured_at,
            complete=complete and self.is_whole,
            token=None if fingerprint == ANONYMOUS else fingerprint,
            redirected_from=self.ask.login if renamed else None,
            languages_refused=self.refused,
            unread=tuple(self.unread),
            unread_because=next(iter(self.unread.values()), None),
        )

    def outcome(self, error: GitHubError | None = None) -> Outcome:
        answer = None if error else self.answer()
        return Outcome(self.ask, answer, error, self.requests, self.points, round(self.not_modified))


Finish = Callable[[Visit, GitHubError | None], None]
"""Called once for each visit: with None when its answer is complete, else with what went wrong."""
