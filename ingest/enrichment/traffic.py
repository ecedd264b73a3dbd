"""Stores traffic of the last 14 days; a day is written again only when its counts differ from the stored ones."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, text

from ingest.github.api.fact_types import TrafficDay

INSERT_CHANGED_DAYS = """
    WITH stored AS (
        SELECT DISTINCT ON (day) * FROM traffic_day
         WHERE repository_id = :id AND day >= CAST(:first AS date) ORDER BY day, captured_at DESC
    )
    INSERT INTO traffic_day (repository_id, day, captured_at, views, unique_views, clones, unique_clones)
    SELECT :id, reported.day, :at, reported.views, reported.unique_views, reported.clones, reported.unique_clones
      FROM jsonb_populate_recordset(NULL::traffic_day, CAST(:rows AS jsonb)) AS reported
      LEFT JOIN stored USING (day)
     WHERE (stored.captured_at IS NULL OR stored.captured_at < :at)
       AND ROW(stored.views, stored.unique_views, stored.clones, stored.unique_clones)
           IS DISTINCT FROM ROW(reported.views, reported.unique_views, reported.clones, reported.unique_clones)
    ON CONFLICT DO NOTHING
"""


def store(connection: Connection, repository_id: int, days: Sequence[TrafficDay], at: datetime) -> int:
    """Store what differs; returns the rows written."""
    if not days:
        return 0
    rows = json.dumps([asdict(one) for one in days], default=str)
    values = {"id": repository_id, "at": at, "first": min(one.day for one in days), "rows": rows}
    return connection.execute(text(INSERT_CHANGED_DAYS), values).rowcount
