"""Pure: what differs between what we hold and what GitHub said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TypeVar

from ingest.github.api.models import Account, Repository

# GitHub recomputes languages some minutes after a push: a look before then may have seen the old ones.
LANGUAGES_SETTLE_TIME = timedelta(minutes=15)
CHANGE_KIND_BY_FIELD = {
    "license": "relicensed",
    "primary_language": "primary_language",
    "default_branch": "default_branch",
}


@dataclass(frozen=True)
class RepositoryCounts:
    """What a snapshot holds."""

    stars: int | None
    forks: int | None
    size_kb: int | None


@dataclass(frozen=True)
class RepositoryExtras:
    """Counts with a cadence of their own; None: not told."""

    watchers: int | None = None
    open_issues: int | None = None
    open_change_requests: int | None = None
    open_issues_and_change_requests: int | None = None


@dataclass(frozen=True)
class RepositoryDetails:
    """What a repository is, apart from counts; `topics` None: not told."""

    node_id: str | None
    full_name: str
    description: str | None
    homepage: str | None
    license: str | None
    topics: tuple[str, ...] | None
    primary_language: str | None
    default_branch: str | None
    is_fork: bool
    is_archived: bool
    is_template: bool
    created_at: datetime | None
    pushed_at: datetime | None


@dataclass(frozen=True)
class StoredRepository:
    id: int
    github_id: int
    account_id: int
    details: RepositoryDetails
    counts: RepositoryCounts | None
    extras: RepositoryExtras
    captured_at: datetime | None = None
    gone_at: datetime | None = None


@dataclass(frozen=True)
class LanguagesState:
    """When a repository's languages were last read, and the latest push that look could see."""

    at: datetime | None
    pushed_at: datetime | None


@dataclass(frozen=True)
class AccountCounts:
    followers: int | None
    following: int | None
    public_repositories: int | None
    public_gists: int | None
    stars: int
    forks: int
    repositories: int


@dataclass(frozen=True)
class StoredAccount:
    id: int
    login: str
    checked_at: datetime | None
    gone_at: datetime | None
    counts: AccountCounts | None
    repositories: Mapping[int, StoredRepository]
    """By GitHub's id: its own, and those of others that the answer names as its own."""


@dataclass(frozen=True)
class ChangeEntry:
    """One entry of the ledger; `repository` is GitHub's id, None for the account itself."""

    kind: str
    before: str | None = None
    after: str | None = None
    repository: int | None = None


@dataclass
class AccountDiff:
    """What has to be written so that we hold what GitHub said; repositories by GitHub's id."""

    new: list[Repository] = field(default_factory=list)
    details: list[Repository] = field(default_factory=list)
    counts: list[Repository] = field(default_factory=list)
    extras: dict[int, RepositoryExtras] = field(default_factory=dict)
    entries: list[ChangeEntry] = field(default_factory=list)
    missing: list[StoredRepository] = field(default_factory=list)
    totals: AccountCounts | None = None
    """The account's new counts, None when they are the held ones."""

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, part.name) for part in fields(self))


DetailsOrExtras = TypeVar("DetailsOrExtras", RepositoryDetails, RepositoryExtras)
NOT_ALWAYS_REPORTED = {"node_id", "topics", *(part.name for part in fields(RepositoryExtras))}


def counts_of(repository: Repository) -> RepositoryCounts:
    return RepositoryCounts(repository.stars, repository.forks, repository.size_kb)


def extras_of(repository: Repository) -> RepositoryExtras:
    return RepositoryExtras(*(getattr(repository, part.name) for part in fields(RepositoryExtras)))


def details_of(repository: Repository) -> RepositoryDetails:
    told = RepositoryDetails(*(getattr(repository, part.name) for part in fields(RepositoryDetails)))
    # REST and GraphQL list topics in orders of their own.
    return told if told.topics is None else replace(told, topics=tuple(sorted(told.topics)))


def diff_account(held: StoredAccount, account: Account, repositories: Sequence[Repository]) -> AccountDiff:
    """Plan how to get from *held* to the answer. Empty when nothing differs."""
    plan = AccountDiff(entries=_account_entries(held, account))
    for repository in repositories:
        before = held.repositories.get(repository.github_id)
        if before is None:
            plan.new.append(repository)
            if held.checked_at:  # at the first look everything is new
                plan.entries.append(ChangeEntry("new", None, repository.full_name, repository.github_id))
        else:
            _diff_repository(plan, held, before, repository)
    listed = {repository.github_id for repository in repositories}
    plan.missing = [
        before
        for before in held.repositories.values()
        if before.account_id == held.id and before.gone_at is None and before.github_id not in listed
    ]
    totals = account_totals(account, repositories, held.counts)
    plan.totals = totals if totals != held.counts else None
    return plan


def account_totals(
    account: Account, repositories: Sequence[Repository], held: AccountCounts | None = None
) -> AccountCounts:
    """Sum over the repositories that the account owns now, forks included; counts not told this time are as *held*."""

    def told(name: str) -> int | None:
        now: int | None = getattr(account, name)
        return getattr(held, name, None) if now is None else now

    return AccountCounts(
        followers=told("followers"),
        following=told("following"),
        public_repositories=told("public_repositories"),
        public_gists=told("public_gists"),
        stars=sum(repository.stars or 0 for repository in repositories),
        forks=sum(repository.forks or 0 for repository in repositories),
        repositories=len(repositories),
    )


def capture_timestamp(holding: StoredAccount, captured_at: datetime) -> datetime | None:
    """The moment to store an answer under; None when a newer one is held.

    GitHub's `Date` has whole seconds: a second look within one of them comes just after the first.
    """
    if holding.checked_at and holding.checked_at.replace(microsecond=0) > captured_at:
        return None
    held_at = [*(one.captured_at for one in holding.repositories.values()), holding.checked_at]
    same_second = [at for at in held_at if at and at.replace(microsecond=0) == captured_at]
    return max(same_second) + timedelta(microseconds=1) if same_second else captured_at


def should_fetch_languages(look: LanguagesState | None, repository: Repository, now: datetime) -> bool:
    """Tell whether the bytes of languages may differ from what *look* saw: only a push changes them."""
    if repository.pushed_at is None:
        return False
    if look is None or look.at is None or look.pushed_at != repository.pushed_at:
        return True
    return look.at < repository.pushed_at + LANGUAGES_SETTLE_TIME <= now


def _account_entries(held: StoredAccount, account: Account) -> list[ChangeEntry]:
    entries = []
    if held.login.lower() != account.login.lower():
        entries.append(ChangeEntry("renamed", held.login, account.login))
    if held.gone_at:
        entries.append(ChangeEntry("back", None, account.login))
    return entries


def _diff_repository(plan: AccountDiff, held: StoredAccount, before: StoredRepository, now: Repository) -> None:
    is_back = before.gone_at is not None
    if (
        _with_unreported_filled(before.details, details_of(now)) != before.details
        or before.account_id != held.id
        or is_back
    ):
        plan.details.append(now)
    plan.entries += _repository_entries(held, before, now)
    if counts_of(now) != before.counts:
        plan.counts.append(now)
    extras = _with_unreported_filled(before.extras, extras_of(now))
    if extras != before.extras:
        plan.extras[now.github_id] = extras


def _repository_entries(held: StoredAccount, before: StoredRepository, now: Repository) -> list[ChangeEntry]:
    entries = []
    old, new = before.details, details_of(now)
    if before.account_id != held.id:
        entries.append(ChangeEntry("transferred", old.full_name, new.full_name, now.github_id))
    elif old.full_name.partition("/")[2] != new.full_name.partition("/")[2]:
        entries.append(ChangeEntry("renamed", old.full_name, new.full_name, now.github_id))
    if old.is_archived != new.is_archived:
        kind = "archived" if new.is_archived else "restored"
        entries.append(ChangeEntry(kind, None, new.full_name, now.github_id))
    if before.gone_at and not held.gone_at:
        entries.append(ChangeEntry("back", None, new.full_name, now.github_id))
    for name, kind in CHANGE_KIND_BY_FIELD.items():
        if getattr(old, name) != getattr(new, name):
            entries.append(ChangeEntry(kind, getattr(old, name), getattr(new, name), now.github_id))
    return entries


def _with_unreported_filled(before: DetailsOrExtras, now: DetailsOrExtras) -> DetailsOrExtras:
    """*now*, with what it does not tell filled from *before*: not told is not gone."""
    told = {
        part.name: getattr(before, part.name)
        if getattr(now, part.name) is None and part.name in NOT_ALWAYS_REPORTED
        else getattr(now, part.name)
        for part in fields(now)
    }
    return type(now)(**told)
