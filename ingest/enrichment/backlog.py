"""Counts what is due of each kind of fact, for forecasts. Reads every repository: not for each page view."""

from datetime import datetime

from sqlalchemy import Connection, text

from core.queue.enrichment import FACT_KINDS
from ingest.enrichment import due


def measure_backlog(connection: Connection, api_root: str, now: datetime) -> None:
    """Store how much of each kind is due. Kinds that the server has no endpoint for are left out."""
    rows = []
    for kind in FACT_KINDS.values():
        if not due.is_endpoint_missing(connection, kind.name, api_root, now):
            subjects, waiting = due.count_due(connection, kind, now)
            rows.append({"kind": kind.name, "subjects": subjects, "waiting": waiting, "now": now})
    connection.execute(
        text("DELETE FROM enrichment_backlog WHERE NOT (kind = ANY(:kinds))"), {"kinds": [row["kind"] for row in rows]}
    )
    if rows:
        connection.execute(
            text(
                "INSERT INTO enrichment_backlog (kind, subjects, waiting, measured_at)"
                " VALUES (:kind, :subjects, :waiting, :now) ON CONFLICT (kind) DO UPDATE"
                " SET subjects = excluded.subjects, waiting = excluded.waiting, measured_at = excluded.measured_at"
            ),
            rows,
        )
