"""Records enrichment runs: one row per job (`enrichment_run`). Callers own the transaction."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from ingest.github.http.transport import Tally

RETENTION = timedelta(days=31)


@dataclass
class EnrichmentRun:
    """The record of one job. If it stopped early: `stop_reason`, and `retry_at` if it has to wait."""

    id: int | None = None
    kind: str = ""
    subjects: int = 0
    stored: int = 0
    failed: int = 0
    rows_written: int = 0
    stop_reason: str | None = None
    retry_at: datetime | None = None
    tally: Tally = field(default_factory=Tally)


def open_run(
    connection: Connection, kind: str, token: str | None, job_id: int | None, subjects: int, now: datetime
) -> EnrichmentRun:
    run_id: int = connection.execute(
        text(
            "INSERT INTO enrichment_run (kind, token_fingerprint, job_id, started_at, subjects)"
            " VALUES (:kind, :token, :job, :now, :subjects) RETURNING id"
        ),
        {"kind": kind, "token": token, "job": job_id, "now": now, "subjects": subjects},
    ).scalar_one()
    return EnrichmentRun(run_id, kind, subjects)


def close_run(connection: Connection, run: EnrichmentRun, now: datetime) -> None:
    connection.execute(
        text(
            "UPDATE enrichment_run SET finished_at = :now, stored = :stored, failed = :failed, requests = :requests,"
            " points = :points, not_modified = :not_modified, rows_written = :rows_written, stop_reason = :stop_reason"
            " WHERE id = :id"
        ),
        asdict(run) | asdict(run.tally) | {"now": now},
    )


def delete_old_runs(connection: Connection, now: datetime) -> int:
    """Delete runs that started more than a month ago, not the facts they stored; returns how many."""
    return connection.execute(
        text("DELETE FROM enrichment_run WHERE started_at < :before"), {"before": now - RETENTION}
    ).rowcount
