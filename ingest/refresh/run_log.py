"""Records runs and the outcome of each account in them (`ingest_run`, `ingest_item`)."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from core.db.statement import text
from core.queries.outcomes import OUTCOME_CTES, OUTCOME_RETENTION
from core.queue.jobs import JobOrigin, create_ingestion
from core.queue.liveness import RUN_LOCK_SPACE
from ingest.liveness_lock import LivenessLock

ItemState = Literal["stored", "unchanged", "failed", "deleted"]


@dataclass(frozen=True)
class IngestItem:
    """The outcome of one account; `error` is a sentence, without an error code one about a success.

    `duration_ms` is how long storing it took: its share, where several were stored together.
    """

    login: str
    state: ItemState
    account_id: int | None = None
    repositories: int = 0
    rows_written: int = 0
    requests: float = 0
    points: float = 0
    not_modified: int = 0
    duration_ms: int = 0
    error_code: str | None = None
    error: str | None = None

    @property
    def is_stored(self) -> bool:
        """Whether the account is stored completely."""
        return self.state in {"stored", "unchanged"} and self.error_code is None


@dataclass
class Run:
    """The record of one batch of accounts."""

    id: int
    started_at: datetime
    items: list[IngestItem] = field(default_factory=list)
    requests: int = 0
    points: int = 0
    not_modified: int = 0
    stopped: bool = False
    seconds: float = 0

    @property
    def stored(self) -> int:
        return sum(item.is_stored for item in self.items)

    @property
    def failed(self) -> int:
        return len(self.items) - self.stored

    @property
    def rows_written(self) -> int:
        return sum(item.rows_written for item in self.items)

    @property
    def has_news(self) -> bool:
        """Whether it stored anything to publish, as it does of an incomplete response too."""
        return any(item.state != "failed" for item in self.items)

    @property
    def state(self) -> str:
        if self.stopped:
            return "stopped"
        if not self.failed:
            return "done"
        return "partial" if self.stored else "failed"


@contextmanager
def record_run(
    engine: Engine, origin: JobOrigin, accounts: int, now: datetime, job_id: int | None = None
) -> Iterator[Run]:
    """Insert a run and record its outcome when the block ends, also by an exception.

    A lock marks the run as alive. When the process dies, Postgres releases it and `close_dead_runs` closes the run.
    """
    with ExitStack() as stack:
        with engine.begin() as connection:
            run = Run(_insert_run(connection, origin, accounts, now, job_id), now)
            # Locked before others can see the run.
            stack.enter_context(LivenessLock(engine, RUN_LOCK_SPACE, run.id).held())
        try:
            yield run
        except BaseException:
            run.stopped = True
            raise
        finally:
            with engine.begin() as connection:
                _close_run(connection, run)


def _insert_run(connection: Connection, origin: JobOrigin, accounts: int, now: datetime, job_id: int | None) -> int:
    ingestion_id = origin.ingestion_id or create_ingestion(connection, origin, now, accounts)
    run_id: int = connection.execute(
        text(
            "INSERT INTO ingest_run (ingestion_id, trigger, requested_by, request_id, job_id, accounts, started_at,"
            "                        alerts_pending)"
            " VALUES (:ingestion_id, :trigger, :by, :request_id, :job_id, :accounts, :now, true) RETURNING id"
        ),
        {
            "ingestion_id": ingestion_id,
            "trigger": origin.trigger,
            "by": origin.by,
            "request_id": origin.request_id,
            "job_id": job_id,
            "accounts": accounts,
            "now": now,
        },
    ).scalar_one()
    return run_id


def _close_run(connection: Connection, run: Run) -> None:
    connection.execute(
        text(
            "UPDATE ingest_run SET state = :state, finished_at = statement_timestamp(), stored = :stored,"
            " failed = :failed, requests = :requests, points = :points, not_modified = :not_modified,"
            " rows_written = :rows_written, alerts_pending = alerts_pending AND :has_news WHERE id = :id"
        ),
        {name: getattr(run, name) for name in ("id", "state", "stored", "failed", "requests", "points", "has_news")}
        | {"not_modified": run.not_modified, "rows_written": run.rows_written},
    )


def write_items(connection: Connection, run_id: int, items: Sequence[IngestItem]) -> None:
    rows = [
        vars(item) | {"run_id": run_id, "requests": round(item.requests), "points": round(item.points)}
        for item in items
    ]
    connection.execute(
        text("""
            INSERT INTO ingest_item (run_id, login, account_id, state, requests, points, not_modified, repositories,
                   rows_written, duration_ms, error_code, error)
            SELECT run_id, login, account_id, state, requests, points, not_modified, repositories, rows_written,
                   duration_ms, error_code, error
              FROM jsonb_populate_recordset(NULL::ingest_item, CAST(:rows AS jsonb))
            ON CONFLICT (run_id, login) DO NOTHING
        """),
        {"rows": json.dumps(rows)},
    )


def write_progress(connection: Connection, run: Run) -> None:
    """Update the counts of a running run, for the pages that show its progress."""
    connection.execute(
        text(
            "UPDATE ingest_run SET stored = :stored, failed = :failed, requests = :requests, points = :points,"
            " not_modified = :not_modified, rows_written = :rows_written, last_item_at = statement_timestamp()"
            " WHERE id = :id"
        ),
        {name: getattr(run, name) for name in ("id", "stored", "failed", "requests", "points")}
        | {"not_modified": run.not_modified, "rows_written": run.rows_written},
    )


def close_dead_runs(connection: Connection) -> int:
    """Mark runs whose process died as stopped, with the accounts that they stored; returns how many."""
    dead = connection.scalars(
        text(
            "WITH running AS MATERIALIZED (SELECT id FROM ingest_run WHERE state = 'running')"
            " SELECT id FROM running WHERE pg_try_advisory_xact_lock(:space, (id % 2147483648)::int)"
        ),
        {"space": RUN_LOCK_SPACE},
    ).all()
    return connection.execute(
        text("""
            UPDATE ingest_run
               SET state = 'stopped', finished_at = statement_timestamp(), stored = items.stored,
                   failed = items.items - items.stored, rows_written = items.rows_written
              FROM (SELECT run.id, count(item.run_id) AS items, coalesce(sum(item.rows_written), 0) AS rows_written,
                           count(*) FILTER (
                               WHERE item.state IN ('stored', 'unchanged') AND error_code IS NULL) AS stored
                      FROM ingest_run AS run LEFT JOIN ingest_item AS item ON item.run_id = run.id
                     WHERE run.id = ANY(:ids) GROUP BY run.id) AS items
             WHERE ingest_run.id = items.id
        """),
        {"ids": list(dead)},
    ).rowcount


def delete_old_items(connection: Connection, now: datetime) -> int:
    """Delete the outcomes of accounts in ingestions that are older than OUTCOME_RETENTION; returns how many.

    The ingestion keeps how many accounts it stored and how many failed.
    """
    ids = connection.scalars(
        text("SELECT id FROM ingestion WHERE started_at < :before AND stored IS NULL"),
        {"before": now - OUTCOME_RETENTION},
    ).all()
    values = {"ids": list(ids)}
    connection.execute(
        text(f"""
            WITH {OUTCOME_CTES}
            UPDATE ingestion SET stored = coalesce(counted.stored, 0), failed = coalesce(counted.failed, 0)
              FROM (SELECT id, items.stored, items.failed
                      FROM unnest(CAST(:ids AS bigint[])) AS old (id)
                      LEFT JOIN items ON ingestion_id = id) AS counted
             WHERE ingestion.id = counted.id
        """),  # noqa: S608 - our own names
        values,
    )
    return connection.execute(
        text(
            "DELETE FROM ingest_item USING ingest_run"
            " WHERE run_id = ingest_run.id AND ingestion_id = ANY(CAST(:ids AS bigint[]))"
        ),
        values,
    ).rowcount


def ended_runs_with_pending_alerts(connection: Connection) -> list[int]:
    """Return runs that ended before alert rules evaluated what they stored: by an error, or their process died."""
    return list(
        connection.scalars(text("SELECT id FROM ingest_run WHERE alerts_pending AND state <> 'running' ORDER BY id"))
    )


def latest_runs(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return the latest runs, newest first."""
    rows = connection.execute(text("SELECT * FROM ingest_run ORDER BY id DESC LIMIT :limit"), {"limit": limit})
    return [dict(row._mapping) for row in rows]
