"""Writes the differences of a refresh. Callers own the transaction and hold the lock of the account."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection

from core.db.statement import psycopg_connection, text
from core.queries.captures import STORED_CADENCE
from core.queries.past_counts import month_of
from core.sources import OWN_SOURCE_ID
from ingest.github.api.models import Account, Repository
from ingest.refresh import closed_history, summaries
from ingest.refresh.attribute_versions import (
    INSERT_CHANGED_PUSHES,
    INSERT_CHANGED_VERSIONS,
    keep_account_version,
    keep_profile,
    keep_repository_version,
    profile_of,
)
from ingest.refresh.diff import (
    DETAIL_NAMES,
    EXTRA_NAMES,
    AccountCounts,
    ChangeEntry,
    RepositoryExtras,
    StoredAccount,
    StoredRepository,
    counts_of,
    has_other_attributes,
)
from ingest.refresh.languages import LanguageSignals
from ingest.refresh.stored_state import load_languages

# Below this many rows INSERT is faster than COPY.
COPY_MIN_ROWS = 200


def write_account(
    connection: Connection, stored: StoredAccount, account: Account, captured_at: datetime, token: str | None
) -> None:
    """Store what is reported of the account, and keep its profile of before if that differs."""
    if stored.gone_at is not None or profile_of(account) != stored.profile:
        keep_profile(connection, stored.id, captured_at)
    connection.execute(
        text("""
            UPDATE account
               SET node_id = coalesce(:node_id, node_id), login = :login, kind = :kind, name = :name,
                   company = :company, location = :location, website = :website, bio = :bio,
                   avatar_url = :avatar_url, created_at = coalesce(:created_at, created_at), token_fingerprint = :token,
                   gone_at = NULL, gone_reason = NULL, checked_at = :at,
                   first_captured_at = coalesce(first_captured_at, :at)
             WHERE id = :id
        """),
        account.model_dump() | {"id": stored.id, "at": captured_at, "token": token},
    )


def write_account_snapshot(
    connection: Connection, account_id: int, captured_at: datetime, counts: AccountCounts
) -> None:
    connection.execute(
        text(
            "INSERT INTO account_snapshot (account_id, captured_at, followers, following, public_repositories,"
            " public_gists, stars, forks, repositories) VALUES (:account_id, :captured_at, :followers, :following,"
            " :public_repositories, :public_gists, :stars, :forks, :repositories)"
            " ON CONFLICT (account_id, captured_at) DO NOTHING"
        ),
        asdict(counts) | {"account_id": account_id, "captured_at": captured_at},
    )


def write_capture(
    connection: Connection, account_id: int, captured_at: datetime, run_id: int, default_cadence: timedelta
) -> None:
    """Write a capture, and when the next one is expected: its refresh is planned already."""
    closed_history.keep_from_closing(connection)
    # Asked first: a node of Citus that has the captures has not the tracked accounts, and a write waits for all nodes.
    found = connection.execute(
        text(f"""
            SELECT {closed_history.IS_CLOSED} AS is_closed,
                   CAST({STORED_CADENCE} AS text) AS cadence,
                   EXISTS (SELECT 1 FROM capture_month
                            WHERE capture_month.account_id = :account AND month = {month_of("CAST(:at AS timestamptz)")}
                              AND CAST(:at AS timestamptz) = ANY(captured_at)) AS is_stored
              FROM (SELECT closing_until FROM source WHERE id = :own) AS source
              LEFT JOIN tracked_account ON tracked_account.account_id = :account
        """),  # noqa: S608 - our own names
        {"account": account_id, "at": captured_at, "own": OWN_SOURCE_ID, "every": default_cadence},
    ).one()
    if found.is_closed:
        closed_history.reopen_own(connection, captured_at)
    if found.is_stored:
        return
    connection.execute(
        text(
            "INSERT INTO capture_open (account_id, captured_at, source_id, run_id, cadence)"
            " VALUES (:account, :at, :own, :run, CAST(:cadence AS interval)) ON CONFLICT DO NOTHING"
        ),
        {"account": account_id, "at": captured_at, "own": OWN_SOURCE_ID, "run": run_id, "cadence": found.cadence},
    )


def insert_repositories(
    connection: Connection, account_id: int, new: Sequence[Repository], at: datetime
) -> dict[int, int]:
    """Insert repositories that are not stored yet; returns our ids by GitHub's."""
    if not new:
        return {}
    rows = connection.execute(
        text("""
            INSERT INTO repository (account_id, id, node_id, full_name, description, homepage, license, topics,
                   primary_language, default_branch, is_fork, is_archived, is_template, created_at, pushed_at,
                   first_captured_at)
            SELECT :account_id, github_id, node_id, full_name, description, homepage, license, topics,
                   primary_language, default_branch, is_fork, is_archived, is_template, created_at, pushed_at, :at
              FROM jsonb_populate_recordset(NULL::repository, CAST(:rows AS jsonb)) AS row
            ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id, full_name = excluded.full_name
            RETURNING id, github_id
        """),
        {"account_id": account_id, "rows": _to_json_rows(new), "at": at},
    )
    return {row.github_id: row.id for row in rows}


UPDATE_DETAILS = """
    UPDATE repository
       SET account_id = :account_id, node_id = coalesce(row.node_id, repository.node_id),
           full_name = row.full_name, description = row.description, homepage = row.homepage,
           license = row.license, topics = coalesce(row.topics, repository.topics),
           primary_language = row.primary_language, default_branch = row.default_branch,
           is_fork = row.is_fork, is_archived = row.is_archived, is_template = row.is_template,
           created_at = row.created_at, pushed_at = row.pushed_at, gone_at = NULL, gone_reason = NULL,
           first_captured_at = coalesce(repository.first_captured_at, :at)
      FROM jsonb_populate_recordset(NULL::repository, CAST(:rows AS jsonb)) AS row
     WHERE repository.id = row.github_id AND repository.id = ANY(CAST(:ids AS bigint[]))
"""


def update_details(
    connection: Connection,
    account_id: int,
    changed: Sequence[Repository],
    at: datetime,
    stored: Mapping[int, StoredRepository],
) -> None:
    """Store changed attributes, and keep those of before: *stored* has the repositories by GitHub's ids."""
    if not changed:
        return
    before = [(stored[one.github_id], one) for one in changed]
    # Each by itself: one statement for all three costs more to plan, most of all on Citus.
    if versions := [one.id for one, now in before if has_other_attributes(one, account_id, now)]:
        connection.execute(text(INSERT_CHANGED_VERSIONS), {"ids": versions, "at": at})
    if pushed := [one.id for one, now in before if one.details.pushed_at != now.pushed_at]:
        connection.execute(text(INSERT_CHANGED_PUSHES), {"ids": pushed, "at": at})
    values = {"account_id": account_id, "rows": _to_json_rows(changed), "ids": [one.id for one, _ in before], "at": at}
    connection.execute(text(UPDATE_DETAILS), values)


def _to_json_rows(repositories: Sequence[Repository]) -> str:
    names = {*DETAIL_NAMES, "github_id"}
    return json.dumps([repository.model_dump(mode="json", include=names) for repository in repositories])


_REPORTED_COUNTS = """unnest(CAST(:ids AS bigint[]), CAST(:stars AS int[]), CAST(:forks AS int[]),
                   CAST(:sizes AS int[]))"""
UPDATE_CURRENT = f"""
    UPDATE repository_current
       SET stars = reported.stars, forks = reported.forks, size_kb = reported.size_kb, captured_at = :at
      FROM {_REPORTED_COUNTS} AS reported (id, stars, forks, size_kb)
     WHERE repository_current.repository_id = reported.id AND captured_at <= :at
       AND repository_current.repository_id = ANY(CAST(:ids AS bigint[]))
"""  # noqa: S608 - our own names
UPSERT_CURRENT = f"""
    INSERT INTO repository_current (repository_id, stars, forks, size_kb, captured_at)
    SELECT *, :at FROM {_REPORTED_COUNTS}
    ON CONFLICT (repository_id) DO UPDATE SET stars = excluded.stars, forks = excluded.forks,
           size_kb = excluded.size_kb, captured_at = excluded.captured_at
     WHERE repository_current.captured_at <= excluded.captured_at
"""  # noqa: S608 - our own names


def write_counts(
    connection: Connection,
    ids: Mapping[int, int],
    changed: Sequence[Repository],
    at: datetime,
    *,
    has_new: bool = True,
) -> int:
    """Write changed counts to `repository_current` and as snapshots; returns how many.

    has_new  whether some may have no counts yet
    """
    rows = [(ids[repository.github_id], counts_of(repository)) for repository in changed]
    if not rows:
        return 0
    values = {
        "at": at,
        "ids": [id_ for id_, _ in rows],
        "stars": [counts.stars for _, counts in rows],
        "forks": [counts.forks for _, counts in rows],
        "sizes": [counts.size_kb for _, counts in rows],
    }
    # A third of the work of an INSERT on Citus, which sends the rows around before it writes them.
    if has_new or connection.execute(text(UPDATE_CURRENT), values).rowcount < len(rows):
        connection.execute(text(UPSERT_CURRENT), values)
    write_snapshots(connection, [(id_, at, counts.stars, counts.forks, counts.size_kb) for id_, counts in rows])
    return len(rows)


SnapshotRow = tuple[int, datetime, int | None, int | None, int | None]


def write_snapshots(connection: Connection, rows: Sequence[SnapshotRow]) -> None:
    """Insert snapshots (repository, captured_at, stars, forks, size); the caller made sure that none exists yet."""
    if len(rows) >= COPY_MIN_ROWS:
        columns = "repository_id, captured_at, stars, forks, size_kb"
        statement = f"COPY repository_snapshot_open ({columns}) FROM STDIN (FORMAT binary)"
        with psycopg_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["int8", "timestamptz", "int4", "int4", "int4"])
            for row in rows:
                copy.write_row(row)
        return
    ids, times, stars, forks, sizes = map(list, zip(*rows, strict=True))
    connection.execute(
        text("""
            INSERT INTO repository_snapshot_open (repository_id, captured_at, stars, forks, size_kb)
            SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:times AS timestamptz[]), CAST(:stars AS int[]),
                                 CAST(:forks AS int[]), CAST(:sizes AS int[]))
        """),
        {"ids": ids, "times": times, "stars": stars, "forks": forks, "sizes": sizes},
    )


def write_extras(
    connection: Connection, ids: Mapping[int, int], changed: Mapping[int, RepositoryExtras], at: datetime
) -> int:
    rows = [asdict(extras) | {"repository_id": ids[github_id]} for github_id, extras in changed.items()]
    rows = [row for row in rows if any(row[name] is not None for name in EXTRA_NAMES)]
    if not rows:
        return 0
    values = {"at": at, "rows": json.dumps(rows)}
    connection.execute(
        text("""
            INSERT INTO repository_extra_snapshot (repository_id, captured_at, watchers, open_issues,
                   open_change_requests, open_issues_and_change_requests)
            SELECT repository_id, :at, watchers, open_issues, open_change_requests, open_issues_and_change_requests
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


def write_languages(
    connection: Connection,
    reported: Mapping[int, Mapping[str, int]],
    signals: Mapping[int, LanguageSignals],
    due: Mapping[int, datetime],
    at: datetime,
) -> int:
    """Write the sets of languages that differ from the stored ones, by our repository id; returns how many rows.

    *signals* and *due* decide at the next refreshes whether to fetch again.
    """
    if not reported:
        return 0
    stored = load_languages(connection, reported)
    rows = [
        {"repository_id": id_, "language": language, "bytes": size}
        for id_, languages in reported.items()
        if stored.get(id_, None if languages else {}) != dict(languages)
        for language, size in (languages or {"": 0}).items()
    ]
    if rows:
        connection.execute(
            text(
                "INSERT INTO repository_language (repository_id, captured_at, language, bytes)"
                " SELECT repository_id, :at, language, bytes"
                "  FROM jsonb_populate_recordset(NULL::repository_language, CAST(:rows AS jsonb))"
            ),
            {"at": at, "rows": json.dumps(rows)},
        )
    connection.execute(
        text(
            "UPDATE repository SET languages_checked_at = :at, languages_due_at = reported.due_at,"
            "       languages_pushed_at = reported.pushed_at, languages_default_branch = reported.default_branch,"
            "       languages_primary_language = reported.primary_language, languages_size_kb = reported.size_kb"
            "  FROM unnest(CAST(:ids AS bigint[]), CAST(:due_at AS timestamptz[]), CAST(:pushed_at AS timestamptz[]),"
            "              CAST(:default_branch AS text[]), CAST(:primary_language AS text[]), CAST(:size_kb AS int[]))"
            "       AS reported(id, due_at, pushed_at, default_branch, primary_language, size_kb)"
            " WHERE repository.id = reported.id"
        ),
        {
            "at": at,
            "ids": list(reported),
            "due_at": [due.get(id_) for id_ in reported],
            **{part.name: [getattr(signals[id_], part.name) for id_ in reported] for part in fields(LanguageSignals)},
        },
    )
    return len(rows)


def write_change_entries(
    connection: Connection,
    account_id: int,
    ids: Mapping[int, int],
    entries: Sequence[ChangeEntry],
    at: datetime,
    run_id: int,
) -> None:
    if not entries:
        return
    connection.execute(
        text(
            "INSERT INTO change (account_id, repository_id, detected_at, kind, before, after, run_id)"
            " VALUES (:account, :repository, :at, :kind, :before, :after, :run)"
        ),
        [
            {
                "account": account_id,
                "repository": None if entry.repository is None else ids[entry.repository],
                "at": at,
                "kind": entry.kind,
                "before": entry.before,
                "after": entry.after,
                "run": run_id,
            }
            for entry in entries
        ],
    )


def mark_gone(connection: Connection, repository_id: int, reason: str, at: datetime) -> None:
    keep_repository_version(connection, repository_id, at)
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
    write_change_entries(connection, account_id, {}, [ChangeEntry("gone", None, reason)], at, run_id)
    summaries.update_summaries(connection, account_ids=[account_id])
