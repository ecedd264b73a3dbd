"""Responses about accounts compared with what is stored, and the differences written.

Each statement is sent once for all of the accounts: on a cluster it is planned on every node.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from core.db.data_version import announce_past_change, is_late
from core.queries.captures import PRESENCE_CHANGES
from core.wording import quantity
from ingest.github import Account, AccountSnapshot, Repository
from ingest.history_import import adopt
from ingest.planning import change_rate, due_accounts
from ingest.refresh import diff, languages, run_log, stored_state, summaries, writer
from ingest.refresh.diff import AccountDiff, ChangeEntry, StoredAccount
from ingest.refresh.languages import FetchedLanguages, LanguageSignals, LanguagesState
from ingest.refresh.missing_repositories import MissingRepositories
from ingest.refresh.run_log import IngestItem
from ingest.refresh.stored_state import TrackedRepositories, short_name
from ingest.refresh.summaries import Subject
from ingest.refresh.writer import AccountChanges, ReportedAccount, ReportedRepository

log = structlog.get_logger()


@dataclass(frozen=True)
class Response:
    """What GitHub reported of one account.

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


def store_accounts(
    connection: Connection,
    run_id: int,
    responses: Sequence[Response],
    *,
    language_states: Mapping[int, LanguagesState],
    now: datetime,
    default_cadence: timedelta,
    rng: random.Random,
) -> list[IngestItem]:
    """Compare *responses* with what is stored, write what changed and plan the next refreshes, in this transaction.

    No two of them are about one account or one repository. Returns the outcome of each, in the same order.

    language_states  by which it was decided whose languages to fetch, by GitHub's ids
    """
    ids, adopting = stored_state.lock_or_create_accounts(connection, [(one.account, one.login) for one in responses])
    loaded = stored_state.load_accounts(
        connection, {id_: _github_ids(one.listed) for id_, one in zip(ids, responses, strict=True)}
    )
    comparisons = [_compare(one, *loaded[id_], now) for id_, one in zip(ids, responses, strict=True)]
    newer = [one for one in comparisons if not one.is_older]
    adopting |= _write_changes(connection, run_id, newer)
    language_rows = _write_languages(connection, newer, language_states)
    writer.write_accounts(
        connection,
        [ReportedAccount(one.stored, one.response.account, one.at, one.response.snapshot.token) for one in newer],
    )
    observations = {
        one.stored.id: change_rate.observe_changes(one.stored, one.changes, one.at, one.repositories) for one in newer
    }
    due_accounts.record_successes(connection, observations, now, default_cadence, rng)
    writer.write_captures(connection, {one.stored.id: one.at for one in newer}, run_id, default_cadence)
    _update_summaries(connection, newer, adopting)
    # Last, as other transactions that publish or announce wait from here on.
    if adopting or any(is_late(one.at) for one in newer):
        announce_past_change(connection)
    return [_item(one, language_rows) for one in comparisons]


def _compare(response: Response, stored: StoredAccount, tracked: TrackedRepositories, now: datetime) -> Comparison:
    captured_at = response.snapshot.captured_at
    repositories = [one for one in response.listed if not diff.belongs_to_another(stored, one.github_id, captured_at)]
    kept = [one for one in repositories if is_kept(one, stored, tracked)]
    is_news = announces_new(stored, tracked)
    changes = diff.diff_account(stored, response.account, kept, listed=repositories, announces_new=is_news)
    at = diff.capture_timestamp(stored, captured_at, now)
    if at is None:
        log.info("older response ignored", login=response.account.login)
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


def _write_changes(connection: Connection, run_id: int, comparisons: Sequence[Comparison]) -> set[int]:
    """Write what differs to all tables; returns our ids of the accounts with repositories that adopted history."""
    new = [ReportedRepository(one.stored.id, each, one.at) for one in comparisons for each in one.changes.new]
    details = [ReportedRepository(one.stored.id, each, one.at) for one in comparisons for each in one.changes.details]
    writer.insert_repositories(connection, new)
    adopted = set(adopt.adopt_imported_history(connection, [one.repository.github_id for one in new]) if new else [])
    writer.update_details(
        connection, details, {id_: each for one in comparisons for id_, each in one.stored.repositories.items()}
    )
    writer.write_counts(
        connection,
        [
            (each.github_id, one.at, each.stars, each.forks, each.size_kb)
            for one in comparisons
            for each in (*one.changes.new, *one.changes.counts)
        ],
        has_new=bool(new),
    )
    writer.write_extras(
        connection,
        [
            (id_, one.at, extras)
            for one in comparisons
            for id_, extras in {
                **one.changes.extras,
                **{each.github_id: diff.extras_of(each) for each in one.changes.new},
            }.items()
        ],
    )
    writer.write_account_snapshots(
        connection, [(one.stored.id, one.at, one.changes.totals) for one in comparisons if one.changes.totals]
    )
    entries = [
        AccountChanges(one.stored.id, one.changes.entries + _write_missing_repositories(connection, one), one.at)
        for one in comparisons
    ]
    writer.write_change_entries(connection, entries, run_id)
    return {one.account_id for one in new if one.repository.github_id in adopted}


def _update_summaries(connection: Connection, comparisons: Sequence[Comparison], adopting: set[int]) -> None:
    may_change_owners = [one for one in comparisons if one.stored.id in adopting or _may_change_owners(one)]
    account_ids = [one.stored.id for one in may_change_owners]
    summaries.update_refreshed_summaries(
        connection,
        [subject for one in comparisons if one.stored.id not in account_ids for subject in _subjects(one)],
    )
    # After those: it may take repositories from them.
    if may_change_owners:
        summaries.update_summaries(
            connection,
            account_ids=account_ids,
            repository_ids={
                id_ for one in may_change_owners for id_ in (*one.stored.repositories, *_github_ids(one.changes.new))
            },
            locked_account_ids=[one.stored.id for one in comparisons],
        )


def _may_change_owners(comparison: Comparison) -> bool:
    """Return whether a repository may belong to another account than before, or be available since or until now."""
    stored, changes, missing = comparison.stored, comparison.changes, comparison.response.missing
    return (
        stored.gone_at is not None
        or bool(changes.new)
        or bool(missing.gone or missing.moved)
        or any(entry.kind in PRESENCE_CHANGES for entry in changes.entries)
        or any(one.account_id != stored.id for one in stored.repositories.values())
    )


def _subjects(comparison: Comparison) -> list[Subject]:
    """Return the repositories whose summary a capture can change: growth of those that are gone stays as it is."""
    stored, at = comparison.stored, comparison.at
    changed = {one.github_id for one in comparison.changes.counts}
    subjects = []
    for github_id, one in stored.repositories.items():
        if one.gone_at is None:
            changed_at = at if github_id in changed else one.captured_at
            is_plain = one.is_plain and changed_at is not None and changed_at <= at
            subjects.append(Subject(one.id, stored.id, stored.id, changed_at, is_plain))
    return subjects


def _write_languages(
    connection: Connection, comparisons: Sequence[Comparison], states: Mapping[int, LanguagesState]
) -> dict[int, int]:
    """Write the languages that were fetched, and when to fetch them again; returns how many rows of each repository."""
    fetched = {}
    for one in comparisons:
        snapshot = one.response.snapshot
        for repository in one.kept:
            id_ = repository.github_id
            if id_ in snapshot.languages:
                is_complete = id_ not in snapshot.languages_incomplete
                again_at = languages.fetch_again_at(states.get(id_), repository, one.at, is_complete=is_complete)
                signals = LanguageSignals.of(repository)
                fetched[id_] = FetchedLanguages(snapshot.languages[id_], signals, one.at, again_at)
    return writer.write_languages(connection, fetched)


def _write_missing_repositories(connection: Connection, comparison: Comparison) -> list[ChangeEntry]:
    """Mark deleted, private and transferred repositories; returns their change entries."""
    missing, at = comparison.response.missing, comparison.at
    entries = []
    for one in comparison.changes.missing:
        if one.github_id in missing.gone:
            reason = missing.gone[one.github_id]
            writer.mark_gone(connection, one.id, reason, at)
            entries.append(ChangeEntry("gone", one.details.full_name, reason, one.github_id))
        elif one.github_id in missing.moved:
            moved = missing.moved[one.github_id]
            owner_id = stored_state.get_or_create_owner_id(connection, moved)
            writer.update_details(connection, [ReportedRepository(owner_id, moved, at)], {moved.github_id: one})
            entries.append(ChangeEntry("transferred", one.details.full_name, moved.full_name, one.github_id))
    return entries


def _item(comparison: Comparison, language_rows: Mapping[int, int]) -> IngestItem:
    """Return the outcome of one response; *language_rows*: how many rows were written, by repository."""
    response, stored, changes = comparison.response, comparison.stored, comparison.changes
    snapshot, account = response.snapshot, response.account
    item = IngestItem(response.login, "unchanged", stored.id, len(comparison.repositories))
    if comparison.is_older:
        return _noting_missing_extras(item, snapshot)
    if snapshot.languages_failed:
        log.info("languages postponed", login=account.login, repositories=len(snapshot.languages_failed))
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


def _github_ids(repositories: Sequence[Repository]) -> list[int]:
    return [repository.github_id for repository in repositories]
