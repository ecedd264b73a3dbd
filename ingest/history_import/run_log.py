"""Records imports as runs (`ingest_run`) and their sources."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import bindparam

from core.queue.jobs import JobOrigin, create_ingestion
from core.queue.liveness import RUN_LOCK_SPACE, lock_key
from ingest.history_import.connection import ImportConnection


@dataclass
class ImportRun:
    """The record of one import; `resumes_unfinished`: the last one of this source did not finish."""

    source: str
    file: str
    requested_by: str | None
    started_at: datetime
    id: int = 0
    source_id: int = 0
    resumes_unfinished: bool = False
    written: int = 0
    rejected: int = 0
    rejects_file: Path | None = None
    report: Any = field(default=None, repr=False)


@contextmanager
def record_import_run(steps: ImportConnection, run: ImportRun) -> Iterator[ImportRun]:
    """Insert the run and record its outcome when the block ends, also by an exception."""
    with steps.step() as connection:
        run.source_id = get_or_create_source_id(connection, run.source)
        run.resumes_unfinished = is_unfinished(connection, run.source)
        run.id = _open_run(connection, run)
    try:
        yield run
    except BaseException:
        # On a full disk this fails too, and the scheduler closes the run.
        with suppress(DBAPIError):
            if steps.is_alive:
                with steps.step() as connection:
                    _close_run(connection, run, "failed")
        raise
    with steps.step() as connection:
        _close_run(connection, run, "partial" if run.rejected else "done")


def get_or_create_source_id(connection: Connection, name: str) -> int:
    source_id: int | None = connection.scalar(text("SELECT id FROM source WHERE name = :name"), {"name": name})
    if source_id is None:
        source_id = connection.execute(
            text("INSERT INTO source (name) VALUES (:name) RETURNING id"), {"name": name}
        ).scalar_one()
    return source_id


def is_unfinished(connection: Connection, source: str) -> bool:
    """Return whether the last import of *source* did not finish: its rows may be missing from the aggregates."""
    state = connection.scalar(
        text(
            "SELECT state FROM ingest_run WHERE trigger = 'import' AND details ->> 'source' = :source"
            " ORDER BY id DESC LIMIT 1"
        ),
        {"source": source},
    )
    return state not in {None, "done", "partial"}


def _open_run(connection: Connection, run: ImportRun) -> int:
    run_id: int = connection.execute(
        text(
            "INSERT INTO ingest_run (ingestion_id, trigger, requested_by, started_at, details)"
            " VALUES (:ingestion_id, 'import', :by, :started_at, :details) RETURNING id"
        ).bindparams(bindparam("details", type_=JSONB)),
        {
            "ingestion_id": create_ingestion(connection, JobOrigin("import", run.requested_by), run.started_at),
            "by": run.requested_by,
            "started_at": run.started_at,
            "details": {"source": run.source, "file": run.file},
        },
    ).scalar_one()
    # Every live run holds a lock: without it the scheduler would close this one as dead.
    connection.execute(text("SELECT pg_advisory_lock(:space, :id)"), {"space": RUN_LOCK_SPACE, "id": lock_key(run_id)})
    return run_id


def write_progress(connection: Connection, run: ImportRun) -> None:
    """Record what the current transaction commits, so that the record is right whatever happens afterwards."""
    connection.execute(
        text("UPDATE ingest_run SET rows_written = :written WHERE id = :id"), {"written": run.written, "id": run.id}
    )


def _close_run(connection: Connection, run: ImportRun, state: str) -> None:
    details = {} if run.report is None else asdict(run.report)
    details = {
        name: value if isinstance(value, int | float | list) else _to_json(value) for name, value in details.items()
    }
    connection.execute(
        text(
            "UPDATE ingest_run SET state = :state, finished_at = statement_timestamp(), rows_written = :written,"
            " details = details || :details WHERE id = :id"
        ).bindparams(bindparam("details", type_=JSONB)),
        {"state": state, "written": run.written, "details": details, "id": run.id},
    )
    connection.execute(
        text("SELECT pg_advisory_unlock(:space, :id)"), {"space": RUN_LOCK_SPACE, "id": lock_key(run.id)}
    )


def _to_json(value: object) -> object:
    """Convert dates and paths to text."""
    return value if value is None or isinstance(value, int | float | tuple) else str(value)
