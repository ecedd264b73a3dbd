"""Rollup of languages per day (`language_day`), without forks and without deleted or private repositories.

`''` stands for no language, as in `repository_language`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from core.db.statement import text

LANGUAGE_DAY_LOCK = 0x616C6D73756D  # "almsum"
PAUSE_FACTOR = 20
# Where the forks of any repository are unknown, so is their total.
SUM_FORKS = "CASE WHEN count(forks) = count(*) THEN sum(forks) END AS forks"
# Deletes rows that no longer apply and writes only rows that differ.
UPSERT_LANGUAGE_DAYS = """
    , outdated AS (
        DELETE FROM language_day AS stored
         WHERE stored.source_id = :source {scope}
           AND NOT EXISTS (SELECT FROM summed WHERE summed.day = stored.day AND summed.language = stored.language)
    )
    INSERT INTO language_day (day, source_id, language, repositories, stars, forks, bytes)
    SELECT day, :source, language, repositories, stars, forks, bytes FROM summed
    ON CONFLICT (day, source_id, language) DO UPDATE
       SET repositories = excluded.repositories, stars = excluded.stars, forks = excluded.forks, bytes = excluded.bytes
     WHERE ROW(language_day.repositories, language_day.stars, language_day.forks, language_day.bytes)
           IS DISTINCT FROM ROW(excluded.repositories, excluded.stars, excluded.forks, excluded.bytes)
"""
SUM_OWN_LANGUAGES = f"""
    WITH sized AS (
        SELECT latest.language, sum(latest.bytes) AS bytes
          FROM repository_current AS own
          JOIN repository ON repository.id = own.repository_id
          JOIN LATERAL (
               SELECT max(captured_at) AS at FROM repository_language WHERE repository_id = repository.id) AS last
            ON true
          JOIN repository_language AS latest
            ON latest.repository_id = repository.id AND latest.captured_at = last.at
         WHERE NOT is_fork AND gone_at IS NULL AND latest.language <> ''
         GROUP BY latest.language
    ), ranked AS (
        SELECT coalesce(primary_language, '') AS language, count(*) AS repositories, sum(coalesce(stars, 0)) AS stars,
               {SUM_FORKS}
          FROM repository_current AS own
          JOIN repository ON repository.id = own.repository_id
         WHERE NOT is_fork AND gone_at IS NULL
         GROUP BY 1
    ), summed AS (
        SELECT CAST(:day AS date) AS day, language, coalesce(repositories, 0) AS repositories,
               coalesce(stars, 0) AS stars, CASE WHEN repositories IS NULL THEN 0 ELSE forks END AS forks, bytes
          FROM ranked FULL JOIN sized USING (language)
    )
"""  # noqa: S608
# An imported source may capture each repository on another day of the week: the last capture of each ISO week counts,
# under the day of the last capture of all repositories.
SUM_IMPORTED_LANGUAGES = f"""
    WITH latest AS (
        SELECT DISTINCT ON (repository_id, week) repository_id, stars, forks, captured_at,
               date_trunc('week', captured_at AT TIME ZONE 'UTC') AS week
          FROM repository_snapshot
         WHERE source_id = :source AND captured_at >= :first AND captured_at <= :last
         ORDER BY repository_id, week, captured_at DESC
    ), weeks AS (
        SELECT week, (max(captured_at) AT TIME ZONE 'UTC')::date AS day FROM latest GROUP BY week
    ), summed AS (
        SELECT day, coalesce(primary_language, '') AS language, count(*) AS repositories,
               sum(coalesce(stars, 0)) AS stars, {SUM_FORKS}, CAST(NULL AS bigint) AS bytes
          FROM latest JOIN weeks USING (week) JOIN repository ON repository.id = repository_id
         WHERE NOT is_fork
         GROUP BY day, coalesce(primary_language, '')
    )
"""  # noqa: S608


def update_language_day(connection: Connection) -> bool:
    """Write our own latest counts as the rollup of the day (UTC) of our last capture; nothing before the first one.

    A day without a capture has no rollup. Returns False if another process is updating it: concurrent updates would
    wait for each other's row locks, and all workers would end up in a queue.
    """
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LANGUAGE_DAY_LOCK}):
        return False
    day = connection.scalar(text("SELECT (max(checked_at) AT TIME ZONE 'UTC')::date FROM account"))
    if day is not None:
        statement = SUM_OWN_LANGUAGES + UPSERT_LANGUAGE_DAYS.format(scope="AND stored.day = :day")
        connection.execute(text(statement), {"day": day, "source": 1})
    return True


class DutyCycleThrottle:
    """Limits work that is repeated after each run to a twentieth of the elapsed time."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next_allowed = 0.0

    @property
    def is_allowed(self) -> bool:
        return self._monotonic() >= self._next_allowed

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Measure one execution; the next one is not allowed for `PAUSE_FACTOR` times its duration."""
        start = self._monotonic()
        yield
        end = self._monotonic()
        self._next_allowed = end + PAUSE_FACTOR * (end - start)


def update_import_language_days(connection: Connection, source_id: int) -> None:
    """Write the rollup of an imported source: one day per ISO week with captures."""
    span = connection.execute(
        text("SELECT min(first_at) AS first, max(last_at) AS last FROM repository_import WHERE source_id = :source"),
        {"source": source_id},
    ).one()
    connection.execute(
        text(SUM_IMPORTED_LANGUAGES + UPSERT_LANGUAGE_DAYS.format(scope="")), {"source": source_id, **span._mapping}
    )
