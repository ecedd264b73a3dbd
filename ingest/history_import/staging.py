"""Loads a history file into temporary tables; no other table changes until the whole file was read."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sqlalchemy import Connection, text

from ingest.history_import.reader import HistoryFile
from ingest.history_import.rejects import RejectsFile
from ingest.history_import.validate import RejectedRow, validate_block

CREATE_TABLES = """
    CREATE TEMPORARY TABLE import_given (line bigint, number int, captured_at timestamptz, stars int, forks int,
        open_issues int, open_issues_and_change_requests int, watchers int);
    CREATE TEMPORARY TABLE import_name (number int PRIMARY KEY, full_name text, first_day date, language text,
        license text, description text, created_at timestamptz, repository_id bigint);
    CREATE TEMPORARY TABLE import_row (repository_id bigint, captured_at timestamptz, line bigint, stars int,
        forks int, open_issues int, open_issues_and_change_requests int, watchers int);
"""
DROP_TABLES = "DROP TABLE IF EXISTS pg_temp.import_given, pg_temp.import_name, pg_temp.import_row"

ATTRIBUTES = ("language", "license", "description", "created_at")

RowsReadCallback = Callable[[int], None]


@dataclass
class NamedRepository:
    """A repository name in the file: latest spelling, first and last day, and latest attributes with their days."""

    number: int
    full_name: str
    first: date
    last: date
    attributes: dict[str, tuple[date, object]] = field(default_factory=dict)


class RepositoryNames:
    """The names in a file, numbered in order of appearance; they compare case-insensitively."""

    def __init__(self) -> None:
        self.named: dict[str, NamedRepository] = {}

    def __len__(self) -> int:
        return len(self.named)

    def number(self, rows: pa.Table) -> pa.ChunkedArray:
        """Return the number of each row's repository, and keep its days and latest attributes."""
        spans = rows.group_by("full_name").aggregate([("captured_on", "min"), ("captured_on", "max")])
        numbers = [
            self._add(name, first, last)
            for name, first, last in zip(*(column.to_pylist() for column in spans.columns), strict=True)
        ]
        of_row = pc.index_in(rows["full_name"], spans["full_name"].combine_chunks())
        for attribute in ATTRIBUTES:
            if attribute in rows.column_names:
                self._keep_latest_attribute(attribute, rows)
        return pa.array(numbers, pa.int32()).take(of_row)

    def _add(self, full_name: str, first: date, last: date) -> int:
        named = self.named.setdefault(full_name.lower(), NamedRepository(len(self.named), full_name, first, last))
        if last >= named.last:
            named.full_name, named.last = full_name, last
        named.first = min(named.first, first)
        return named.number

    def _keep_latest_attribute(self, attribute: str, rows: pa.Table) -> None:
        groups = rows.filter(pc.is_valid(rows[attribute])).group_by(["full_name", attribute])
        columns = groups.aggregate([("captured_on", "max")])
        for name, value, day in zip(
            *(columns[column].to_pylist() for column in ("full_name", attribute, "captured_on_max")), strict=True
        ):
            attributes = self.named[name.lower()].attributes
            if attribute not in attributes or day >= attributes[attribute][0]:
                attributes[attribute] = (day, value)


def stage_file(
    connection: Connection,
    file: HistoryFile,
    rejects: RejectsFile,
    *,
    today: date,
    together_until: date | None,
    read: RowsReadCallback,
) -> tuple[RepositoryNames, int]:
    """Load *file* into `import_given` and `import_name`; returns the names and the number of rows.

    Before *together_until* the open issues include change requests.
    """
    for statement in (DROP_TABLES, *CREATE_TABLES.split(";")[:-1]):
        connection.execute(text(statement))
    names, seen = RepositoryNames(), 0
    with _copy_into(connection, "import_given") as copy:
        for block in file.blocks():
            checked = validate_block(block, today)
            rejects.add(checked.rejected)
            if checked.rows.num_rows:
                copy.write(_as_csv(_import_columns(checked.rows, names, together_until)))
            seen += checked.rows.num_rows + len(checked.rejected)
            read(seen)
    _write_names(connection, names)
    connection.execute(text("ANALYZE import_given, import_name"))
    return names, seen


def deduplicate_rows(connection: Connection) -> tuple[int, int]:
    """Fill `import_row` with the last row of each repository and day; returns how many rows it has and lacks."""
    inserted: int = connection.execute(
        text("""
            INSERT INTO import_row
            SELECT DISTINCT ON (repository_id, captured_at) repository_id, captured_at, line, stars, forks,
                   open_issues, open_issues_and_change_requests, watchers
              FROM import_given JOIN import_name USING (number)
             ORDER BY repository_id, captured_at, line DESC
        """)
    ).rowcount
    connection.execute(text("CREATE INDEX ON import_row (repository_id)"))
    connection.execute(text("ANALYZE import_row"))
    given: int = connection.execute(text("SELECT count(*) FROM import_given")).scalar_one()
    return inserted, given - inserted


def conflicting_rows(connection: Connection) -> Iterator[RejectedRow]:
    """Yield the rows that were replaced by a later, different row of the same repository and day."""
    rows = connection.execute(
        text("""
            SELECT given.line, kept.line AS kept, (given.captured_at AT TIME ZONE 'UTC')::date AS day, full_name,
                   given.stars, given.forks,
                   coalesce(given.open_issues, given.open_issues_and_change_requests) AS open_issues
              FROM import_given AS given
              JOIN import_name USING (number)
              JOIN import_row AS kept USING (repository_id, captured_at)
             WHERE given.line <> kept.line
               AND ROW(given.stars, given.forks, given.open_issues, given.open_issues_and_change_requests,
                       given.watchers)
                   IS DISTINCT FROM ROW(kept.stars, kept.forks, kept.open_issues,
                       kept.open_issues_and_change_requests, kept.watchers)
             ORDER BY given.line
        """)
    )
    for row in rows:
        reason = f"line {row.kept} has other values for the same repository and day"
        values = (row.day, row.full_name, row.stars, row.forks, row.open_issues)
        yield RejectedRow(row.line, reason, tuple(str(value) for value in values))


def _import_columns(rows: pa.Table, names: RepositoryNames, together_until: date | None) -> pa.Table:
    days, issues = rows["captured_on"], rows["open_issues"]
    nothing = pa.nulls(rows.num_rows, pa.int32())
    together = pc.less(days, pa.scalar(together_until or date.min, pa.date32()))
    return pa.table(
        {
            "line": rows["line"],
            "number": names.number(rows),
            "captured_at": pc.strftime(days.cast(pa.timestamp("s")), "%Y-%m-%d 00:00+00"),
            "stars": rows["stars"],
            "forks": rows["forks"],
            "open_issues": pc.if_else(together, nothing, issues),
            "open_issues_and_change_requests": pc.if_else(together, issues, nothing),
            "watchers": rows["watchers"] if "watchers" in rows.column_names else nothing,
        }
    )


def _as_csv(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pa.csv.write_csv(rows, sink, pa.csv.WriteOptions(include_header=False))
    return sink.getvalue()


def _write_names(connection: Connection, names: RepositoryNames) -> None:
    columns = ("number", "full_name", "first_day", *ATTRIBUTES)
    with _copy_into(connection, f"import_name ({', '.join(columns)})", "text") as copy:
        for named in names.named.values():
            attributes = (named.attributes.get(name, (None, None))[1] for name in ATTRIBUTES)
            copy.write_row((named.number, named.full_name, named.first, *attributes))


@contextmanager
def _copy_into(connection: Connection, table: str, kind: str = "csv") -> Iterator[psycopg.Copy]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    # COPY takes no bound values; table names come from this module.
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT {kind})".encode()) as copy:
        yield copy
