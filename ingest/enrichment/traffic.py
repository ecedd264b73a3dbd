"""Traffic of the last two weeks, rewritten each time: a reading of a day is kept where it differs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, text

from ingest.github.api.fact_types import TrafficDay

INSERT_CHANGED_DAYS = """
    WITH held AS (
        SELECT DISTINCT ON (day) * FROM traffic_day
         WHERE repository_id = :id AND day >= CAST(:first AS date) ORDER BY day, captured_at DESC
    )
    INSERT INTO traffic_day (repository_id, day, captured_at, views, unique_views, clones, unique_clones)
    SELECT :id, told.day, :at, told.views, told.unique_views, told.clones, told.unique_clones
      FROM jsonb_populate_recordset(NULL::traffic_day, CAST(:rows AS jsonb)) AS told LEFT JOIN held USING (day)
     WHERE (held.captured_at IS NULL OR held.captured_at < :at)
       AND ROW(held.views, held.unique_views, held.clones, held.unique_clones)
           IS DISTINCT FROM ROW(told.views, told.unique_views, told.clones, told.unique_clones)
    ON CONFLICT DO NOTHING
"""


def store(connection: Connection, repository_id: int, told: Sequence[TrafficDay], at: datetime) -> int:
    """Store what differs; returns how many rows."""
    if not told:
        return 0
    rows = json.dumps([asdict(one) for one in told], default=str)
    values = {"id": repository_id, "at": at, "first": min(one.day for one in told), "rows": rows}
    return connection.execute(text(INSERT_CHANGED_DAYS), values).rowcount
