"""One account's response compared with what is stored, and the difference written."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from ingest.refresh.languages import LanguageSignals, LanguagesState
from ingest.refresh.missing_repositories import MissingRepositories
from ingest.refresh.run_log import IngestItem
from ingest.refresh.stored_state import TrackedRepositories, short_name
from ingest.refresh.summaries import Subject

log = structlog.get_logger()


def store_account(
    connection: Connection,
    run_id: int,
    login: str,
    snapshot: AccountSnapshot,
    missing: MissingRepositories,
    *,
    language_states: Mapping[int, LanguagesState],
    now: datetime,
    default_cadence: timedelta,
    rng: random.Random,
) -> IngestItem:
    """Compare *snapshot* with what is stored, write what changed and plan the next refresh, in this transaction.

    login            as requested; the account may have another one by now
    missing          repositories that GitHub no longer lists, and what became of them
    language_states  by which it was decided whose languages to fetch, by GitHub's ids
    """
    account = snapshot.account
    listed = (*snapshot.repositories, *missing.still_owned)
    account_id, has_adopted = stored_state.lock_or_create_account(connection, account, login)
    stored, tracked = stored_state.load_account(connection, account_id, _github_ids(listed))
    moved_on = {id_ for id_ in _github_ids(listed) if diff.belongs_to_another(stored, id_, snapshot.captured_at)}
    repositories = [one for one in listed if one.github_id not in moved_on]
    at = diff.capture_timestamp(stored, snapshot.captured_at, now)
    if at is None:
        log.info("older response ignored", login=account.login)
        if has_adopted:
            announce_past_change(connection)
        return _noting_missing_extras(IngestItem(login, "unchanged", account_id, len(repositories)), snapshot)
    kept = [one for one in repositories if is_kept(one, stored, tracked)]
    kept_ids = {one.github_id for one in kept}
    snapshot = replace(
        snapshot,
        captured_at=at,
        repositories=tuple(one for one in snapshot.repositories if one.github_id in kept_ids),
    )
    is_news = announces_new(stored, tracked)
    changes = diff.diff_account(stored, account, kept, listed=repositories, announces_new=is_news)
    ids, adopted_repositories = _write_changes(connection, run_id, stored, changes, snapshot, missing)
    rows = len(changes.counts) + len(changes.new) + len(changes.extras) + (changes.totals is not None)
    rows += _write_languages(connection, ids, snapshot, language_states)
    writer.write_account(connection, stored, account, at, snapshot.token)
    observation = change_rate.observe_changes(stored, changes, at, repositories)
    due_accounts.record_success(connection, account_id, now, default_cadence, rng, observation)
    writer.write_capture(connection, account_id, at, run_id, default_cadence)
    has_adopted = has_adopted or bool(adopted_repositories)
    if has_adopted or _may_change_owners(stored, changes, missing):
        summaries.update_summaries(
            connection, account_ids=[account_id], repository_ids=ids.values(), locked_account_ids=[account_id]
        )
    else:
        summaries.update_refreshed_summaries(connection, account_id, _subjects(stored, changes, at))
    # Last, as other transactions that publish or announce wait from here on.
    if has_adopted or is_late(at):
        announce_past_change(connection)
    if snapshot.languages_failed:
        log.info("languages postponed", login=account.login, repositories=len(snapshot.languages_failed))
    state: run_log.ItemState = "unchanged" if changes.is_empty and not rows else "stored"
    item = IngestItem(login, state, account_id, len(repositories), rows)
    if stored.checked_at is None and login.lower() != account.login.lower():
        item = replace(item, error=f"{login} is now called {account.login}")
    is_complete = snapshot.is_complete or len(listed) >= (account.public_repositories or 0)
    return _noting_missing_extras(item if is_complete else _incomplete_item(item, account), snapshot)


def is_kept(repository: Repository, stored: StoredAccount, tracked: TrackedRepositories) -> bool:
    """Return whether to store *repository*: it is asked for, or stored already, as a capture covers all of these."""
    is_asked_for = tracked.only is None or short_name(repository) in tracked.only
    return is_asked_for or repository.github_id in stored.repositories


def announces_new(stored: StoredAccount, tracked: TrackedRepositories) -> bool:
    """Return whether a repository that is not stored is new, rather than asked for since the last refresh."""
    if stored.checked_at is None or tracked.only is not None:
        return False
    return tracked.widened_at is None or stored.checked_at > tracked.widened_at


def _write_changes(
    connection: Connection,
    run_id: int,
    stored: StoredAccount,
    changes: AccountDiff,
    snapshot: AccountSnapshot,
    missing: MissingRepositories,
) -> tuple[dict[int, int], list[int]]:
    """Write *changes* to all tables; returns our repository ids by GitHub's, and those with adopted history."""
    at, account_id = snapshot.captured_at, stored.id
    ids = {github_id: one.id for github_id, one in stored.repositories.items()}
    ids |= writer.insert_repositories(connection, account_id, changes.new, at)
    new_ids = [ids[one.github_id] for one in changes.new]
    adopted = adopt.adopt_imported_history(connection, new_ids) if new_ids else []
    writer.update_details(connection, account_id, changes.details, at, stored.repositories)
    writer.write_counts(connection, ids, [*changes.new, *changes.counts], at, has_new=bool(changes.new))
    extras = changes.extras | {one.github_id: diff.extras_of(one) for one in changes.new}
    writer.write_extras(connection, ids, extras, at)
    if changes.totals is not None:
        writer.write_account_snapshot(connection, account_id, at, changes.totals)
    entries = changes.entries + _write_missing_repositories(connection, changes, missing, at)
    writer.write_change_entries(connection, account_id, ids, entries, at, run_id)
    return ids, adopted


def _may_change_owners(stored: StoredAccount, changes: AccountDiff, missing: MissingRepositories) -> bool:
    """Return whether a repository may belong to another account than before, or be available since or until now."""
    return (
        stored.gone_at is not None
        or bool(changes.new)
        or bool(missing.gone or missing.moved)
        or any(entry.kind in PRESENCE_CHANGES for entry in changes.entries)
        or any(one.account_id != stored.id for one in stored.repositories.values())
    )


def _subjects(stored: StoredAccount, changes: AccountDiff, at: datetime) -> list[Subject]:
    """Return the repositories whose summary a capture can change: growth of those that are gone stays as it is."""
    changed = {one.github_id for one in changes.counts}
    subjects = []
    for github_id, one in stored.repositories.items():
        if one.gone_at is None:
            changed_at = at if github_id in changed else one.captured_at
            is_plain = one.is_plain and changed_at is not None and changed_at <= at
            subjects.append(Subject(one.id, stored.id, stored.id, changed_at, is_plain))
    return subjects


def _write_languages(
    connection: Connection, ids: Mapping[int, int], snapshot: AccountSnapshot, states: Mapping[int, LanguagesState]
) -> int:
    """Write the languages that were fetched, and when to fetch them again; returns how many rows."""
    fetched = [one for one in snapshot.repositories if one.github_id in snapshot.languages]
    again_at = {
        ids[one.github_id]: languages.fetch_again_at(
            states.get(one.github_id),
            one,
            snapshot.captured_at,
            is_complete=one.github_id not in snapshot.languages_incomplete,
        )
        for one in fetched
    }
    return writer.write_languages(
        connection,
        {ids[one.github_id]: snapshot.languages[one.github_id] for one in fetched},
        {ids[one.github_id]: LanguageSignals.of(one) for one in fetched},
        {id_: at for id_, at in again_at.items() if at is not None},
        snapshot.captured_at,
    )


def _write_missing_repositories(
    connection: Connection, changes: AccountDiff, missing: MissingRepositories, at: datetime
) -> list[ChangeEntry]:
    """Mark deleted, private and transferred repositories; returns their change entries."""
    entries = []
    for one in changes.missing:
        if one.github_id in missing.gone:
            reason = missing.gone[one.github_id]
            writer.mark_gone(connection, one.id, reason, at)
            entries.append(ChangeEntry("gone", one.details.full_name, reason, one.github_id))
        elif one.github_id in missing.moved:
            moved = missing.moved[one.github_id]
            owner_id = stored_state.get_or_create_owner_id(connection, moved)
            writer.update_details(connection, owner_id, [moved], at, {moved.github_id: one})
            entries.append(ChangeEntry("transferred", one.details.full_name, moved.full_name, one.github_id))
    return entries


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
