"""Difference between the stored state of an account and GitHub's response, without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TypeVar

from core.linguist import present_name
from ingest.github.api.models import Account, Repository

CHANGE_KIND_BY_FIELD = {
    "license": "relicensed",
    "primary_language": "primary_language",
    "default_branch": "default_branch",
}


@dataclass(frozen=True)
class RepositoryCounts:
    """The counts of a repository snapshot."""

    stars: int | None
    forks: int | None
    size_kb: int | None


@dataclass(frozen=True)
class RepositoryExtras:
    """Counts that are fetched less often; None: not reported."""

    watchers: int | None = None
    open_issues: int | None = None
    open_change_requests: int | None = None
    open_issues_and_change_requests: int | None = None


@dataclass(frozen=True)
class RepositoryDetails:
    """A repository's properties other than counts; `topics` None: not reported."""

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
    owner_checked_at: datetime | None = None
    """Last refresh of the account that it belongs to."""
    is_plain: bool = False
    """See `ingest.refresh.growth`."""


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
    """By GitHub's id: its own, and other accounts' that the response lists as its own."""
    profile: tuple[str | None, ...] = ()
    """As `attribute_versions.profile_of`."""


@dataclass(frozen=True)
class ChangeEntry:
    """One row of the `change` table; `repository` is GitHub's id, None for the account itself."""

    kind: str
    before: str | None = None
    after: str | None = None
    repository: int | None = None


@dataclass
class AccountDiff:
    """The changes that a response makes; repositories by GitHub's id."""

    new: list[Repository] = field(default_factory=list)
    details: list[Repository] = field(default_factory=list)
    counts: list[Repository] = field(default_factory=list)
    extras: dict[int, RepositoryExtras] = field(default_factory=dict)
    entries: list[ChangeEntry] = field(default_factory=list)
    missing: list[StoredRepository] = field(default_factory=list)
    totals: AccountCounts | None = None
    """The account's counts; None if they equal the stored ones."""

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, part.name) for part in fields(self))


DetailsOrExtras = TypeVar("DetailsOrExtras", RepositoryDetails, RepositoryExtras)
DETAIL_NAMES = tuple(part.name for part in fields(RepositoryDetails))
EXTRA_NAMES = tuple(part.name for part in fields(RepositoryExtras))
NOT_ALWAYS_REPORTED: Mapping[type, Sequence[str]] = {
    RepositoryDetails: ("node_id", "topics"),
    RepositoryExtras: EXTRA_NAMES,
}
_details, _extras = attrgetter(*DETAIL_NAMES), attrgetter(*EXTRA_NAMES)


def counts_of(repository: Repository) -> RepositoryCounts:
    return RepositoryCounts(repository.stars, repository.forks, repository.size_kb)


def extras_of(repository: Repository) -> RepositoryExtras:
    return RepositoryExtras(*_extras(repository))


def details_of(repository: Repository) -> RepositoryDetails:
    details = RepositoryDetails(*_details(repository))
    # REST and GraphQL list topics in different orders.
    return details if details.topics is None else replace(details, topics=tuple(sorted(details.topics)))


def diff_account(
    stored: StoredAccount,
    account: Account,
    repositories: Sequence[Repository],
    *,
    listed: Sequence[Repository] | None = None,
    announces_new: bool = True,
) -> AccountDiff:
    """Return what differs between *stored* and the response; empty if nothing does.

    listed         all repositories of the response, which totals add up, where *repositories* are only those to store
    announces_new  False: repositories that are not stored yet are no news
    """
    diff = AccountDiff(entries=_account_entries(stored, account))
    for repository in repositories:
        before = stored.repositories.get(repository.github_id)
        if before is None:
            diff.new.append(repository)
            if stored.checked_at and announces_new:  # at the first refresh every repository is new
                diff.entries.append(ChangeEntry("new", None, repository.full_name, repository.github_id))
        else:
            _diff_repository(diff, stored, before, repository)
    present = {repository.github_id for repository in repositories}
    diff.missing = [
        before
        for before in stored.repositories.values()
        if before.account_id == stored.id and before.gone_at is None and before.github_id not in present
    ]
    totals = account_totals(account, repositories if listed is None else listed, stored.counts)
    diff.totals = totals if totals != stored.counts else None
    return diff


def account_totals(
    account: Account, repositories: Sequence[Repository], stored: AccountCounts | None = None
) -> AccountCounts:
    """Sum stars and forks over the account's repositories, forks included; counts not reported are as *stored*."""

    def reported_or_stored(name: str) -> int | None:
        reported: int | None = getattr(account, name)
        return getattr(stored, name, None) if reported is None else reported

    return AccountCounts(
        followers=reported_or_stored("followers"),
        following=reported_or_stored("following"),
        public_repositories=reported_or_stored("public_repositories"),
        public_gists=reported_or_stored("public_gists"),
        stars=sum(repository.stars or 0 for repository in repositories),
        forks=sum(repository.forks or 0 for repository in repositories),
        repositories=len(repositories),
    )


def capture_timestamp(stored: StoredAccount, captured_at: datetime, now: datetime) -> datetime | None:
    """Return the timestamp to store a response under; None if a newer response or deletion is stored.

    GitHub's `Date` has whole seconds: a second capture within the same second is stored a microsecond later.
    """
    # A deletion in the future is that of a wrong clock.
    gone_at = stored.gone_at if stored.gone_at and stored.gone_at <= now else None
    if any(at and at.replace(microsecond=0) > captured_at for at in (stored.checked_at, gone_at)):
        return None
    stored_at = [*(one.captured_at for one in stored.repositories.values()), stored.checked_at, gone_at]
    same_second = [at for at in stored_at if at and at.replace(microsecond=0) == captured_at]
    return max(same_second) + timedelta(microseconds=1) if same_second else captured_at


def belongs_to_another(stored: StoredAccount, github_id: int, captured_at: datetime) -> bool:
    """Return whether a newer response than one of *captured_at* listed the repository under another account."""
    found = stored.repositories.get(github_id)
    if found is None or found.account_id == stored.id or found.gone_at or found.owner_checked_at is None:
        return False
    return found.owner_checked_at.replace(microsecond=0) > captured_at


def _account_entries(stored: StoredAccount, account: Account) -> list[ChangeEntry]:
    entries = []
    if stored.login.lower() != account.login.lower():
        entries.append(ChangeEntry("renamed", stored.login, account.login))
    if stored.gone_at:
        entries.append(ChangeEntry("back", None, account.login))
    return entries


def _diff_repository(diff: AccountDiff, stored: StoredAccount, before: StoredRepository, now: Repository) -> None:
    is_back = before.gone_at is not None
    details = details_of(now)
    if _with_unreported_filled(before.details, details) != before.details or before.account_id != stored.id or is_back:
        diff.details.append(now)
    diff.entries += _repository_entries(stored, before, details)
    if counts_of(now) != before.counts:
        diff.counts.append(now)
    extras = _with_unreported_filled(before.extras, extras_of(now))
    if extras != before.extras:
        diff.extras[now.github_id] = extras


def has_other_attributes(before: StoredRepository, account_id: int, now: Repository) -> bool:
    """Return whether a version has to be kept of *before*: *now* differs, pushes aside, or it was not available."""
    if before.gone_at is not None or before.account_id != account_id:
        return True
    old = before.details
    new = _with_unreported_filled(old, details_of(now))
    return replace(new, node_id=old.node_id, created_at=old.created_at, pushed_at=old.pushed_at) != old


def _repository_entries(stored: StoredAccount, before: StoredRepository, new: RepositoryDetails) -> list[ChangeEntry]:
    entries = []
    old, github_id = before.details, before.github_id
    if before.account_id != stored.id:
        entries.append(ChangeEntry("transferred", old.full_name, new.full_name, github_id))
    elif old.full_name.partition("/")[2] != new.full_name.partition("/")[2]:
        entries.append(ChangeEntry("renamed", old.full_name, new.full_name, github_id))
    if old.is_archived != new.is_archived:
        kind = "archived" if new.is_archived else "restored"
        entries.append(ChangeEntry(kind, None, new.full_name, github_id))
    # Those that became unavailable with their account are back with it.
    if before.gone_at and (stored.gone_at is None or before.gone_at < stored.gone_at):
        entries.append(ChangeEntry("back", None, new.full_name, github_id))
    for name, kind in CHANGE_KIND_BY_FIELD.items():
        if _shown(name, getattr(old, name)) != _shown(name, getattr(new, name)):
            entries.append(ChangeEntry(kind, getattr(old, name), getattr(new, name), github_id))
    return entries


def _shown(name: str, value: str | None) -> str | None:
    """Return what pages show: a language that Linguist renamed has not changed."""
    return present_name(value) if name == "primary_language" and value else value


def _with_unreported_filled(before: DetailsOrExtras, now: DetailsOrExtras) -> DetailsOrExtras:
    """Return *now* with unreported values taken from *before*: not reported does not mean removed."""
    filled = {
        name: value
        for name in NOT_ALWAYS_REPORTED[type(now)]
        if getattr(now, name) is None and (value := getattr(before, name)) is not None
    }
    return replace(now, **filled) if filled else now
