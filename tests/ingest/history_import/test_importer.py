"""Imported history is stored completely and once, beside captures."""

import csv
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from core.db.data_version import data_version
from core.errors import BadInput, ServerUnavailable
from ingest.history_import import writer
from ingest.history_import.importer import ImportReport, import_history

COLUMNS = ["captured_on", "full_name", "stars", "forks", "open_issues"]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ImportRows = Callable[..., ImportReport]


@pytest.fixture
def imported(database: Connection, tmp_path: Path) -> ImportRows:
    """Write rows into a file and import it."""

    def run(
        *rows: tuple[object, ...], source: str = "kept", columns: list[str] = COLUMNS, **given: Any
    ) -> ImportReport:
        path = tmp_path / "history.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        return import_history(path, source, engine=database, clock=lambda: NOW, **given)

    return run


def rows_of(connection: Connection, sql: str, **values: object) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql), values)]


def stored_rows(connection: Connection) -> list[tuple[Any, ...]]:
    """Return everything imported: source, name, day, counts, and whether there is a capture."""
    return rows_of(
        connection,
        """
        SELECT source.name, full_name, (s.captured_at AT TIME ZONE 'UTC')::date, s.stars, s.forks, e.open_issues,
               e.open_issues_and_change_requests, e.watchers, c.captured_at IS NOT NULL
          FROM repository_snapshot AS s
          JOIN source ON source.id = s.source_id
          JOIN repository ON repository.id = s.repository_id
          LEFT JOIN repository_extra_snapshot AS e USING (repository_id, captured_at, source_id)
          LEFT JOIN capture AS c USING (repository_id, captured_at, source_id)
         ORDER BY 1, lower(full_name), 3
        """,
    )


def test_rows_are_imported_unchanged(database: Connection, imported: ImportRows) -> None:
    report = imported(
        ("2021-01-01", "octo/cat", 10, 2, 3), ("2021-01-08", "octo/cat", 10, 2, 3), ("2021-01-08", "a/b", 0, 0, 0)
    )
    assert (report.rows, report.written, report.rejected, report.repositories) == (3, 3, 0, 2)
    assert (report.first, report.last) == (date(2021, 1, 1), date(2021, 1, 8))
    assert stored_rows(database) == [
        ("kept", "a/b", date(2021, 1, 8), 0, 0, 0, None, None, True),
        ("kept", "octo/cat", date(2021, 1, 1), 10, 2, 3, None, None, True),
        ("kept", "octo/cat", date(2021, 1, 8), 10, 2, 3, None, None, True),
    ]
    assert rows_of(database, "SELECT login, github_id FROM account ORDER BY login") == [("a", None), ("octo", None)]


@pytest.mark.one_postgres("rows lie in shards of partitions")
def test_monthly_partitions_are_created_before_the_rows(database: Connection, imported: ImportRows) -> None:
    """No row is stored in a default partition."""
    imported(("2011-05-05", "octo/cat", 1, 1, 1), ("2013-07-31", "octo/cat", 1, 1, 1))
    assert rows_of(database, "SELECT DISTINCT tableoid::regclass::text FROM repository_extra_snapshot ORDER BY 1") == [
        ("repository_extra_snapshot_2011_05",),
        ("repository_extra_snapshot_2013_07",),
    ]


def test_our_own_latest_counts_are_not_touched(database: Connection, imported: ImportRows) -> None:
    imported(("2021-01-01", "octo/cat", 10, 2, 3))
    assert rows_of(database, "SELECT * FROM repository_current") == []


def test_a_second_import_writes_nothing_and_reports_it(database: Connection, imported: ImportRows) -> None:
    """Not even a new data version: frames stay cached."""
    rows = [("2021-01-01", "octo/cat", 10, 2, 3), ("2021-01-08", "octo/cat", 11, 2, 3)]
    assert imported(*rows).written == 2
    before, version = stored_rows(database), data_version()
    again = imported(*rows)
    assert (again.rows, again.written) == (2, 0)
    assert (stored_rows(database), data_version()) == (before, version)


def test_a_corrected_value_replaces_the_old(database: Connection, imported: ImportRows) -> None:
    imported(("2021-01-01", "octo/cat", 10, 2, 3), ("2021-01-08", "octo/cat", 11, 2, 3))
    assert imported(("2021-01-01", "octo/cat", 10, 2, 4), ("2021-01-08", "octo/cat", 12, 2, 3)).written == 2
    assert [row[3:6] for row in stored_rows(database)] == [(10, 2, 4), (12, 2, 3)]
    assert rows_of(database, "SELECT stars, captures FROM repository_import") == [(12, 2)]


def test_sources_do_not_mix(database: Connection, imported: ImportRows) -> None:
    imported(("2021-01-01", "octo/cat", 10, 2, 3))
    assert imported(("2021-01-01", "octo/cat", 99, 2, 3), source="other").written == 1
    assert [(row[0], row[3]) for row in stored_rows(database)] == [("kept", 10), ("other", 99)]
    assert rows_of(database, "SELECT count(*) FROM repository") == [(1,)]


def test_names_are_case_insensitive(database: Connection, imported: ImportRows) -> None:
    """The newest spelling is the one that is kept."""
    report = imported(("2021-01-08", "microsoft/TypeScript", 2, 0, 0), ("2021-01-01", "Microsoft/TypeScript", 1, 0, 0))
    assert report.repositories == 1
    assert [row[1] for row in stored_rows(database)] == ["microsoft/TypeScript"] * 2
    assert imported(("2021-01-15", "MICROSOFT/TypeScript", 3, 0, 0)).written == 1
    assert rows_of(database, "SELECT count(*) FROM account") == [(1,)]


def test_bad_rows_are_listed_and_the_others_imported(
    database: Connection, imported: ImportRows, tmp_path: Path
) -> None:
    report = imported(
        ("2021-01-01", "octo/cat", 10, 2, 3),
        ("2021-02-30", "octo/cat", 10, 2, 3),
        ("2026-11-24", "octo/cat", 10, 2, 3),
        ("2021-01-02", "octocat", 10, 2, 3),
        ("2021-01-03", "octo/cat", -1, 2, 3),
        ("2021-01-04", "octo/cat", 10, "two", 3),
        ("2021-01-05", "octo/cat", 10, 2, 3_000_000_000),
        ("2021-01-06", "octo/cat", "", 2, 3),
        ("2021-01-07", "octo/c\0t", 1, 2, 3),
        ("2021-01-08", "octo/cat", 10, 2),
        ("2021-01-09", "octo/cat", 11, 2, 3),
    )
    assert (report.rows, report.written, report.rejected) == (11, 2, 9)
    assert report.rejects_file == tmp_path / "history.csv.rejected.csv"
    with report.rejects_file.open(newline="") as file:
        listed = list(csv.reader(file))
    assert listed[0] == ["line", "reason", *COLUMNS]
    assert [row[:2] for row in listed[1:]] == [
        ["3", "captured_on is not a date"],
        ["4", "captured_on is in the future"],
        ["5", "full_name is not owner/name"],
        ["6", "stars is negative"],
        ["7", "forks is not a whole number"],
        ["8", "open_issues is too large"],
        ["9", "stars is missing"],
        ["10", "full_name is not owner/name"],
        ["11", "has 4 columns where the header has 5"],
    ]
    assert listed[4][2:] == ["2021-01-03", "octo/cat", "-1", "2", "3"]
    assert [row[2].day for row in stored_rows(database)] == [1, 9]


def test_of_two_rows_of_one_day_the_last_is_stored_and_the_other_listed(
    database: Connection, imported: ImportRows
) -> None:
    """Identical rows are not a conflict."""
    report = imported(
        ("2021-01-01", "octo/cat", 10, 2, 3), ("2021-01-01", "Octo/Cat", 12, 2, 3), ("2021-01-01", "octo/cat", 12, 2, 3)
    )
    assert (report.rows, report.written, report.rejected) == (3, 1, 1)
    assert stored_rows(database)[0][3] == 12
    assert report.rejects_file is not None
    assert "2,line 4 has other values for the same repository and day" in report.rejects_file.read_text()


def test_in_a_read_only_folder_the_list_is_written_to_the_working_directory(
    database: Connection, imported: ImportRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".history.csv.rejected.csv.part").mkdir()  # root may write anywhere, but not over a folder
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    report = imported(("2021-01-01", "octocat", 10, 2, 3))
    assert report.rejects_file == elsewhere / "history.csv.rejected.csv"
    assert report.rejects_file.exists()


def test_a_file_that_cannot_be_used_changes_nothing(database: Connection, tmp_path: Path) -> None:
    """A file that is only invalid at its end is rolled back too."""
    path = tmp_path / "history.csv"
    path.write_bytes(
        (",".join(COLUMNS) + "\n").encode()
        + b"2021-01-01,octo/cat,1,2,3\n" * 300_000
        + b"x,o/r,1,2,3\n2021-01-01,o/\xff,1,2,3\n"
    )
    with pytest.raises(BadInput, match="not encoded in UTF-8"):
        import_history(path, "kept", engine=database)
    for table in ("repository", "account", "repository_snapshot", "capture", "ingest_run"):
        assert rows_of(database, f"SELECT count(*) FROM {table}") == [(0,)]
    assert rows_of(database, "SELECT name FROM source") == [("github",)]
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


@pytest.mark.parametrize("name", ["", "  ", "github", " GitHub", "x" * 101, "a\0b"])
def test_an_invalid_source_name_is_refused(imported: ImportRows, name: str) -> None:
    with pytest.raises(BadInput, match="source"):
        imported(("2021-01-01", "octo/cat", 1, 2, 3), source=name)


def test_a_file_without_rows_is_refused(imported: ImportRows) -> None:
    with pytest.raises(BadInput, match="has no rows"):
        imported()


def test_open_issues_that_include_pull_requests_are_stored_separately(
    database: Connection, imported: ImportRows
) -> None:
    imported(
        ("2021-08-19", "octo/cat", 1, 2, 52),
        ("2021-08-20", "octo/cat", 1, 2, 41),
        open_issues_include_change_requests_until=date(2021, 8, 20),
    )
    assert [row[5:7] for row in stored_rows(database)] == [(None, 52), (41, None)]
    assert rows_of(database, "SELECT open_issues, open_issues_and_change_requests FROM repository_import") == [
        (41, None)
    ]


def test_other_columns_describe_repositories_known_by_name(database: Connection, imported: ImportRows) -> None:
    """The newest value counts in any row order; an empty cell clears nothing."""
    columns = [*COLUMNS, "watchers", "language", "license", "description", "created_at", "mood"]
    report = imported(
        ("2021-01-02", "octo/cat", 1, 2, 3, 7, "Rust", "", "new", "2012-05-05T10:00:00Z", "good"),
        ("2021-01-01", "octo/cat", 1, 2, 3, "", "C", "MIT", "old", "", "bad"),
        columns=columns,
    )
    assert report.ignored_columns == ("mood",)
    seen = rows_of(database, "SELECT primary_language, license, description, created_at FROM repository")
    assert seen == [("Rust", "MIT", "new", datetime(2012, 5, 5, 10, tzinfo=UTC))]
    assert [row[7] for row in stored_rows(database)] == [None, 7]
    assert imported(("2021-01-02", "octo/cat", 1, 2, 3)).written == 0
    assert stored_rows(database)[1][7] == 7


def test_the_run_records_the_result(database: Connection, imported: ImportRows) -> None:
    report = imported(("2021-01-01", "octo/cat", 10, 2, 3), ("x", "octo/cat", 10, 2, 3), requested_by="ada")
    ((by, trigger, state, written, details),) = rows_of(
        database, "SELECT requested_by, trigger, state, rows_written, details FROM ingest_run"
    )
    assert (by, trigger, state, written) == ("ada", "import", "partial", 1)
    assert details["source"] == "kept"
    assert details["file"] == "history.csv"
    assert (details["rows"], details["rejected"], details["first"]) == (2, 1, "2021-01-01")
    assert rows_of(database, "SELECT DISTINCT run_id FROM capture") == [(report.run_id,)]


def test_a_source_has_the_cadence_of_its_rows_per_repository(database: Connection, imported: ImportRows) -> None:
    """Weekly rows on different days are a weekly cadence, not a daily one."""
    imported(*[(f"2021-01-{day:02}", f"o/r{day % 7}", 1, 1, 1) for day in range(1, 31)])
    ((cadence,),) = rows_of(database, "SELECT cadence FROM source WHERE name = 'kept'")
    assert cadence.days == 7


def test_progress_increases_and_ends_at_the_total(imported: ImportRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BATCH_ROWS", 10)
    reported: list[tuple[int, int | None]] = []
    imported(
        *[("2021-01-01", f"o/r{number}", 1, 1, 1) for number in range(50)],
        progress=lambda done, total: reported.append((done, total)),
    )
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)
    assert reported[-1] == (50, 50)
    assert len(reported) >= 6


@given(
    rows=some.lists(
        some.tuples(some.integers(1, 28), some.sampled_from(["a/b", "A/B", "c/d", "c/e"]), some.integers(0, 3)),
        min_size=1,
        max_size=30,
    ),
    cuts=some.lists(some.integers(0, 30), max_size=3),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_importing_parts_equals_importing_the_whole(
    database: Connection, imported: ImportRows, rows: list[tuple[int, str, int]], cuts: list[int]
) -> None:
    """However a history is split into files, the last value per repository and day is stored."""
    given = [(f"2021-01-{day:02}", name, stars, 0, 0) for day, name, stars in rows]
    places = sorted({0, len(given), *(cut for cut in cuts if cut < len(given))})
    with database.begin_nested() as undo:
        for start, end in pairwise(places):
            imported(*given[start:end])
        expected = {(day, name.lower()): stars for day, name, stars, _, _ in given}
        assert {(f"{row[2]}", row[1].lower()): row[3] for row in stored_rows(database)} == expected
        summed = dict(
            rows_of(
                database,
                "SELECT lower(full_name), captures FROM repository_import"
                " JOIN repository ON repository.id = repository_id",
            )
        )
        assert summed == {name: sum(of == name for _, of in expected) for _, name in expected}
        undo.rollback()


def test_the_next_import_completes_an_interrupted_one(
    committing_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then there are no rollups and no new data version; stored rows are not rewritten."""
    path = tmp_path / "history.csv"
    rows = [f"2021-01-{day:02},o/r{number},{day},0,0" for number in range(20) for day in range(1, 11)]
    path.write_text("\n".join([",".join(COLUMNS), *rows]))
    monkeypatch.setattr(writer, "BATCH_ROWS", 50)

    def break_off(done: int, total: int | None) -> None:
        if total and done > total * 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_history(path, "kept", engine=committing_database, progress=break_off)
    with committing_database.connect() as connection:
        written = rows_of(connection, "SELECT count(*) FROM repository_snapshot")[0][0]
        assert 0 < written < 200
        assert rows_of(connection, "SELECT count(*) FROM repository_import") == [(0,)]
        assert rows_of(connection, "SELECT state FROM ingest_run") == [("failed",)]
    assert data_version() == 0
    assert import_history(path, "kept", engine=committing_database).written == 200 - written
    with committing_database.connect() as connection:
        assert rows_of(connection, "SELECT count(*), sum(captures) FROM repository_import") == [(20, 200)]
    assert data_version() == 1


def test_an_import_onto_a_full_disk_records_what_was_stored_and_says_what_to_do(
    committing_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.csv"
    rows = [f"2021-01-{day:02},o/r{number},{day},0,0" for number in range(20) for day in range(1, 11)]
    path.write_text("\n".join([",".join(COLUMNS), *rows]))
    monkeypatch.setattr(writer, "BATCH_ROWS", 50)
    write_batch, calls = writer.write_batch, []

    def fill_the_disk(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 3:
            full = psycopg.errors.DiskFull("could not extend file: No space left on device")
            raise OperationalError("INSERT", {}, full) from full
        return write_batch(*arguments)

    monkeypatch.setattr(writer, "write_batch", fill_the_disk)
    with pytest.raises(ServerUnavailable, match=r"disk of Postgres is full.*free some space"):
        import_history(path, "kept", engine=committing_database)
    with committing_database.connect() as connection:
        stored = rows_of(connection, "SELECT count(*) FROM repository_snapshot")[0][0]
        assert stored > 0
        assert rows_of(connection, "SELECT state, rows_written FROM ingest_run") == [("failed", stored)]


def test_the_next_import_computes_rollups_that_an_interrupted_one_missed(
    committing_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.csv"
    path.write_text(",".join(COLUMNS) + "\n2021-01-01,o/r,1,2,3\n")
    with monkeypatch.context() as patch:
        patch.setattr("ingest.history_import.aggregates.update_source_interval", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            import_history(path, "kept", engine=committing_database)
    with committing_database.connect() as connection:
        assert rows_of(connection, "SELECT count(*) FROM repository_import") == [(0,)]
    assert import_history(path, "kept", engine=committing_database).written == 0
    with committing_database.connect() as connection:
        assert rows_of(connection, "SELECT stars FROM repository_import") == [(1,)]


def test_the_connection_is_returned_clean(committing_database: Engine, tmp_path: Path) -> None:
    """No lock and no temporary table is left on it."""
    path = tmp_path / "history.csv"
    path.write_text(",".join(COLUMNS) + "\n2021-01-01,o/r,1,2,3\n")
    with committing_database.connect() as connection:
        import_history(path, "kept", engine=connection)
        assert rows_of(
            connection, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        ) == [(0,)]
        assert rows_of(connection, "SELECT to_regclass('pg_temp.import_row')") == [(None,)]


KILLED_IMPORT_PROGRAM = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine
from ingest.history_import import writer
from ingest.history_import.importer import import_history

writer.BATCH_ROWS = 1000

def kill(done, total):
    if done > total * 0.5:
        os.kill(os.getpid(), signal.SIGKILL)

import_history(Path(sys.argv[1]), "kept", engine=create_engine(sys.argv[2]), progress=kill)
"""


@pytest.mark.slow
def test_after_kill_9_the_next_import_completes_it(committing_database: Engine, tmp_path: Path) -> None:
    """Only complete batches are stored; the next import adds the rest without waiting for the dead process."""
    table = pa.table(
        {
            "captured_on": pa.array([date(2021, 1, 1 + number % 28) for number in range(5_600)]),
            "full_name": [f"o/r{number // 28}" for number in range(5_600)],
            "stars": range(5_600),
            "forks": [1] * 5_600,
            "open_issues": [1] * 5_600,
        }
    )
    path = tmp_path / "history.parquet"
    pa.parquet.write_table(table, path)
    url = committing_database.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IMPORT_PROGRAM, str(path), url], check=False, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with committing_database.connect() as connection:
        ((written,),) = rows_of(connection, "SELECT count(*) FROM repository_snapshot")
        assert 0 < written < 5_600
        assert rows_of(connection, "SELECT count(*) FROM capture") == [(written,)]
        assert rows_of(connection, "SELECT count(*) FROM repository_import") == [(0,)]
    assert import_history(path, "kept", engine=committing_database).written == 5_600 - written
    with committing_database.connect() as connection:
        assert rows_of(connection, "SELECT sum(stars) FROM repository_snapshot") == [(sum(range(5_600)),)]
        assert rows_of(connection, "SELECT count(*), sum(captures) FROM repository_import") == [(200, 5_600)]


def test_a_lost_database_is_one_error_sentence(committing_database: Engine, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(",".join(COLUMNS) + "\n2021-01-01,o/r,1,2,3\n")

    def cut(done: int, total: int | None) -> None:
        with committing_database.connect() as other:
            rows_of(
                other,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()",
            )

    with pytest.raises(ServerUnavailable, match="run the import again"):
        import_history(path, "kept", engine=committing_database, progress=cut)
    assert import_history(path, "kept", engine=committing_database).written == 1
