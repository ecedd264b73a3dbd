"""Aggregates of an imported source: first and last capture and latest counts per repository, and its cadence."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from core.queries.past_counts import month_of

# Joined from `repository` on, on each node of Citus. A snapshot is in its closed month, or open.
UPSERT_REPOSITORY_IMPORTS = f"""
    WITH span AS MATERIALIZED (
        SELECT repository_id, min(captured_at) AS first_at, max(captured_at) AS last_at, count(*) AS captures
          FROM capture_open
         WHERE source_id = :source AND repository_id IS NOT NULL {{chosen}}
         GROUP BY repository_id
    )
    INSERT INTO repository_import (repository_id, source_id, first_at, last_at, captures, stars, forks, open_issues,
           open_issues_and_change_requests)
    SELECT repository.id, :source, first_at, last_at, captures,
           coalesce(open.stars, counts[array_position(month.captured_at, last_at)][1]),
           coalesce(open.forks, counts[array_position(month.captured_at, last_at)][2]),
           open_issues, open_issues_and_change_requests
      FROM span
      JOIN repository ON repository.id = span.repository_id
      LEFT JOIN repository_snapshot_open AS open
        ON open.repository_id = repository.id AND open.captured_at = last_at AND open.source_id = :source
      LEFT JOIN repository_month AS month
        ON month.repository_id = repository.id AND month.month = {month_of("last_at")} AND month.source_id = :source
      LEFT JOIN repository_extra_snapshot AS extra
        ON extra.repository_id = repository.id AND extra.captured_at = last_at AND extra.source_id = :source
    ON CONFLICT (repository_id, source_id) DO UPDATE
       SET first_at = excluded.first_at, last_at = excluded.last_at, captures = excluded.captures,
           stars = excluded.stars, forks = excluded.forks, open_issues = excluded.open_issues,
           open_issues_and_change_requests = excluded.open_issues_and_change_requests
"""  # noqa: S608 - our own names
# The median time between two captures of one repository.
UPDATE_SOURCE_INTERVAL = """
    UPDATE source SET cadence = (
           SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY distance)
             FROM (SELECT captured_at - lag(captured_at) OVER (PARTITION BY repository_id ORDER BY captured_at)
                          AS distance
                     FROM capture_open WHERE source_id = :source AND repository_id IS NOT NULL) AS gaps
            WHERE distance IS NOT NULL)
     WHERE id = :source
"""


def update_repository_imports(
    connection: Connection, source_id: int, repository_ids: Sequence[int] | None = None
) -> None:
    """Update `repository_import` for some repositories or all (None), without growth, which the caller updates next."""
    chosen = "" if repository_ids is None else "AND repository_id = ANY(CAST(:ids AS bigint[]))"
    values = {"source": source_id, "ids": None if repository_ids is None else list(repository_ids)}
    connection.execute(text(UPSERT_REPOSITORY_IMPORTS.format(chosen=chosen)), values)


def update_source_interval(connection: Connection, source_id: int) -> None:
    connection.execute(text(UPDATE_SOURCE_INTERVAL), {"source": source_id})
