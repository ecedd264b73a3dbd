"""Updates the stored growth of imported counts, and what `ingest.refresh.summaries` needs to compute that of ours.

Growth is defined in `core.queries.growth`.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from core.db.schema import GROWTH_DAYS
from core.db.statement import text
from core.queries.captures import PRESENCE_EXISTS
from core.queries.growth import GROWTH_CTES, growth_values

GROWN_CTE = """
        grown AS (
            SELECT repository_id,
                   max(growth) FILTER (WHERE days = 1) AS stars_1d,
                   max(growth) FILTER (WHERE days = 7) AS stars_7d,
                   max(growth) FILTER (WHERE days = 30) AS stars_30d,
                   max(growth) FILTER (WHERE days = 90) AS stars_90d,
                   max(growth) FILTER (WHERE days = 365) AS stars_365d
              FROM growth GROUP BY repository_id
        )"""
UPDATE_IMPORT_GROWTH = f"""
        WITH subject AS MATERIALIZED (
            SELECT repository_id, account_id, created_at, stars, last_at AS until_at,
                   CAST(NULL AS timestamptz) AS changed_at, {PRESENCE_EXISTS} AS is_special, true AS is_imported
              FROM repository_import
              JOIN repository ON repository.id = repository_id
             WHERE source_id = :source AND {{chosen}}
        ), {GROWTH_CTES}, {GROWN_CTE}
        UPDATE repository_import AS stored
           SET stars_1d = grown.stars_1d, stars_7d = grown.stars_7d, stars_30d = grown.stars_30d,
               stars_90d = grown.stars_90d, stars_365d = grown.stars_365d
          FROM grown
         WHERE grown.repository_id = stored.repository_id AND stored.source_id = :source
           AND ROW(stored.stars_1d, stored.stars_7d, stored.stars_30d, stored.stars_90d, stored.stars_365d)
               IS DISTINCT FROM
               ROW(grown.stars_1d, grown.stars_7d, grown.stars_30d, grown.stars_90d, grown.stars_365d)
"""  # noqa: S608
ALL = "true"
BY_ID = "repository.id = ANY(CAST(:ids AS bigint[]))"


def update_import_growth(connection: Connection, source_id: int, repository_ids: Sequence[int] | None = None) -> None:
    """Update the growth of an imported source's latest counts, up to their days."""
    chosen, values = _chosen(repository_ids)
    connection.execute(
        text(UPDATE_IMPORT_GROWTH.format(chosen=chosen)),
        growth_values(GROWTH_DAYS) | values | {"source": source_id},
    )


def _chosen(repository_ids: Sequence[int] | None) -> tuple[str, dict[str, object]]:
    """Return the SQL condition for these repositories, and its values."""
    return (ALL, {}) if repository_ids is None else (BY_ID, {"ids": list(repository_ids)})
