"""One history file into the tables, from its first byte to the data version that shows it.

The file is read and checked whole before anything changes, then written in batches, each in a transaction of its own.
What sums the rows up follows at the end, so that a broken import shows nothing half-merged and the next completes it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, text

from core.db.data_version import publish_data_version
from core.db.partitions import ensure_partitions
from core.errors import BadInput
from ingest.history_import import adopt_repositories, matching, run_log, staging, summing, writer
from ingest.history_import.names import RepositoryNames
from ingest.history_import.reader import HistoryFile
from ingest.history_import.rejects import RejectsFile
from ingest.history_import.steps import ImportConnection, import_connection
from ingest.refresh import growth, language_rollups

log = structlog.get_logger()

ProgressCallback = Callable[[int, int | None], None]
# What reading and writing take of the whole, about; the rest goes into summing up.
READ_SHARE, WRITE_SHARE = 0.2, 0.5
# So many new rows make Postgres guess wrongly until it has looked at them; fewer are not worth the look.
ANALYZE_MIN_ROWS = 50_000


@dataclass(frozen=True)
class ImportReport:
    """What came of one import. *written*: rows that are new or say otherwise than before."""

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
    """What is ready to be written."""

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
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ImportReport:
    """Store the history in the file at *path* (CSV, gzipped CSV, Parquet) as kept by *source*. Safe to repeat.

    *progress* hears how many rows' worth of work is done, and how many rows there are, once that is known.
    Given a connection with an open transaction, everything happens in that.
    Raises BadInput, with nothing changed, when the file or the source's name cannot be used.
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
    """The name of a source as it is kept. Raises BadInput."""
    name = " ".join(given.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise BadInput("The name of a source has 1 to 100 printable characters")
    if name.lower() == "github":
        raise BadInput("github is this installation's own source; give the imported one another name")
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
        log.info("columns ignored", file=file.path.name, columns=file.ignored)
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
        renewed = matching.match_repositories(connection)
        _, gave_way = staging.deduplicate_rows(connection)
        if gave_way:
            staged.rejects.add(staging.conflicting_rows(connection))
    if staged.first and staged.last:
        with steps.step() as connection:
            ensure_partitions(connection, staged.first, staged.last)
    run.rejected, run.rejects_file = staged.rejects.count, staged.rejects.keep()
    run.written = _write_batches(steps, run, lambda share: progress(int(share * staged.rows), staged.rows))
    if run.written or renewed or run.resumes_unfinished:
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


def _write_batches(steps: ImportConnection, run: run_log.ImportRun, progress: Callable[[float], None]) -> int:
    with steps.step() as connection:
        batches = writer.repository_batches(connection)
    total, done, written = sum(rows for _, _, rows in batches), 0, 0
    for first, last, rows in batches:
        with steps.step() as connection:
            written += writer.write_batch(connection, run.source_id, run.id, first, last)
        done += rows
        progress(READ_SHARE + WRITE_SHARE * done / total)
    return written


def _update_aggregates(connection: Connection, run: run_log.ImportRun) -> None:
    connection.execute(text("SET LOCAL synchronous_commit = on"))
    if run.written >= ANALYZE_MIN_ROWS:
        connection.execute(text("ANALYZE repository, repository_snapshot, repository_extra_snapshot, capture"))
    adopt_repositories.adopt_all_imported_history(connection)
    summing.update_repository_imports(connection, run.source_id)
    growth.update_import_growth(connection, run.source_id)
    _update_own_growth(connection, run.source_id)
    summing.update_source_interval(connection, run.source_id)
    language_rollups.update_import_language_days(connection, run.source_id)
    publish_data_version(connection, run.id)


def _update_own_growth(connection: Connection, source_id: int) -> None:
    """What was kept before our first look tells how much has come since: of repositories that we look at ourselves."""
    ours = connection.scalars(
        text(
            "SELECT repository_id FROM repository_import JOIN repository_current USING (repository_id)"
            " WHERE source_id = :source"
        ),
        {"source": source_id},
    ).all()
    if ours:
        growth.update_growth(connection, ours, datetime.now(UTC))


@contextmanager
def _exclusive_import(steps: ImportConnection) -> Iterator[None]:
    """Hold off other imports, and adoptions, until this one is done; its temporary tables go with it."""
    with steps.step() as connection:
        lock = {"key": adopt_repositories.IMPORT_LOCK}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), lock).scalar_one():
            log.info("waiting for another import to end")
            connection.execute(text("SELECT pg_advisory_lock(:key)"), lock)
    try:
        yield
    finally:
        if steps.is_alive:
            with steps.step() as connection:
                connection.execute(text(staging.DROP_TABLES))
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": adopt_repositories.IMPORT_LOCK})
