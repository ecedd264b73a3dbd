"""Writes imported rows that differ from the stored ones, in atomic batches."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ingest.refresh import closed_history

BATCH_ROWS = 100_000

# For repositories without rows of this source: nothing to compare, and no conflicts as no other import runs. Twice as
# fast.
INSERT_ROWS = (
    """
    INSERT INTO repository_extra_snapshot (repository_id, captured_at, open_issues,
           open_issues_and_change_requests, watchers, source_id)
    SELECT repository_id, captured_at, open_issues, open_issues_and_change_requests, watchers, :source
      FROM import_row WHERE repository_id BETWEEN :first AND :last
    """,
    """
    INSERT INTO capture_open (repository_id, captured_at, source_id, run_id)
    SELECT repository_id, captured_at, :source, :run
      FROM import_row WHERE repository_id BETWEEN :first AND :last
    """,
)
GIVEN_ROWS = """
        SELECT repository_id, captured_at, stars, forks, NULL::int AS size_kb
          FROM import_row WHERE repository_id BETWEEN :first AND :last"""
HAS_STORED_CAPTURES = """
    SELECT EXISTS (SELECT FROM capture_open WHERE repository_id BETWEEN :first AND :last AND source_id = :source)
"""
SELECT_FRESH_ROWS = """
    CREATE TEMPORARY TABLE fresh_row ON COMMIT DROP AS
    WITH snapshot AS MATERIALIZED (
        SELECT repository_id, captured_at, stars, forks
          FROM repository_snapshot WHERE source_id = :source AND repository_id BETWEEN :first AND :last
    )
    SELECT given.*, coalesce(given.watchers, extra.watchers) AS stored_watchers
      FROM import_row AS given
      LEFT JOIN snapshot
        ON snapshot.repository_id = given.repository_id AND snapshot.captured_at = given.captured_at
      -- The bounds are repeated so that Postgres scans one range of each partition's index.
      LEFT JOIN repository_extra_snapshot AS extra
        ON extra.repository_id = given.repository_id AND extra.captured_at = given.captured_at
       AND extra.source_id = :source AND extra.repository_id BETWEEN :first AND :last
     WHERE given.repository_id BETWEEN :first AND :last
       AND (ROW(snapshot.stars, snapshot.forks) IS DISTINCT FROM ROW(given.stars, given.forks)
            OR ROW(extra.open_issues, extra.open_issues_and_change_requests, extra.watchers)
               IS DISTINCT FROM ROW(given.open_issues, given.open_issues_and_change_requests,
                                    coalesce(given.watchers, extra.watchers)))
"""
FRESH_ROWS = "SELECT repository_id, captured_at, stars, forks, NULL::int AS size_kb FROM fresh_row"
UPSERT_ROWS = (
    """
    INSERT INTO repository_extra_snapshot (repository_id, captured_at, open_issues,
           open_issues_and_change_requests, watchers, source_id)
    SELECT repository_id, captured_at, open_issues, open_issues_and_change_requests, stored_watchers, :source
      FROM fresh_row
    ON CONFLICT (repository_id, captured_at, source_id) DO UPDATE
       SET open_issues = excluded.open_issues, watchers = excluded.watchers,
           open_issues_and_change_requests = excluded.open_issues_and_change_requests
    """,
    """
    INSERT INTO capture_open (repository_id, captured_at, source_id, run_id)
    SELECT repository_id, captured_at, :source, :run FROM fresh_row
    ON CONFLICT (repository_id, captured_at, source_id) WHERE repository_id IS NOT NULL DO NOTHING
    """,
)


def repository_batches(connection: Connection) -> list[tuple[int, int, int]]:
    """Return ranges of repositories with about BATCH_ROWS rows each: first and last repository id, rows."""
    counts = connection.execute(
        text("SELECT repository_id, count(*) FROM import_row GROUP BY repository_id ORDER BY repository_id")
    )
    return list(pack_batches(((row[0], row[1]) for row in counts), BATCH_ROWS))


def write_batch(connection: Connection, source_id: int, run_id: int, first: int, last: int) -> int:
    """Write the rows of the repositories from *first* to *last* that differ; returns how many."""
    values = {"source": source_id, "run": run_id, "first": first, "last": last}
    if not connection.execute(text(HAS_STORED_CAPTURES), values).scalar_one():
        closed_history.store_rows(connection, source_id, GIVEN_ROWS, values, are_new=True)
        counts = [connection.execute(text(statement), values).rowcount for statement in INSERT_ROWS]
        return counts[0]
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.fresh_row"))
    connection.execute(text(SELECT_FRESH_ROWS), values)
    written = int(connection.execute(text("SELECT count(*) FROM fresh_row")).scalar_one())
    if written:
        closed_history.store_rows(connection, source_id, FRESH_ROWS, values)
        for statement in UPSERT_ROWS:
            connection.execute(text(statement), values)
    return written


def pack_batches(counts: Iterator[tuple[int, int]], size: int) -> Iterator[tuple[int, int, int]]:
    """Pack (repository, rows), in order, into ranges of about *size* rows: first and last repository, rows."""
    first, last, rows = 0, 0, 0
    for repository, count in counts:
        first = repository if not rows else first
        last, rows = repository, rows + count
        if rows >= size:
            yield first, last, rows
            rows = 0
    if rows:
        yield first, last, rows
