"""Stores responses about accounts.

Each statement is sent once for all of them: on a cluster every one is planned on each node.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from core.db.data_version import announce_past_change, is_late
from ingest.github import Repository
from ingest.history_import import adopt
from ingest.planning import change_rate, due_accounts
from ingest.planning.change_rate import ChangeObservation
from ingest.refresh import diff, languages, stored_state, summaries, writer
from ingest.refresh.comparison import Comparison, Response, compare, outcome
from ingest.refresh.diff import ChangeEntry
from ingest.refresh.languages import FetchedLanguages, LanguageSignals, LanguagesState
from ingest.refresh.run_log import IngestItem
from ingest.refresh.writer import ReportedRepository

log = structlog.get_logger()


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
    comparisons = [compare(one, *loaded[id_], now) for id_, one in zip(ids, responses, strict=True)]
    newer = [one for one in comparisons if not one.is_older]
    # Their responses are ignored until then; without a next refresh they would be due again at once.
    ahead = [one for one in comparisons if one.is_older and _is_ahead(one, now)]
    _log_unusual(comparisons, now)
    adopting |= _write_changes(connection, run_id, newer)
    language_rows = _write_languages(connection, newer, language_states)
    writer.write_accounts(connection, newer)
    observations = {one.account_id: _observe_changes(one) for one in newer}
    observations |= {one.account_id: replace(_observe_changes(one), days=None) for one in ahead}
    due_accounts.record_successes(connection, observations, now, default_cadence, rng)
    writer.write_captures(connection, {one.account_id: one.at for one in newer}, run_id, default_cadence)
    _update_summaries(connection, newer, adopting)
    # Last, as other transactions that publish or announce wait from here on.
    if adopting or any(is_late(one.at) for one in newer):
        announce_past_change(connection)
    return [outcome(one, language_rows) for one in comparisons]


def _write_changes(connection: Connection, run_id: int, comparisons: Sequence[Comparison]) -> set[int]:
    """Write what differs to all tables; returns our ids of the accounts with repositories that adopted history."""
    new = [ReportedRepository(one.account_id, each, one.at) for one in comparisons for each in one.changes.new]
    details = [ReportedRepository(one.account_id, each, one.at) for one in comparisons for each in one.changes.details]
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
        connection, [(one.account_id, one.at, one.changes.totals) for one in comparisons if one.changes.totals]
    )
    writer.write_change_entries(
        connection,
        [
            (one.account_id, one.at, entry)
            for one in comparisons
            for entry in (*one.changes.entries, *_write_missing_repositories(connection, one))
        ],
        run_id,
    )
    return {one.account_id for one in new if one.repository.github_id in adopted}


def _update_summaries(connection: Connection, comparisons: Sequence[Comparison], adopting: set[int]) -> None:
    may_change_owners = [one for one in comparisons if one.account_id in adopting or one.may_change_owners]
    account_ids = [one.account_id for one in may_change_owners]
    summaries.update_refreshed_summaries(
        connection,
        [subject for one in comparisons if one.account_id not in account_ids for subject in one.subjects],
    )
    # After those: it may take repositories from them.
    if may_change_owners:
        summaries.update_summaries(
            connection,
            account_ids=account_ids,
            repository_ids={
                id_ for one in may_change_owners for id_ in (*one.stored.repositories, *_github_ids(one.changes.new))
            },
            locked_account_ids=[one.account_id for one in comparisons],
        )


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


def _observe_changes(comparison: Comparison) -> ChangeObservation:
    one = comparison
    return change_rate.observe_changes(one.stored, one.changes, one.at, one.repositories)


def _is_ahead(comparison: Comparison, now: datetime) -> bool:
    """Return whether the account was stored with a time that is still to come, by a server whose clock was wrong."""
    return comparison.stored.checked_at is not None and comparison.stored.checked_at > now


def _log_unusual(comparisons: Sequence[Comparison], now: datetime) -> None:
    for one in comparisons:
        login, postponed = one.response.account.login, one.response.snapshot.languages_failed
        if one.is_older and _is_ahead(one, now):
            log.warning("stored time lies ahead, response ignored", login=login, until=one.stored.checked_at)
        elif one.is_older:
            log.info("older response ignored", login=login)
        elif postponed:
            log.info("languages postponed", login=login, repositories=len(postponed))


def _github_ids(repositories: Sequence[Repository]) -> list[int]:
    return [repository.github_id for repository in repositories]
