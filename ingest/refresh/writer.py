"""Writes the differences of a refresh. Callers own the transaction and hold the locks of the accounts.

Our id of a repository is GitHub's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from core.db.statement import psycopg_connection, text
from core.queries.captures import STORED_CADENCE
from core.queries.past_counts import month_of
from core.sources import OWN_SOURCE_ID
from ingest.github.api.models import Repository
from ingest.refresh import closed_history, summaries
from ingest.refresh.attribute_versions import (
    keep_account_version,
    keep_profiles,
    keep_pushes,
    keep_versions,
    profile_of,
)
from ingest.refresh.comparison import Comparison
from ingest.refresh.diff import (
    DETAIL_NAMES,
    EXTRA_NAMES,
    AccountCounts,
    ChangeEntry,
    RepositoryExtras,
    StoredRepository,
    has_other_attributes,
)
from ingest.refresh.languages import FetchedLanguages, LanguageSignals
from ingest.refresh.stored_state import load_languages

# Below this many rows INSERT is faster than COPY.
COPY_MIN_ROWS = 200


def write_accounts(connection: Connection, comparisons: Sequence[Comparison]) -> None:
    """Store what is reported of accounts, and keep the profiles of before that differ."""
    keep_profiles(
        connection,
        {
            one.account_id: one.at
            for one in comparisons
            if one.stored.gone_at is not None or profile_of(one.response.account) != one.stored.profile
        },
    )
    rows = [
        one.response.account.model_dump(mode="json")
        | {
            "id": one.account_id,
            "checked_at": one.at.isoformat(),
            "token_fingerprint": one.response.snapshot.token,
        }
        for one in comparisons
    ]
    connection.execute(
        text("""
            UPDATE account
               SET node_id = coalesce(row.node_id, account.node_id), login = row.login, kind = row.kind,
                   name = row.name, company = row.company, location = row.location, website = row.website,
                   bio = row.bio, avatar_url = row.avatar_url,
                   created_at = coalesce(row.created_at, account.created_at),
                   token_fingerprint = row.token_fingerprint, gone_at = NULL, gone_reason = NULL,
                   checked_at = row.checked_at,
                   first_captured_at = coalesce(account.first_captured_at, row.checked_at)
              FROM jsonb_populate_recordset(NULL::account, CAST(:rows AS jsonb)) AS row
             WHERE account.id = row.id
        """),
        {"rows": json.dumps(rows)},
    )


def write_account_snapshots(connection: Connection, counts: Sequence[tuple[int, datetime, AccountCounts]]) -> None:
    """Insert counts of accounts: our id, when they were captured, and what they were."""
    if not counts:
        return
    rows = [asdict(one) | {"account_id": id_, "captured_at": at.isoformat()} for id_, at, one in counts]
    connection.execute(
        text("""
            INSERT INTO account_snapshot (account_id, captured_at, followers, following, public_repositories,
                   public_gists, stars, forks, repositories)
            SELECT account_id, captured_at, followers, following, public_repositories, public_gists, stars, forks,
                   repositories
              FROM jsonb_populate_recordset(NULL::account_snapshot, CAST(:rows AS jsonb)) AS row
            ON CONFLICT (account_id, captured_at) DO NOTHING
        """),
        {"rows": json.dumps(rows)},
    )


def write_captures(
    connection: Connection, captured_at: Mapping[int, datetime], run_id: int, default_cadence: timedelta
) -> None:
    """Write a capture of each account, and when its next one is expected: its refresh is planned already."""
    closed_history.keep_from_closing(connection)
    # Asked first: a node of Citus that has the captures has not the tracked accounts, and a write waits for all nodes.
    found = connection.execute(
        text(f"""
            SELECT captured.account_id, captured.at, {closed_history.is_closed("captured.at")} AS is_closed,
                   CAST({STORED_CADENCE} AS text) AS cadence,
                   EXISTS (SELECT 1 FROM capture_month
                            WHERE capture_month.account_id = captured.account_id
                              AND month = {month_of("captured.at")} AND captured.at = ANY(captured_at)) AS is_stored
              FROM unnest(CAST(:accounts AS bigint[]), CAST(:times AS timestamptz[])) AS captured (account_id, at)
             CROSS JOIN (SELECT closing_until FROM source WHERE id = :own) AS source
              LEFT JOIN tracked_account ON tracked_account.account_id = captured.account_id
        """),  # noqa: S608 - our own names
        {
            "accounts": list(captured_at),
            "times": list(captured_at.values()),
            "own": OWN_SOURCE_ID,
            "every": default_cadence,
        },
    ).all()
    if late := [row.at for row in found if row.is_closed]:
        closed_history.reopen_own(connection, min(late))
    new = [row for row in found if not row.is_stored]
    connection.execute(
        text("""
            INSERT INTO capture_open (account_id, captured_at, source_id, run_id, cadence)
            SELECT account_id, at, :own, :run, cadence
              FROM unnest(CAST(:accounts AS bigint[]), CAST(:times AS timestamptz[]), CAST(:cadences AS interval[]))
                AS captured (account_id, at, cadence)
            ON CONFLICT DO NOTHING
        """),
        {
            "accounts": [row.account_id for row in new],
            "times": [row.at for row in new],
            "cadences": [row.cadence for row in new],
            "own": OWN_SOURCE_ID,
            "run": run_id,
        },
    )


@dataclass(frozen=True)
class ReportedRepository:
    """A repository as GitHub reported it *at* some time, and the account it belongs to now, by our id."""

    account_id: int
    repository: Repository
    at: datetime


def insert_repositories(connection: Connection, new: Sequence[ReportedRepository]) -> None:
    """Insert repositories that are not stored yet."""
    if not new:
        return
    connection.execute(
        text("""
            INSERT INTO repository (account_id, id, node_id, full_name, description, homepage, license, topics,
                   primary_language, default_branch, is_fork, is_archived, is_template, created_at, pushed_at,
                   first_captured_at)
            SELECT account_id, github_id, node_id, full_name, description, homepage, license, topics,
                   primary_language, default_branch, is_fork, is_archived, is_template, created_at, pushed_at,
                   first_captured_at
              FROM jsonb_populate_recordset(NULL::repository, CAST(:rows AS jsonb)) AS row
            ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id, full_name = excluded.full_name
        """),
        {"rows": _to_json_rows(new)},
    )


UPDATE_DETAILS = """
    UPDATE repository
       SET account_id = row.account_id, node_id = coalesce(row.node_id, repository.node_id),
           full_name = row.full_name, description = row.description, homepage = row.homepage,
           license = row.license, topics = coalesce(row.topics, repository.topics),
           primary_language = row.primary_language, default_branch = row.default_branch,
           is_fork = row.is_fork, is_archived = row.is_archived, is_template = row.is_template,
           created_at = row.created_at, pushed_at = row.pushed_at, gone_at = NULL, gone_reason = NULL,
           first_captured_at = coalesce(repository.first_captured_at, row.first_captured_at)
      FROM jsonb_populate_recordset(NULL::repository, CAST(:rows AS jsonb)) AS row
     WHERE repository.id = row.github_id AND repository.id = ANY(CAST(:ids AS bigint[]))
"""


def update_details(
    connection: Connection, changed: Sequence[ReportedRepository], stored: Mapping[int, StoredRepository]
) -> None:
    """Store changed attributes, and keep those of before: *stored* has the repositories by GitHub's ids."""
    if not changed:
        return
    before = [(stored[one.repository.github_id], one) for one in changed]
    # Each by itself: one statement for all three costs more to plan, most of all on Citus.
    keep_versions(
        connection,
        {old.id: now.at for old, now in before if has_other_attributes(old, now.account_id, now.repository)},
    )
    keep_pushes(
        connection, {old.id: now.at for old, now in before if old.details.pushed_at != now.repository.pushed_at}
    )
    connection.execute(text(UPDATE_DETAILS), {"rows": _to_json_rows(changed), "ids": [old.id for old, _ in before]})


def _to_json_rows(reported: Sequence[ReportedRepository]) -> str:
    names = {*DETAIL_NAMES, "github_id"}
    return json.dumps(
        [
            one.repository.model_dump(mode="json", include=names)
            | {"account_id": one.account_id, "first_captured_at": one.at.isoformat()}
            for one in reported
        ]
    )


SnapshotRow = tuple[int, datetime, int | None, int | None, int | None]
"""Repository, captured_at, stars, forks, size."""
_REPORTED_COUNTS = """unnest(CAST(:ids AS bigint[]), CAST(:times AS timestamptz[]), CAST(:stars AS int[]),
                   CAST(:forks AS int[]), CAST(:sizes AS int[]))"""
UPDATE_CURRENT = f"""
    UPDATE repository_current
       SET stars = reported.stars, forks = reported.forks, size_kb = reported.size_kb, captured_at = at
      FROM {_REPORTED_COUNTS} AS reported (id, at, stars, forks, size_kb)
     WHERE repository_current.repository_id = reported.id AND captured_at <= at
       AND repository_current.repository_id = ANY(CAST(:ids AS bigint[]))
"""  # noqa: S608 - our own names
UPSERT_CURRENT = f"""
    INSERT INTO repository_current (repository_id, captured_at, stars, forks, size_kb)
    SELECT * FROM {_REPORTED_COUNTS}
    ON CONFLICT (repository_id) DO UPDATE SET stars = excluded.stars, forks = excluded.forks,
           size_kb = excluded.size_kb, captured_at = excluded.captured_at
     WHERE repository_current.captured_at <= excluded.captured_at
"""  # noqa: S608 - our own names
INSERT_SNAPSHOTS = f"""
    INSERT INTO repository_snapshot_open (repository_id, captured_at, stars, forks, size_kb)
    SELECT * FROM {_REPORTED_COUNTS}
"""  # noqa: S608 - our own names


def write_counts(connection: Connection, rows: Sequence[SnapshotRow], *, has_new: bool = True) -> None:
    """Write changed counts to `repository_current` and as snapshots.

    has_new  whether some may have no counts yet
    """
    if not rows:
        return
    # A third of the work of an INSERT on Citus, which sends the rows around before it writes them.
    if has_new or connection.execute(text(UPDATE_CURRENT), _columns_of(rows)).rowcount < len(rows):
        connection.execute(text(UPSERT_CURRENT), _columns_of(rows))
    write_snapshots(connection, rows)


def write_snapshots(connection: Connection, rows: Sequence[SnapshotRow]) -> None:
    """Insert snapshots; the caller made sure that none exists yet."""
    if len(rows) >= COPY_MIN_ROWS:
        columns = "repository_id, captured_at, stars, forks, size_kb"
        statement = f"COPY repository_snapshot_open ({columns}) FROM STDIN (FORMAT binary)"
        with psycopg_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["int8", "timestamptz", "int4", "int4", "int4"])
            for row in rows:
                copy.write_row(row)
        return
    connection.execute(text(INSERT_SNAPSHOTS), _columns_of(rows))


def _columns_of(rows: Sequence[SnapshotRow]) -> dict[str, list[Any]]:
    return dict(zip(("ids", "times", "stars", "forks", "sizes"), map(list, zip(*rows, strict=True)), strict=True))


def write_extras(connection: Connection, changed: Sequence[tuple[int, datetime, RepositoryExtras]]) -> int:
    """Write the extras of repositories, given with our id and when they were captured; returns how many."""
    rows = [
        asdict(extras) | {"repository_id": id_, "captured_at": at.isoformat()}
        for id_, at, extras in changed
        if any(getattr(extras, name) is not None for name in EXTRA_NAMES)
    ]
    if not rows:
        return 0
    values = {"rows": json.dumps(rows)}
    connection.execute(
        text("""
            INSERT INTO repository_extra_snapshot (repository_id, captured_at, watchers, open_issues,
                   open_change_requests, open_issues_and_change_requests)
            SELECT repository_id, captured_at, watchers, open_issues, open_change_requests,
                   open_issues_and_change_requests
              FROM jsonb_populate_recordset(NULL::repository_current, CAST(:rows AS jsonb))
        """),
        values,
    )
    connection.execute(
        text("""
            UPDATE repository_current AS stored
               SET watchers = row.watchers, open_issues = row.open_issues,
                   open_change_requests = row.open_change_requests,
                   open_issues_and_change_requests = row.open_issues_and_change_requests
              FROM jsonb_populate_recordset(NULL::repository_current, CAST(:rows AS jsonb)) AS row
             WHERE stored.repository_id = row.repository_id
        """),
        values,
    )
    return len(rows)


def write_languages(connection: Connection, fetched: Mapping[int, FetchedLanguages]) -> dict[int, int]:
    """Write the sets of languages that differ from the stored ones; returns how many rows of each repository.

    What was reported beside them decides at the next refreshes whether to fetch them again.
    """
    if not fetched:
        return {}
    stored = load_languages(connection, fetched)
    changed = {
        id_: one.languages or {"": 0}
        for id_, one in fetched.items()
        if stored.get(id_, None if one.languages else {}) != dict(one.languages)
    }
    if changed:
        rows = [
            {"repository_id": id_, "captured_at": fetched[id_].at.isoformat(), "language": language, "bytes": size}
            for id_, languages in changed.items()
            for language, size in languages.items()
        ]
        connection.execute(
            text(
                "INSERT INTO repository_language (repository_id, captured_at, language, bytes)"
                " SELECT repository_id, captured_at, language, bytes"
                "  FROM jsonb_populate_recordset(NULL::repository_language, CAST(:rows AS jsonb))"
            ),
            {"rows": json.dumps(rows)},
        )
    connection.execute(
        text(
            "UPDATE repository SET languages_checked_at = reported.at, languages_due_at = reported.due_at,"
            "       languages_pushed_at = reported.pushed_at, languages_default_branch = reported.default_branch,"
            "       languages_primary_language = reported.primary_language, languages_size_kb = reported.size_kb"
            "  FROM unnest(CAST(:ids AS bigint[]), CAST(:times AS timestamptz[]), CAST(:due_at AS timestamptz[]),"
            "              CAST(:pushed_at AS timestamptz[]), CAST(:default_branch AS text[]),"
            "              CAST(:primary_language AS text[]), CAST(:size_kb AS int[]))"
            "       AS reported(id, at, due_at, pushed_at, default_branch, primary_language, size_kb)"
            " WHERE repository.id = reported.id AND repository.id = ANY(CAST(:ids AS bigint[]))"
        ),
        {
            "ids": list(fetched),
            "times": [one.at for one in fetched.values()],
            "due_at": [one.due_at for one in fetched.values()],
            **{
                part.name: [getattr(one.signals, part.name) for one in fetched.values()]
                for part in fields(LanguageSignals)
            },
        },
    )
    return {id_: len(languages) for id_, languages in changed.items()}


def write_change_entries(
    connection: Connection, entries: Sequence[tuple[int, datetime, ChangeEntry]], run_id: int
) -> None:
    """Write changes that were detected of accounts, given with our id and the time, or of their repositories."""
    rows = [
        {
            "account_id": account_id,
            "repository_id": entry.repository,
            "detected_at": at.isoformat(),
            "kind": entry.kind,
            "before": entry.before,
            "after": entry.after,
        }
        for account_id, at, entry in entries
    ]
    if not rows:
        return
    connection.execute(
        text("""
            INSERT INTO change (account_id, repository_id, detected_at, kind, before, after, run_id)
            SELECT account_id, repository_id, detected_at, kind, before, after, :run
              FROM jsonb_populate_recordset(NULL::change, CAST(:rows AS jsonb)) WITH ORDINALITY AS row
             ORDER BY ordinality
        """),
        {"rows": json.dumps(rows), "run": run_id},
    )


def mark_gone(connection: Connection, repository_id: int, reason: str, at: datetime) -> None:
    keep_versions(connection, {repository_id: at})
    connection.execute(
        text("UPDATE repository SET gone_at = :at, gone_reason = :reason WHERE id = :id AND gone_at IS NULL"),
        {"id": repository_id, "reason": reason, "at": at},
    )


def mark_account_gone(connection: Connection, account_id: int, reason: str, at: datetime, run_id: int) -> None:
    """Mark an account and its repositories as deleted or private; their history is kept."""
    is_gone = connection.scalar(
        text("SELECT gone_at IS NOT NULL FROM account WHERE id = :id FOR UPDATE"), {"id": account_id}
    )
    if is_gone:
        return
    keep_account_version(connection, account_id, at)
    connection.execute(
        text("UPDATE account SET gone_at = :at, gone_reason = :reason WHERE id = :id"),
        {"id": account_id, "reason": reason, "at": at},
    )
    connection.execute(
        text(
            "UPDATE repository SET gone_at = :at, gone_reason = :reason"
            " WHERE account_id = :id AND gone_at IS NULL AND github_id IS NOT NULL"
        ),
        {"id": account_id, "reason": "account not found", "at": at},
    )
    write_change_entries(connection, [(account_id, at, ChangeEntry("gone", None, reason))], run_id)
    summaries.update_summaries(connection, account_ids=[account_id])
