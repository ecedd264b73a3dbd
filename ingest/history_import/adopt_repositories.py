"""History of a name becomes history of the repository, once GitHub has shown that it was there at the time.

A name alone proves nothing: names are reused. What GitHub says was created after the name's first imported day is
another repository, and the two stay apart.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from ingest.history_import import summing
from ingest.refresh import growth

# Any number that nothing else in this database locks.
IMPORT_LOCK = 0x494D504F5254

SELECT_REPOSITORY_PAIRS = """
    SELECT DISTINCT ON (named.id) named.id AS named, named.account_id AS named_account, real.id AS real
      FROM repository AS real
      JOIN repository AS named ON lower(named.full_name) = lower(real.full_name) AND named.github_id IS NULL
     CROSS JOIN LATERAL (
           SELECT min(captured_at) AS at FROM capture WHERE repository_id = named.id) AS first
     WHERE {chosen} AND real.github_id IS NOT NULL AND real.created_at < first.at + interval '1 day'
     ORDER BY named.id, real.gone_at IS NOT NULL, real.created_at DESC
"""
HISTORY_TABLES = ("repository_snapshot", "repository_extra_snapshot", "capture")
# Rows that both have of one moment and source.
SELECT_DUPLICATE_CAPTURES = """
    SELECT mine.repository_id AS id, mine.captured_at AS at, mine.source_id AS source
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
      JOIN capture AS mine ON mine.repository_id = pair.named
      JOIN capture AS held ON held.repository_id = pair.real
       AND held.captured_at = mine.captured_at AND held.source_id = mine.source_id
"""


def adopt_imported_history(connection: Connection, repository_ids: Sequence[int]) -> list[int]:
    """Give these repositories of GitHub's the history imported under their names; tells which had any.

    One indexed query where there is nothing to give. While an import is running it is left to that import's end.
    """
    return _adopt(connection, "real.id = ANY(CAST(:ids AS bigint[]))", {"ids": list(repository_ids)})


def adopt_all_imported_history(connection: Connection) -> list[int]:
    """The same for every name that is held: what GitHub showed while an import was running."""
    return _adopt(connection, "true", {})


def _adopt(connection: Connection, chosen: str, values: dict[str, object]) -> list[int]:
    pairs = connection.execute(text(SELECT_REPOSITORY_PAIRS.format(chosen=chosen)), values).all()
    if not pairs or not try_block_imports(connection):
        return []
    named, real = [pair.named for pair in pairs], [pair.real for pair in pairs]
    sources = _move_history(connection, named, real)
    connection.execute(text("DELETE FROM repository WHERE id = ANY(:named)"), {"named": named})
    delete_empty_accounts(connection, [pair.named_account for pair in pairs])
    for source_id in sources:
        summing.update_repository_imports(connection, source_id, real)
        growth.update_import_growth(connection, source_id, real)
    return sorted(set(real))


def try_block_imports(connection: Connection) -> bool:
    """Keep imports off until this transaction ends, but not others who adopt; False while an import is running."""
    return bool(
        connection.execute(text("SELECT pg_try_advisory_xact_lock_shared(:key)"), {"key": IMPORT_LOCK}).scalar_one()
    )


def _move_history(connection: Connection, named: Sequence[int], real: Sequence[int]) -> list[int]:
    """Move rows from each name to its repository; tells of which sources."""
    values = {"named": list(named), "real": list(real)}
    sources = connection.scalars(
        text("SELECT DISTINCT source_id FROM capture WHERE repository_id = ANY(CAST(:named AS bigint[]))"), values
    ).all()
    _delete_duplicates(connection, values)
    for table in HISTORY_TABLES:
        connection.execute(
            text(f"""
                UPDATE {table} AS row SET repository_id = pair.real
                  FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
                 WHERE row.repository_id = pair.named
            """),  # noqa: S608 - our own names
            values,
        )
    connection.execute(
        text("""
            UPDATE collection_member AS row SET repository_id = pair.real
              FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
             WHERE row.repository_id = pair.named AND NOT EXISTS (
                   SELECT FROM collection_member AS held
                    WHERE held.collection_id = row.collection_id AND held.repository_id = pair.real)
        """),
        values,
    )
    return list(sources)


def _delete_duplicates(connection: Connection, values: dict[str, list[int]]) -> None:
    """Where a name and its repository both have a row of one moment and source, the repository's own stays."""
    twice = connection.execute(text(SELECT_DUPLICATE_CAPTURES), values).all()
    if not twice:
        return
    keys = {name: [getattr(row, name) for row in twice] for name in ("id", "at", "source")}
    for table in HISTORY_TABLES:
        connection.execute(
            text(f"""
                DELETE FROM {table} USING unnest(CAST(:id AS bigint[]), CAST(:at AS timestamptz[]),
                       CAST(:source AS smallint[])) AS twice(id, at, source)
                 WHERE repository_id = twice.id AND captured_at = twice.at AND source_id = twice.source
            """),  # noqa: S608 - our own names
            keys,
        )


def delete_empty_accounts(connection: Connection, account_ids: Sequence[int]) -> None:
    """Delete those of these accounts that are known by name only and have nothing left."""
    connection.execute(
        text("""
            DELETE FROM account
             WHERE id = ANY(CAST(:ids AS bigint[])) AND github_id IS NULL
               AND NOT EXISTS (SELECT FROM repository WHERE account_id = account.id)
               AND NOT EXISTS (SELECT FROM tracked_account WHERE account_id = account.id)
        """),
        {"ids": list(account_ids)},
    )
