"""Runs and what became of each account in them: the ingestor's own history."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, text

from core.queue.jobs import JobOrigin, create_ingestion

ItemState = Literal["stored", "unchanged", "failed", "gone"]
# Any number that nothing else in this database locks; the run's id is the second half of the key.
LOCK_SPACE = 0x52554E


@dataclass(frozen=True)
class IngestItem:
    """What became of one account, `error` in a sentence."""

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
        """Whether all that GitHub has of the account is held now."""
        return self.state in {"stored", "unchanged"} and self.error_code is None


@dataclass
class Run:
    """One batch of accounts, from its start to the report at its end."""

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
    def state(self) -> str:
        if self.stopped:
            return "stopped"
        if not self.failed:
            return "done"
        return "partial" if self.stored else "failed"


@contextmanager
def record_run(
    engine: Engine, asked: JobOrigin, accounts: int, now: datetime, job_id: int | None = None
) -> Iterator[Run]:
    """Open a run and close it with what happened, whatever happens.

    A lock on a connection of its own says that the run is alive; when its process dies, Postgres lets go of it and
    `close_dead` can tell.
    """
    with engine.connect() as guard:
        ingestion_id = asked.ingestion_id or create_ingestion(guard, asked, now, accounts)
        run_id: int = guard.execute(
            text(
                "INSERT INTO ingest_run"
                " (ingestion_id, trigger, requested_by, request_id, job_id, accounts, started_at)"
                " VALUES (:ingestion_id, :trigger, :by, :request_id, :job_id, :accounts, :now) RETURNING id"
            ),
            {
                "ingestion_id": ingestion_id,
                "trigger": asked.trigger,
                "by": asked.by,
                "request_id": asked.request_id,
                "job_id": job_id,
                "accounts": accounts,
                "now": now,
            },
        ).scalar_one()
        guard.execute(text("SELECT pg_advisory_lock(:space, :id)"), {"space": LOCK_SPACE, "id": run_id})
        guard.commit()
        run = Run(run_id, now)
        try:
            yield run
        except BaseException:
            run.stopped = True
            raise
        finally:
            try:
                with engine.begin() as connection:
                    _close_run(connection, run)
            finally:
                # The lock goes with its connection, whatever state that is in.
                guard.invalidate()


def _close_run(connection: Connection, run: Run) -> None:
    connection.execute(
        text(
            "UPDATE ingest_run SET state = :state, finished_at = clock_timestamp(), stored = :stored, failed = :failed,"
            " requests = :requests, points = :points, not_modified = :not_modified, rows_written = :rows_written"
            " WHERE id = :id"
        ),
        {name: getattr(run, name) for name in ("id", "state", "stored", "failed", "requests", "points")}
        | {"not_modified": run.not_modified, "rows_written": run.rows_written},
    )


def write_item(connection: Connection, run_id: int, item: IngestItem) -> None:
    connection.execute(
        text(
            "INSERT INTO ingest_item (run_id, login, account_id, state, requests, points, not_modified, repositories,"
            " rows_written, duration_ms, error_code, error) VALUES (:run_id, :login, :account_id, :state, :requests,"
            " :points, :not_modified, :repositories, :rows_written, :duration_ms, :error_code, :error)"
            " ON CONFLICT (run_id, login) DO NOTHING"
        ),
        vars(item) | {"run_id": run_id, "requests": round(item.requests), "points": round(item.points)},
    )


def write_progress(connection: Connection, run: Run) -> None:
    """Let those who watch see how far a run is: after each account, in the transaction that stored it or after it."""
    connection.execute(
        text(
            "UPDATE ingest_run SET stored = :stored, failed = :failed, requests = :requests, points = :points,"
            " not_modified = :not_modified, rows_written = :rows_written, last_item_at = clock_timestamp()"
            " WHERE id = :id"
        ),
        {name: getattr(run, name) for name in ("id", "stored", "failed", "requests", "points")}
        | {"not_modified": run.not_modified, "rows_written": run.rows_written},
    )


def close_dead_runs(connection: Connection) -> int:
    """Close runs whose process died; returns how many."""
    return connection.execute(
        text(
            "UPDATE ingest_run SET state = 'stopped', finished_at = clock_timestamp() WHERE id IN ("
            " SELECT id FROM ingest_run WHERE state = 'running' AND pg_try_advisory_xact_lock(:space, id::int))"
        ),
        {"space": LOCK_SPACE},
    ).rowcount


def latest_runs(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest runs first."""
    rows = connection.execute(text("SELECT * FROM ingest_run ORDER BY id DESC LIMIT :limit"), {"limit": limit})
    return [dict(row._mapping) for row in rows]
