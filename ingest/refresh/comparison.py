"""A response about an account beside what is stored of it: what is to be written, and its outcome. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.queries.captures import PRESENCE_CHANGES
from core.wording import quantity
from ingest.github import Account, AccountSnapshot, Repository
from ingest.refresh import diff, run_log
from ingest.refresh.diff import AccountDiff, StoredAccount
from ingest.refresh.missing_repositories import MissingRepositories
from ingest.refresh.run_log import IngestItem
from ingest.refresh.stored_state import TrackedRepositories, short_name
from ingest.refresh.summaries import Subject


@dataclass(frozen=True)
class Response:
    """A response of GitHub about one account.

    login    as requested; the account may have another one by now
    missing  repositories that GitHub no longer lists, and what became of them
    """

    login: str
    snapshot: AccountSnapshot
    missing: MissingRepositories = field(default_factory=MissingRepositories)

    @property
    def account(self) -> Account:
        return self.snapshot.account

    @property
    def listed(self) -> tuple[Repository, ...]:
        """All repositories that the account has now."""
        return (*self.snapshot.repositories, *self.missing.still_owned)

    @property
    def repository_ids(self) -> set[int]:
        """GitHub's ids of all repositories that it is about."""
        return {*(one.github_id for one in self.listed), *self.missing.moved, *self.missing.gone}


@dataclass(frozen=True)
class Comparison:
    """A response beside what is stored of its account.

    at            when it counts as captured
    is_older      whether a newer response is stored, so that this one is ignored
    repositories  those listed that belong to no other account since
    kept          those of them that are to be stored
    """

    response: Response
    stored: StoredAccount
    at: datetime
    is_older: bool
    repositories: Sequence[Repository]
    kept: Sequence[Repository]
    changes: AccountDiff

    @property
    def account_id(self) -> int:
        """Our id of the account."""
        return self.stored.id

    @property
    def may_change_owners(self) -> bool:
        """Whether a repository may belong to another account than before, or be available since or until now."""
        missing = self.response.missing
        return (
            self.stored.gone_at is not None
            or bool(self.changes.new)
            or bool(missing.gone or missing.moved)
            or any(entry.kind in PRESENCE_CHANGES for entry in self.changes.entries)
            or any(one.account_id != self.account_id for one in self.stored.repositories.values())
        )

    @property
    def subjects(self) -> list[Subject]:
        """The repositories whose summary it can change: growth of those that are gone stays as it is."""
        changed = {one.github_id for one in self.changes.counts}
        subjects = []
        for github_id, one in self.stored.repositories.items():
            if one.gone_at is None:
                changed_at = self.at if github_id in changed else one.captured_at
                is_plain = one.is_plain and changed_at is not None and changed_at <= self.at
                subjects.append(Subject(one.id, self.account_id, self.account_id, changed_at, is_plain))
        return subjects


def compare(response: Response, stored: StoredAccount, tracked: TrackedRepositories, now: datetime) -> Comparison:
    """Compare *response* with what is stored of its account, as far as it is tracked."""
    captured_at = response.snapshot.captured_at
    repositories = [one for one in response.listed if not diff.belongs_to_another(stored, one.github_id, captured_at)]
    kept = [one for one in repositories if is_kept(one, stored, tracked)]
    is_news = announces_new(stored, tracked)
    changes = diff.diff_account(stored, response.account, kept, listed=repositories, announces_new=is_news)
    at = diff.capture_timestamp(stored, captured_at, now)
    return Comparison(response, stored, at or captured_at, at is None, repositories, kept, changes)


def is_kept(repository: Repository, stored: StoredAccount, tracked: TrackedRepositories) -> bool:
    """Return whether to store *repository*: it is asked for, or stored already, as a capture covers all of these."""
    is_asked_for = tracked.only is None or short_name(repository) in tracked.only
    return is_asked_for or repository.github_id in stored.repositories


def announces_new(stored: StoredAccount, tracked: TrackedRepositories) -> bool:
    """Return whether a repository that is not stored is new, rather than asked for since the last refresh."""
    if stored.checked_at is None or tracked.only is not None:
        return False
    return tracked.widened_at is None or stored.checked_at > tracked.widened_at


def outcome(comparison: Comparison, language_rows: Mapping[int, int]) -> IngestItem:
    """Return the outcome of a response that was stored; *language_rows*: how many were written, by repository."""
    response, stored, changes = comparison.response, comparison.stored, comparison.changes
    snapshot, account = response.snapshot, response.account
    item = IngestItem(response.login, "unchanged", stored.id, len(comparison.repositories))
    if comparison.is_older:
        return _noting_missing_extras(item, snapshot)
    rows = len(changes.counts) + len(changes.new) + len(changes.extras) + (changes.totals is not None)
    rows += sum(language_rows.get(one.github_id, 0) for one in comparison.kept)
    state: run_log.ItemState = "unchanged" if changes.is_empty and not rows else "stored"
    item = replace(item, state=state, rows_written=rows)
    if stored.checked_at is None and response.login.lower() != account.login.lower():
        item = replace(item, error=f"{response.login} is now called {account.login}")
    is_complete = snapshot.is_complete or len(response.listed) >= (account.public_repositories or 0)
    return _noting_missing_extras(item if is_complete else _incomplete_item(item, account), snapshot)


def _incomplete_item(item: IngestItem, account: Account) -> IngestItem:
    error = (
        f"GitHub counts {quantity(account.public_repositories or 0, 'repository', 'repositories')} of {account.login}"
        f" but listed {item.repositories}:"
        " the list changed while paging; the next refresh will correct it"
    )
    return replace(item, error_code="incomplete", error=error)


def _noting_missing_extras(item: IngestItem, snapshot: AccountSnapshot) -> IngestItem:
    """Say it where extras were requested and not all of them fetched."""
    if snapshot.extras_error is None:
        return item
    error = f"Watchers, open issues, open pull requests and topics were not fetched: {snapshot.extras_error}"
    sentences = f"{item.error}. {error}" if item.error else error
    return replace(item, error_code=item.error_code or "without_extras", error=sentences)
