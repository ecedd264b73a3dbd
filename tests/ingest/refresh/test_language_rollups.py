"""Language rollups are computed per day, and recomputing changes nothing."""

import csv
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from ingest.history_import.importer import import_history
from ingest.refresh.language_rollups import DutyCycleThrottle, update_language_day
from ingest.scheduler import ScheduledJobs

DAY = date(2026, 11, 20)


def rows_of(connection: Connection, sql: str, **values: object) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql), values)]


def stored_rollups(connection: Connection) -> list[tuple[Any, ...]]:
    return rows_of(connection, "SELECT day, language, repositories, stars, bytes FROM language_day ORDER BY 1, 2")


class RollupRows:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.account = connection.execute(text("INSERT INTO account (login) VALUES ('o') RETURNING id")).scalar_one()
        self.many = 0

    def add(self, language: str | None, stars: int, *, is_fork: bool = False, gone: bool = False, **sizes: int) -> int:
        self.many += 1
        added: int = self.connection.execute(
            text(
                "INSERT INTO repository (id, account_id, full_name, primary_language, is_fork, gone_at)"
                " VALUES (:id, :account, :name, :language, :is_fork, CASE WHEN :gone THEN now() END) RETURNING id"
            ),
            {
                "id": self.many,
                "account": self.account,
                "name": f"o/{self.many}",
                "language": language,
                "is_fork": is_fork,
                "gone": gone,
            },
        ).scalar_one()
        self.connection.execute(
            text("INSERT INTO repository_current (repository_id, stars, captured_at) VALUES (:id, :stars, now())"),
            {"id": added, "stars": stars},
        )
        self.read(added, 1, **sizes)
        return added

    def read(self, repository: int, day: int, **sizes: int) -> None:
        """Store the language set of a day."""
        for language, size in sizes.items():
            self.connection.execute(
                text("INSERT INTO repository_language VALUES (:id, :at, :language, :size)"),
                {
                    "id": repository,
                    "at": datetime(2026, 11, day, tzinfo=UTC),
                    "language": language.rstrip("_"),
                    "size": size,
                },
            )

    def update(self, day: date) -> None:
        """Update the rollup after a capture on that day."""
        at = datetime.combine(day, time(23, 59, 59), UTC)
        self.connection.execute(text("UPDATE account SET checked_at = :at"), {"at": at})
        assert update_language_day(self.connection)


@pytest.fixture
def octo(database: Connection) -> RollupRows:
    return RollupRows(database)


def test_repositories_and_stars_count_by_primary_language_and_bytes_by_each(octo: RollupRows) -> None:
    octo.add("Rust", 10, Rust=500, C=20)
    octo.add("Rust", 5, Rust=100)
    octo.add("Go", 1)
    octo.update(DAY)
    assert stored_rollups(octo.connection) == [(DAY, "C", 0, 0, 20), (DAY, "Go", 1, 1, None), (DAY, "Rust", 2, 15, 600)]


def test_forks_and_unavailable_repositories_are_left_out(octo: RollupRows) -> None:
    octo.add("Rust", 10, Rust=500)
    octo.add("Rust", 99, is_fork=True, Rust=9)
    octo.add("Rust", 99, gone=True, Rust=9)
    octo.update(DAY)
    assert stored_rollups(octo.connection) == [(DAY, "Rust", 1, 10, 500)]


def test_only_the_latest_language_set_counts(octo: RollupRows) -> None:
    """A language missing from the set has no bytes; `''` alone means that none was found."""
    one, other = octo.add("Rust", 1, Rust=500, C=20), octo.add(None, 2, C=7)
    octo.read(one, 2, Rust=400)
    octo.read(other, 2, _=0)
    octo.update(DAY)
    assert stored_rollups(octo.connection) == [(DAY, "", 1, 2, None), (DAY, "Rust", 1, 1, 400)]


def test_the_same_day_is_recomputed_and_other_days_stay(octo: RollupRows) -> None:
    one = octo.add("Rust", 10)
    octo.update(date(2026, 11, 19))
    octo.update(DAY)
    octo.connection.execute(text("UPDATE repository SET primary_language = 'Go' WHERE id = :id"), {"id": one})
    octo.update(DAY)
    assert stored_rollups(octo.connection) == [(date(2026, 11, 19), "Rust", 1, 10, None), (DAY, "Go", 1, 10, None)]


def test_an_unchanged_rollup_is_not_rewritten(octo: RollupRows) -> None:
    octo.add("Rust", 10, Rust=3)
    octo.update(DAY)
    before = rows_of(octo.connection, "SELECT ctid, xmin::text FROM language_day")
    octo.update(DAY)
    assert rows_of(octo.connection, "SELECT ctid, xmin::text FROM language_day") == before


def test_a_day_without_a_capture_has_no_rollup(octo: RollupRows) -> None:
    """Counts of now belong to the day of the last capture, also when the rollup is updated after midnight."""
    octo.add("Rust", 10)
    assert update_language_day(octo.connection)
    assert stored_rollups(octo.connection) == []
    octo.update(DAY)
    assert update_language_day(octo.connection)
    assert stored_rollups(octo.connection) == [(DAY, "Rust", 1, 10, None)]


def test_an_imported_source_counts_once_a_week(database: Connection, tmp_path: Path) -> None:
    """Each repository's last row of an ISO week counts, on the day of the week's last row."""
    path = tmp_path / "history.csv"
    rows = [
        ("2021-01-04", "o/a", 1, "Rust"),  # a Monday
        ("2021-01-06", "o/a", 2, "Rust"),
        ("2021-01-05", "o/b", 10, "Go"),
        ("2021-01-11", "o/a", 3, "Rust"),  # the next Monday
        ("2021-01-11", "o/c", 7, ""),
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(["captured_on", "full_name", "stars", "forks", "open_issues", "language"])
        csv.writer(file).writerows((day, name, stars, 0, 0, language) for day, name, stars, language in rows)
    import_history(path, "kept", engine=database)
    assert stored_rollups(database) == [
        (date(2021, 1, 6), "Go", 1, 10, None),
        (date(2021, 1, 6), "Rust", 1, 2, None),
        (date(2021, 1, 11), "", 1, 7, None),
        (date(2021, 1, 11), "Rust", 1, 3, None),
    ]
    assert rows_of(database, "SELECT DISTINCT name FROM language_day JOIN source ON id = source_id") == [("kept",)]


def test_concurrent_rollups_do_not_wait_for_each_other(committing_database):
    with committing_database.begin() as first, committing_database.begin() as second:
        assert update_language_day(first)
        assert not update_language_day(second)
    with committing_database.begin() as later:
        assert update_language_day(later)


def test_rollups_take_at_most_a_twentieth_of_the_time():
    now = [100.0]
    cadence = DutyCycleThrottle(lambda: now[0])
    assert cadence.is_allowed
    with cadence.measure():
        now[0] += 2
    assert not cadence.is_allowed
    now[0] += 2 * 20
    assert cadence.is_allowed


def test_the_leader_updates_skipped_rollups_and_the_data_version(committing_database):
    """The rollup is updated once after the last run."""
    with committing_database.begin() as connection:
        RollupRows(connection).add("Python", 7)
        connection.execute(text("UPDATE account SET checked_at = now()"))
        asked = connection.scalar(
            text("INSERT INTO ingestion (trigger, started_at) VALUES ('test', now()) RETURNING id")
        )
        connection.execute(
            text(
                "INSERT INTO ingest_run (ingestion_id, trigger, accounts, started_at, state, stored)"
                " VALUES (:asked, 'test', 1, now(), 'done', 3)"
            ),
            {"asked": asked},
        )
    scheduled = ScheduledJobs(committing_database)
    scheduled.update_language_rollup()
    scheduled.update_language_rollup()
    with committing_database.begin() as connection:
        assert rows_of(connection, "SELECT language, stars FROM language_day") == [("Python", 7)]
        assert rows_of(connection, "SELECT version FROM data_version") == [(1,)]
