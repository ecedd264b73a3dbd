"""Repositories ranked by stars gained or lost in a number of days, as `core.queries.growth` defines growth."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pandas import DataFrame

from core.db.frames import derived, read_frame
from core.db.schema import GROWTH_DAYS
from core.queries.as_of import as_of_or_end_of_today
from core.queries.captures import newest_capture_at
from core.queries.growth import GROWTH_CTES, LATEST_SUBJECT, growth_values
from core.queries.repository_base import repository_ctes, until_values

MAX_LAG = timedelta(days=7)
"""Growth that ended longer than this before the newest capture of all is not compared with the newest."""
MAX_ROWS = 10_000
MIN_STARS_FOR_SHARE = 50
"""Growth relative to fewer stars says little: such repositories are not ranked by share."""
Ranking = Literal["gained", "lost", "share"]
# Condition and order of the rows by ranking; what was compared and left out does not depend on it.
RANKINGS: dict[Ranking, tuple[str, str]] = {
    "gained": ("true", "growth DESC"),
    "lost": ("growth < 0", "growth"),
    "share": (f"stars - growth >= {MIN_STARS_FOR_SHARE}", "growth::float / (stars - growth) DESC"),
}
COLUMNS = [
    "id", "full_name", "owner", "description", "language", "stars", "growth", "share", "until_at", "source",
]  # fmt: skip
STORED_GROWTH_CTE = """growth AS (
            SELECT repository_id,
                   CASE CAST(:span AS int) WHEN 1 THEN stars_1d WHEN 7 THEN stars_7d WHEN 30 THEN stars_30d
                                           WHEN 90 THEN stars_90d WHEN 365 THEN stars_365d END AS growth
              FROM repository_latest
        )"""
COMPUTED_GROWTH_CTES = f"""subject AS ({LATEST_SUBJECT}
             WHERE checked_at > CAST(:reference AS timestamptz) - CAST(:max_lag AS interval)
        ), {GROWTH_CTES}"""


@dataclass(frozen=True)
class Movers:
    """The repositories with most growth, and how many were compared and left out; unavailable ones are neither.

    rows              one row per repository, most growth first:
        id, full_name, owner, description, language   id is GitHub's; null for an imported repository without one
        stars, growth                                 int, at until_at; gained in the days before
        share                                         float, growth relative to the stars before
        until_at                                      timestamp of the last capture
        source                                        name of the source of these counts
    compared          repositories with known growth
    not_captured      left out: not captured in the week before *newest_at*
    unknown_at_start  left out: captured then, but not near the start of the period
    newest_at         newest capture of any source; None before the first
    """

    rows: DataFrame
    compared: int
    not_captured: int
    unknown_at_start: int
    newest_at: datetime | None


def movers(
    as_of: datetime | None,
    days: int,
    language: str = "",
    limit: int = MAX_ROWS,
    *,
    ranking: Ranking = "gained",
    max_age: timedelta | None = None,
) -> Movers:
    """Rank repositories by stars gained in the *days* before their last capture by *as_of*.

    Only repositories with the primary *language* if given, and not created longer than *max_age* before *as_of*. Ranked
    by stars gained, by stars lost (only those that lost some), or by stars gained as a share of those before.
    """
    condition, order = RANKINGS[ranking]
    until = as_of_or_end_of_today(as_of)
    newest_at = newest_capture_at(until)
    ctes = f"""
        WITH {_growth_ctes(as_of, days)}, candidate AS MATERIALIZED (
            SELECT stored.repository_id, full_name, owner, description, language, stars, growth,
                   checked_at AS until_at, source_id,
                   checked_at > CAST(:reference AS timestamptz) - CAST(:max_lag AS interval) AS is_recent
              FROM stored
              LEFT JOIN growth USING (repository_id)
             WHERE NOT is_gone AND (:language = '' OR language = :language)
               AND (CAST(:created_after AS timestamptz) IS NULL OR repository_id IN (
                    SELECT id FROM repository WHERE created_at > :created_after))
        ), counted AS (
            SELECT count(*) FILTER (WHERE is_recent AND growth IS NOT NULL) AS compared,
                   count(*) FILTER (WHERE NOT is_recent) AS not_captured,
                   count(*) FILTER (WHERE is_recent AND growth IS NULL) AS unknown_at_start
              FROM candidate
        )"""  # noqa: S608
    sql = f"""{ctes}
        SELECT github_id AS id, candidate.full_name, owner, candidate.description, language, stars, growth,
               growth::float / nullif(stars - growth, 0) AS share, until_at,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source, counted.*
          FROM candidate
          JOIN repository ON repository.id = repository_id
          JOIN source ON source.id = source_id
         CROSS JOIN counted
         WHERE is_recent AND growth IS NOT NULL AND {condition}
         ORDER BY {order}, candidate.full_name
         LIMIT :limit
    """  # noqa: S608
    values = until_values(until) | growth_values([days]) | {"as_of": as_of, "reference": newest_at, "max_lag": MAX_LAG}
    values |= {"language": language, "span": days, "limit": limit}
    values |= {"created_after": until - max_age if max_age else None}
    found = read_frame(sql, **values)
    counts = (read_frame(f"{ctes} SELECT * FROM counted", **values) if found.empty else found).iloc[0]  # noqa: S608
    return Movers(
        rows=derived(found[COLUMNS], found),
        compared=int(counts["compared"]),
        not_captured=int(counts["not_captured"]),
        unknown_at_start=int(counts["unknown_at_start"]),
        newest_at=newest_at,
    )


def _growth_ctes(as_of: datetime | None, days: int) -> str:
    """Return CTEs with `stored`, and `growth` over *days*."""
    if as_of is not None:
        return repository_ctes(as_of)
    return f"{repository_ctes(None)}, {STORED_GROWTH_CTE if days in GROWTH_DAYS else COMPUTED_GROWTH_CTES}"
