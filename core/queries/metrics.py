"""Values that only `/metrics` reports; each query has a statement timeout."""

from datetime import datetime

from sqlalchemy import text

from core.db.engine import transaction
from core.queries.freshness import COUNTS, FRESHNESS_CTE
from core.settings import settings

STATEMENT_TIMEOUT_MS = 2_000
QUANTILES = (0.5, 0.95)


def refresh_age_quantiles(now: datetime) -> dict[float, float]:
    """Return seconds since the last refresh of tracked accounts that count, by quantile; empty without accounts."""
    sql = f"""
        WITH {FRESHNESS_CTE}
        SELECT percentile_cont(CAST(:quantiles AS float[])) WITHIN GROUP (
                   ORDER BY extract(epoch FROM CAST(:now AS timestamptz) - checked_at)::float)
          FROM freshness
         WHERE {COUNTS} AND state <> 'never'
    """  # noqa: S608
    values = {"quantiles": list(QUANTILES), "now": now, "every": settings().refresh_every}
    with transaction() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), {"ms": str(STATEMENT_TIMEOUT_MS)})
        found = connection.scalar(text(sql), values)
    return dict(zip(QUANTILES, found, strict=True)) if found else {}
