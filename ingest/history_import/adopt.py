"""Assigns imported history, stored under a name, to the repository or account once GitHub has reported it.

Names are reused: a repository created after the name's first imported day is another one, and the two stay separate.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Row

from core.db.schema import NAMED_REPOSITORY_ID, metadata
from core.db.statement import text
from ingest.history_import import aggregates
from ingest.refresh import closed_history, growth, summaries

# Advisory lock key of history imports.
IMPORT_LOCK = 0x494D504F5254

SELECT_REPOSITORY_PAIRS = f"""
    WITH reported AS MATERIALIZED (
        SELECT id, full_name, created_at, gone_at, {NAMED_REPOSITORY_ID.format(name="full_name")} AS named_id
          FROM repository
         WHERE {{chosen}} AND github_id IS NOT NULL
    )
    SELECT DISTINCT ON (named.id) named.id AS named, named.account_id AS named_account, real.id AS real
      FROM repository AS named
      JOIN reported AS real ON real.named_id = named.id AND lower(real.full_name) = lower(named.full_name)
     CROSS JOIN LATERAL (
           SELECT min(captured_at) AS at FROM capture_open WHERE repository_id = named.id) AS first
     WHERE real.created_at < first.at + interval '1 day'
     ORDER BY named.id, real.gone_at IS NOT NULL, real.created_at DESC
"""  # noqa: S608 - our own names
# What the import says of a repository held until we first captured it; its flags the import does not tell.
KEEP_IMPORTED_ATTRIBUTES = """
    -- The two may be on different nodes of Citus.
    WITH named AS MATERIALIZED (
        SELECT pair.real AS id, full_name, description, license, primary_language, (
               SELECT min(captured_at) FROM capture_open WHERE repository_id = repository.id) AS since
          FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
          JOIN repository ON repository.id = pair.named
    )
    INSERT INTO repository_version (repository_id, until, since, account_id, full_name, description, license,
           primary_language, is_gone)
    SELECT real.id, real.first_captured_at, named.since, real.account_id, named.full_name, named.description,
           named.license, named.primary_language, false
      FROM named
      JOIN repository AS real ON real.id = named.id
     WHERE named.since < real.first_captured_at
    ON CONFLICT DO NOTHING
"""
SNAPSHOT_TABLES = ("repository_snapshot_open", "repository_extra_snapshot")
# What else refers to a repository and does not vanish with it.
WITHOUT_FOREIGN_KEY = ("change", "enrichment", "page_open", "alert", "collection_member")
# Captures that both have of the same time and source.
SELECT_DUPLICATE_CAPTURES = """
    SELECT mine.repository_id AS id, mine.captured_at AS at, mine.source_id AS source
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
      JOIN capture_open AS mine ON mine.repository_id = pair.named
      JOIN capture_open AS existing ON existing.repository_id = pair.real
       AND existing.captured_at = mine.captured_at AND existing.source_id = mine.source_id
"""


def adopt_imported_history(connection: Connection, repository_ids: Sequence[int]) -> list[int]:
    """Assign to these repositories the history imported under their names; returns the ids of those that had any,
    whose summaries the caller updates.

    Without such history this is one indexed query. While an import runs nothing happens: the import does it at its end.
    """
    return _adopt(connection, "id = ANY(CAST(:ids AS bigint[]))", {"ids": list(repository_ids)})


def adopt_all_imported_history(connection: Connection) -> list[int]:
    """Assign imported history to all stored repositories, for those reported while an import ran."""
    return _adopt(connection, "true", {})


def _adopt(connection: Connection, chosen: str, values: dict[str, object]) -> list[int]:
    pairs = connection.execute(text(SELECT_REPOSITORY_PAIRS.format(chosen=chosen)), values).all()
    if not pairs or not try_block_imports(connection):
        return []
    named, real = [pair.named for pair in pairs], [pair.real for pair in pairs]
    connection.execute(text(KEEP_IMPORTED_ATTRIBUTES), {"named": named, "real": real})
    sources = _move_history(connection, named, real)
    for table in WITHOUT_FOREIGN_KEY:
        connection.execute(text(f"DELETE FROM {table} WHERE repository_id = ANY(:named)"), {"named": named})  # noqa: S608
    connection.execute(text("DELETE FROM repository WHERE id = ANY(:named)"), {"named": named})
    named_accounts = sorted({pair.named_account for pair in pairs})
    delete_empty_accounts(connection, named_accounts)
    summaries.update_summaries(connection, account_ids=named_accounts)
    for source_id in sources:
        aggregates.update_repository_imports(connection, source_id, real)
        growth.update_import_growth(connection, source_id, real)
    return sorted(set(real))


def try_block_imports(connection: Connection) -> bool:
    """Block imports, not other adoptions, until this transaction ends; returns False while an import runs."""
    return bool(
        connection.execute(text("SELECT pg_try_advisory_xact_lock_shared(:key)"), {"key": IMPORT_LOCK}).scalar_one()
    )


def try_block_all(connection: Connection) -> bool:
    """Block imports and adoptions until this transaction ends; returns False while one of them is under way."""
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK}).scalar_one())


def _move_history(connection: Connection, named: Sequence[int], real: Sequence[int]) -> list[int]:
    """Move rows from each name to its repository; returns the ids of their sources."""
    values = {"named": list(named), "real": list(real)}
    sources = connection.scalars(
        text("SELECT DISTINCT source_id FROM capture_open WHERE repository_id = ANY(CAST(:named AS bigint[]))"), values
    ).all()
    for source_id in sources:
        closed_history.move_rows(connection, source_id, named, real)
    _delete_duplicates(connection, values)
    connection.execute(
        text("""
            UPDATE capture_open SET repository_id = pair.real
              FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
             WHERE repository_id = pair.named
        """),
        values,
    )
    for table in SNAPSHOT_TABLES:
        _move_snapshots(connection, table, values)
    connection.execute(
        text("""
            UPDATE collection_member AS row SET repository_id = pair.real
              FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
             WHERE row.repository_id = pair.named AND NOT EXISTS (
                   SELECT FROM collection_member AS existing
                    WHERE existing.collection_id = row.collection_id AND existing.repository_id = pair.real)
        """),
        values,
    )
    return list(sources)


def _move_snapshots(connection: Connection, table: str, values: dict[str, list[int]]) -> None:
    """Store the rows again and delete them: on Citus a row with another repository belongs on another node."""
    columns = ", ".join(column.name for column in metadata.tables[table].columns if column.name != "repository_id")
    connection.execute(
        text(f"""
            INSERT INTO {table} (repository_id, {columns})
            SELECT pair.real, {columns}
              FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
              JOIN {table} ON repository_id = pair.named
        """),  # noqa: S608 - our own names
        values,
    )
    connection.execute(text(f"DELETE FROM {table} WHERE repository_id = ANY(:named)"), values)  # noqa: S608


def _delete_duplicates(connection: Connection, values: dict[str, list[int]]) -> None:
    """Delete rows of a name where its repository has one of the same time and source."""
    duplicates = connection.execute(text(SELECT_DUPLICATE_CAPTURES), values).all()
    if not duplicates:
        return
    keys = {name: [getattr(row, name) for row in duplicates] for name in ("id", "at", "source")}
    for table in (*SNAPSHOT_TABLES, "capture_open"):
        connection.execute(
            text(f"""
                DELETE FROM {table} USING unnest(CAST(:id AS bigint[]), CAST(:at AS timestamptz[]),
                       CAST(:source AS smallint[])) AS duplicate(id, at, source)
                 WHERE repository_id = duplicate.id AND captured_at = duplicate.at AND source_id = duplicate.source
            """),  # noqa: S608 - our own names
            keys,
        )


def delete_empty_accounts(connection: Connection, account_ids: Sequence[int]) -> None:
    """Delete those of these accounts that are stored by name only and have no rows left."""
    ids = set(account_ids)
    # One after the other: Citus has repositories on other nodes than tracked accounts.
    for table in ("repository", "tracked_account"):
        statement = f"SELECT DISTINCT account_id FROM {table} WHERE account_id = ANY(CAST(:ids AS bigint[]))"  # noqa: S608
        ids -= set(connection.scalars(text(statement), {"ids": list(ids)}))
    connection.execute(
        text("DELETE FROM account WHERE id = ANY(CAST(:ids AS bigint[])) AND github_id IS NULL"), {"ids": list(ids)}
    )


SELECT_ACCOUNT_PAIRS = """
    SELECT DISTINCT ON (named.id) named.id AS named, real.id AS real
      FROM unnest(CAST(:ids AS bigint[]), CAST(:former AS text[])) AS reported (id, former)
      JOIN account AS real ON real.id = reported.id
      JOIN account AS named ON named.github_id IS NULL
       AND lower(named.login) IN (lower(real.login), lower(reported.former))
     WHERE real.github_id IS NOT NULL
     ORDER BY named.id, lower(named.login) = lower(real.login) DESC, real.id
"""
# Repositories stored by name only move if the account existed on their first imported day.
MOVE_REPOSITORIES = """
    UPDATE repository AS row SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
      JOIN account AS owner ON owner.id = pair.real
     WHERE row.account_id = pair.named
       -- In UTC, where adding a day does not depend on the session, as Citus wants it.
       AND (row.github_id IS NOT NULL OR owner.created_at AT TIME ZONE 'UTC' < interval '1 day' + (
            SELECT min(captured_at) AT TIME ZONE 'UTC' FROM capture_open WHERE repository_id = row.id))
    RETURNING row.account_id
"""
MOVE_VERSIONS = """
    UPDATE repository_version AS row SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE row.account_id = pair.named
       AND EXISTS (SELECT FROM repository WHERE id = row.repository_id AND account_id = pair.real)
"""
MOVE_TRACKING = """
    UPDATE tracked_account AS row SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE row.account_id = pair.named AND NOT EXISTS (SELECT FROM tracked_account WHERE account_id = pair.real)
"""
DROP_TRACKING = """
    DELETE FROM tracked_account USING unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE account_id = pair.named
"""
MOVE_ITEMS = """
    UPDATE ingest_item SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE account_id = pair.named
"""
MOVE_MEMBERS = """
    UPDATE collection_member AS row SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE row.account_id = pair.named AND NOT EXISTS (
           SELECT FROM collection_member AS existing
            WHERE existing.collection_id = row.collection_id AND existing.account_id = pair.real)
"""


def adopt_accounts(connection: Connection, former_logins: Mapping[int, str | None]) -> set[int]:
    """Assign to accounts the rows stored under their logins alone; returns those that repositories were moved to.

    former_logins  by our id the login that was requested, when GitHub answered with another one
    Repositories with history older than the account stay with the name: it belonged to another account then.
    """
    requested = {"ids": list(former_logins), "former": list(former_logins.values())}
    pairs = connection.execute(text(SELECT_ACCOUNT_PAIRS), requested).all()
    if not pairs:
        return set()
    values = {"named": [pair.named for pair in pairs], "real": [pair.real for pair in pairs]}
    for apart in _one_name_at_a_time(pairs):
        for statement in (MOVE_TRACKING, MOVE_MEMBERS):
            connection.execute(text(statement), apart)
    for statement in (DROP_TRACKING, MOVE_ITEMS):
        connection.execute(text(statement), values)
    # A running import may add repositories to the name: they follow at the account's next refresh.
    if not try_block_imports(connection):
        return set()
    moved = set(connection.scalars(text(MOVE_REPOSITORIES), values))
    connection.execute(text(MOVE_VERSIONS), values)
    delete_empty_accounts(connection, values["named"])
    return moved


def _one_name_at_a_time(pairs: Sequence[Row[Any]]) -> Iterator[dict[str, list[int]]]:
    """Divide *pairs* so that no account occurs twice: a statement does not see the rows that it moves itself."""
    names: dict[int, list[int]] = {}
    for pair in pairs:
        names.setdefault(pair.real, []).append(pair.named)
    for named in zip_longest(*names.values()):
        apart = [(one, real) for one, real in zip(named, names, strict=True) if one is not None]
        yield {"named": [one for one, _ in apart], "real": [real for _, real in apart]}
