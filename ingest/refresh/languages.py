"""When a repository's languages are fetched: where something that is free suggests that they changed. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.github.api.models import Repository

# GitHub recomputes languages some minutes after a push or a change of the default branch.
SETTLE_TIME = timedelta(minutes=15)
# What no signal shows is found by fetching everything again about this often, from budget that would be left over.
REFETCH_INTERVAL = timedelta(days=30)


@dataclass(frozen=True)
class LanguageSignals:
    """What every refresh reports of a repository that changes together with its languages; None: not reported."""

    pushed_at: datetime | None = None
    default_branch: str | None = None
    primary_language: str | None = None
    size_kb: int | None = None

    @classmethod
    def of(cls, repository: Repository) -> "LanguageSignals":
        return cls(repository.pushed_at, repository.default_branch, repository.primary_language, repository.size_kb)

    def differ_from(self, before: "LanguageSignals") -> bool:
        """Return whether the languages may differ from those fetched when *before* was reported."""
        if self.pushed_at != before.pushed_at:
            return True
        if self.size_kb is None or before.size_kb is None:
            return False
        return (
            self.size_kb != before.size_kb
            or self.primary_language != before.primary_language
            or self.is_other_branch(before)
        )

    def is_other_branch(self, before: "LanguageSignals") -> bool:
        return None not in (self.default_branch, before.default_branch) and self.default_branch != before.default_branch


@dataclass(frozen=True)
class LanguagesState:
    """When a repository's languages were last fetched, and what was reported of it then."""

    at: datetime | None
    signals: LanguageSignals = LanguageSignals()
    due_at: datetime | None = None
    """When to fetch them again whatever is reported; None: no need."""


@dataclass(frozen=True)
class FetchedLanguages:
    """A repository's languages with their bytes as fetched *at* some time, and what was reported of it then.

    due_at  when to fetch them again whatever is reported; None: no need
    """

    languages: Mapping[str, int]
    signals: LanguageSignals
    at: datetime
    due_at: datetime | None = None


def should_fetch_languages(
    state: LanguagesState | None, repository: Repository, now: datetime, *, is_idle: bool = False
) -> bool:
    """Return whether the languages may differ from those stored. An empty repository has none.

    *is_idle*: much of the rate budget is left, so those fetched long ago are fetched again.
    """
    if repository.pushed_at is None:
        return False
    if state is None or state.at is None:
        return True
    if state.due_at is not None and state.due_at <= now:
        return True
    if is_idle and state.at + refetch_interval(repository.github_id) <= now:
        return True
    return LanguageSignals.of(repository).differ_from(state.signals)


def refetch_interval(github_id: int) -> timedelta:
    """Spread the interval from three to five quarters, or what was fetched on one day would be due on one day."""
    return REFETCH_INTERVAL * (0.75 + 0.5 * (github_id % 1009) / 1009)


def fetch_again_at(
    state: LanguagesState | None, repository: Repository, at: datetime, *, is_complete: bool
) -> datetime | None:
    """Return when languages fetched *at* are to be fetched once more, None where GitHub had recomputed them.

    *state* is that before this fetch; not *is_complete* means that GitHub failed to report some of them.
    """
    times = [at + SETTLE_TIME] if not is_complete else []
    if repository.pushed_at is not None and at < repository.pushed_at + SETTLE_TIME:
        times.append(repository.pushed_at + SETTLE_TIME)
    # It changed at some time since the refresh before.
    if state is not None and state.at is not None and LanguageSignals.of(repository).is_other_branch(state.signals):
        times.append(at + SETTLE_TIME)
    return max(times, default=None)
