"""The repositories collected from the pages of an account's list, which may change while it is paged."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ingest.github.api.models import Repository

MAX_PASSES = 2


@dataclass
class RepositoryList:
    """Collect pages, and the time of the oldest response.

    A repository that moves between pages is reported twice or not at all. So duplicates count once, and where GitHub
    counts more repositories than it listed, all pages are fetched in a second pass.
    """

    total: int | None = None
    """How many repositories GitHub counts."""
    captured_at: datetime | None = None
    has_all_nodes: bool = True
    """False where GitHub withheld a repository that it listed."""
    passes: int = 1
    seen: dict[int, Repository] = field(default_factory=dict)
    previous_pass: dict[int, Repository] = field(default_factory=dict)

    def add(self, repositories: Iterable[Repository], captured_at: datetime) -> None:
        self.seen.update((repository.github_id, repository) for repository in repositories)
        self.add_time(captured_at)

    def add_time(self, captured_at: datetime) -> None:
        self.captured_at = captured_at if self.captured_at is None else min(self.captured_at, captured_at)

    @property
    def count_mismatch(self) -> int:
        """By how many GitHub's count exceeds what it listed in this pass."""
        return 0 if self.total is None else self.total - len(self.seen)

    def start_second_pass(self) -> None:
        self.passes += 1
        self.previous_pass, self.seen = self.seen, {}

    def repositories(self) -> tuple[Repository, ...]:
        """Return all repositories by GitHub id; those of the first pass, too, where the second did not find all."""
        found = self.previous_pass | self.seen if self.count_mismatch else self.seen
        return tuple(found[github_id] for github_id in sorted(found))

    def is_complete(self) -> bool:
        return self.has_all_nodes and self.total in (None, len(self.repositories()))
