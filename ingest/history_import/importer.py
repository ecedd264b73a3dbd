"""Import of one history file, from reading it to publishing a new data version.

The whole file is read and validated before any table changes, then written in batches, each in its own transaction.
Aggregates are updated at the end, so that an interrupted import leaves what is shown of now as it is; as of a day of
the past its rows are read as they are stored. The next import completes it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, text

from core.clock import now_utc
from core.db.data_version import announce_past_change, publish_data_version
from core.db.partitions import IMPORTED_TABLES, create_partitions
from core.errors import BadInput
from ingest.history_import import adopt, aggregates, matching, run_log, staging, writer
from ingest.history_import.connection import ImportConnection, import_connection
from ingest.history_import.reader import HistoryFile
from ingest.history_import.rejects import RejectsFile
from ingest.history_import.staging import RepositoryNames
from ingest.refresh import closed_history, growth, language_rollups, summaries

log = structlog.get_logger()

ProgressCallback = Callable[[int, int | None], None]
# Approximate shares of reading and writing in the total time; the rest is for aggregates.
READ_SHARE, WRITE_SHARE = 0.2, 0.5
# From this many new rows on, outdated statistics make Postgres choose bad plans.
ANALYZE_MIN_ROWS = 50_000


@dataclass(frozen=True)
class ImportReport:
    """The outcome of one import; `written` counts rows that are new or differ from those stored."""

    source: str
    rows: int
    written: int
    rejected: int
    repositories: int
    first: date | None
    last: date | None
    ignored_columns: tuple[str, ...]
    rejects_file: Path | None
    seconds: float
    run_id: int


@dataclass(frozen=True)
class StagedImport:
    """A file in the staging tables, ready to be written."""

    file: HistoryFile
    names: RepositoryNames
    rejects: RejectsFile
    rows: int

    @property
    def first(self) -> date | None:
        return min((named.first for named in self.names.named.values()), default=None)

    @property
    def last(self) -> date | None:
        return max((named.last for named in self.names.named.values()), default=None)


def import_history(
    path: Path,
    source: str,
    *,
    engine: Engine | Connection,
    open_issues_include_change_requests_until: date | None = None,
    requested_by: str | None = None,
    progress: ProgressCallback = lambda *_: None,
    clock: Callable[[], datetime] = now_utc,
) -> ImportReport:
    """Import the history in the file at *path* (CSV, gzipped CSV, Parquet) under the name *source*. Safe to repeat.

    *progress* gets the rows done, as a share of the work, and the total, which is None until it is known.
    With a connection that has an open transaction, everything happens inside that transaction.
    Raises BadInput, with nothing changed, if the file or the source's name is invalid.
    """
    started = clock()
    name = validated_source_name(source)
    until = open_issues_include_change_requests_until
    with (
        import_connection(engine) as steps,
        HistoryFile(path) as file,
        RejectsFile(path, file.columns) as rejects,
        _exclusive_import(steps),
    ):
        with steps.step() as connection:
            staged = _stage_file(connection, file, rejects, started.date(), until, progress)
        run = run_log.ImportRun(name, path.name, requested_by, started)
        with run_log.record_import_run(steps, run):
            return _write_staged(steps, staged, run, progress, clock)


def validated_source_name(given: str) -> str:
    """Return the name of a source with normalized spaces. Raises BadInput."""
    name = " ".join(given.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise BadInput("The name of a source must have 1 to 100 printable characters")
    if name.lower() == "github":
        raise BadInput("github is the name of this installation's own source; choose another name")
    return name


def _stage_file(
    connection: Connection,
    file: HistoryFile,
    rejects: RejectsFile,
    today: date,
    together_until: date | None,
    progress: ProgressCallback,
) -> StagedImport:
    if file.ignored:
        log.info("unknown columns ignored", file=file.path.name, columns=file.ignored)
    names, rows = staging.stage_file(
        connection,
        file,
        rejects,
        today=today,
        together_until=together_until,
        read=lambda rows: progress(int(rows * READ_SHARE), file.total),
    )
    if not rows:
        raise BadInput(f"{file.path} has no rows")
    return StagedImport(file, names, rejects, rows)


def _write_staged(
    steps: ImportConnection,
    staged: StagedImport,
    run: run_log.ImportRun,
    progress: ProgressCallback,
    clock: Callable[[], datetime],
) -> ImportReport:
    with steps.step() as connection:
        updated = matching.match_repositories(connection)
        _, duplicates = staging.deduplicate_rows(connection)
        if duplicates:
            staged.rejects.add(staging.conflicting_rows(connection))
        # What is committed is read, whether the import gets to its end or not.
        announce_past_change(connection)
    if staged.first and staged.last:
        create_partitions(steps.step, staged.first, staged.last, tables=IMPORTED_TABLES)
    run.rejected, run.rejects_file = staged.rejects.count, staged.rejects.keep()
    _write_batches(steps, run, staged.first, lambda share: progress(int(share * staged.rows), staged.rows))
    if run.written or updated or run.resumes_unfinished:
        with steps.step() as connection:
            _update_aggregates(connection, run)
    progress(staged.rows, staged.rows)
    report = ImportReport(
        source=run.source,
        rows=staged.rows,
        written=run.written,
        rejected=run.rejected,
        repositories=len(staged.names),
        first=staged.first,
        last=staged.last,
        ignored_columns=tuple(staged.file.ignored),
        rejects_file=run.rejects_file,
        seconds=(clock() - run.started_at).total_seconds(),
        run_id=run.id,
    )
    run.report = report
    return report


def _write_batches(
    steps: ImportConnection, run: run_log.ImportRun, first_day: date | None, progress: Callable[[float], None]
) -> None:
    with steps.step() as connection:
        batches = writer.repository_batches(connection)
    total, done = sum(rows for _, _, rows in batches), 0
    for first, last, rows in batches:
        with steps.step() as connection:
            written = writer.write_batch(connection, run.source_id, run.id, first, last)
            if written and first_day:
                closed_history.reopen_imported(connection, run.source_id, datetime.combine(first_day, time.min, UTC))
            run.written += written
            run_log.write_progress(connection, run)
            if written:
                announce_past_change(connection)
        done += rows
        progress(READ_SHARE + WRITE_SHARE * done / total)


def _update_aggregates(connection: Connection, run: run_log.ImportRun) -> None:
    connection.execute(text("SET LOCAL synchronous_commit = on"))
    if run.written >= ANALYZE_MIN_ROWS:
        connection.execute(text("ANALYZE repository, repository_month, repository_extra_snapshot, capture_open"))
    adopted = adopt.adopt_all_imported_history(connection)
    aggregates.update_repository_imports(connection, run.source_id)
    # The next statements find each repository there; a table of unknown size would be read in the order of time.
    connection.execute(text("ANALYZE repository_import"))
    aggregates.update_source_interval(connection, run.source_id)
    closed_history.close_imported_history(connection, run.source_id)
    growth.update_import_growth(connection, run.source_id)
    # Growth of our own counts may now start from imported values before our first capture.
    imported = connection.scalars(
        text("SELECT repository_id FROM repository_import WHERE source_id = :source"), {"source": run.source_id}
    )
    summaries.update_summaries(connection, repository_ids={*imported, *adopted})
    language_rollups.update_import_language_days(connection, run.source_id)
    publish_data_version(connection, run.id)


@contextmanager
def _exclusive_import(steps: ImportConnection) -> Iterator[None]:
    """Block other imports and adoptions until the block ends; then drop the temporary tables."""
    with steps.step() as connection:
        lock = {"key": adopt.IMPORT_LOCK}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), lock).scalar_one():
            log.info("waiting for another history import to finish")
            connection.execute(text("SELECT pg_advisory_lock(:key)"), lock)
    try:
        yield
    finally:
        if steps.is_alive:
            with steps.step() as connection:
                connection.execute(text(staging.DROP_TABLES))
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": adopt.IMPORT_LOCK})
