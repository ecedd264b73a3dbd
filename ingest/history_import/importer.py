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

from core.db.data_version import publish
from core.db.partitions import ensure_months
from core.errors import BadInput
from ingest.history_import import adopt_repositories, matching, run_log, staging, summing, writer
from ingest.history_import.names import Names
from ingest.history_import.reader import HistoryFile
from ingest.history_import.rejects import RejectsFile
from ingest.history_import.steps import Steps, connected
from ingest.refresh import growth, language_rollups

log = structlog.get_logger()

Progress = Callable[[int, int | None], None]
# What reading and writing take of the whole, about; the rest goes into summing up.
READING, WRITING = 0.2, 0.5
# So many new rows make Postgres guess wrongly until it has looked at them; fewer are not worth the look.
ANALYZE_FROM = 50_000


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
class Staged:
    """What is ready to be written."""

    file: HistoryFile
    names: Names
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
    progress: Progress = lambda *_: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ImportReport:
    """Store the history in the file at *path* (CSV, gzipped CSV, Parquet) as kept by *source*. Safe to repeat.

    *progress* hears how many rows' worth of work is done, and how many rows there are, once that is known.
    Given a connection with an open transaction, everything happens in that.
    Raises BadInput, with nothing changed, when the file or the source's name cannot be used.
    """
    started = clock()
    name = source_name(source)
    until = open_issues_include_change_requests_until
    with (
        connected(engine) as steps,
        HistoryFile(path) as file,
        RejectsFile(path, file.columns) as rejects,
        _alone(steps),
    ):
        with steps.step() as connection:
            staged = _read(connection, file, rejects, started.date(), until, progress)
        run = run_log.Run(name, path.name, requested_by, started)
        with run_log.recorded(steps, run):
            return _write(steps, staged, run, progress, clock)


def source_name(given: str) -> str:
    """The name of a source as it is kept. Raises BadInput."""
    name = " ".join(given.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise BadInput("The name of a source has 1 to 100 printable characters")
    if name.lower() == "github":
        raise BadInput("github is this installation's own source; give the imported one another name")
    return name


def _read(
    connection: Connection,
    file: HistoryFile,
    rejects: RejectsFile,
    today: date,
    together_until: date | None,
    progress: Progress,
) -> Staged:
    if file.ignored:
        log.info("columns ignored", file=file.path.name, columns=file.ignored)
    names, rows = staging.stage(
        connection,
        file,
        rejects,
        today=today,
        together_until=together_until,
        read=lambda rows: progress(int(rows * READING), file.total),
    )
    if not rows:
        raise BadInput(f"{file.path} has no rows")
    return Staged(file, names, rejects, rows)


def _write(
    steps: Steps, staged: Staged, run: run_log.Run, progress: Progress, clock: Callable[[], datetime]
) -> ImportReport:
    with steps.step() as connection:
        renewed = matching.match(connection)
        _, gave_way = staging.arrange(connection)
        if gave_way:
            staged.rejects.add(staging.contradicted(connection))
    if staged.first and staged.last:
        with steps.step() as connection:
            ensure_months(connection, staged.first, staged.last)
    run.rejected, run.rejects_file = staged.rejects.count, staged.rejects.keep()
    run.written = _write_batches(steps, run, lambda share: progress(int(share * staged.rows), staged.rows))
    if run.written or renewed or run.continues:
        with steps.step() as connection:
            _sum_up(connection, run)
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


def _write_batches(steps: Steps, run: run_log.Run, progress: Callable[[float], None]) -> int:
    with steps.step() as connection:
        batches = writer.batches(connection)
    total, done, written = sum(rows for _, _, rows in batches), 0, 0
    for first, last, rows in batches:
        with steps.step() as connection:
            written += writer.write(connection, run.source_id, run.id, first, last)
        done += rows
        progress(READING + WRITING * done / total)
    return written


def _sum_up(connection: Connection, run: run_log.Run) -> None:
    connection.execute(text("SET LOCAL synchronous_commit = on"))
    if run.written >= ANALYZE_FROM:
        connection.execute(text("ANALYZE repository, repository_snapshot, repository_extra_snapshot, capture"))
    adopt_repositories.adopt_left_behind(connection)
    summing.sum_up(connection, run.source_id)
    growth.update_import_growth(connection, run.source_id)
    _grow_own(connection, run.source_id)
    summing.set_rhythm(connection, run.source_id)
    language_rollups.update_import_language_days(connection, run.source_id)
    publish(connection, run.id)


def _grow_own(connection: Connection, source_id: int) -> None:
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
def _alone(steps: Steps) -> Iterator[None]:
    """Hold off other imports, and adoptions, until this one is done; its temporary tables go with it."""
    with steps.step() as connection:
        lock = {"key": adopt_repositories.LOCK}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), lock).scalar_one():
            log.info("waiting for another import to end")
            connection.execute(text("SELECT pg_advisory_lock(:key)"), lock)
    try:
        yield
    finally:
        if steps.is_alive:
            with steps.step() as connection:
                connection.execute(text(staging.DROP))
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": adopt_repositories.LOCK})
