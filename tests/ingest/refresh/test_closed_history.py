"""History is closed month by month; whoever writes older rows reopens it, and reads are the same all the while."""

from contextlib import nullcontext
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, event, insert, select, text, update

from core.db import partitions, schema
from core.db.frames import clear_frames
from core.queries import coverage, repository_detail
from core.queries.captures import (
    AFTER_UNTIL,
    CAPTURES_OF_RUN,
    CAPTURES_OF_SPAN,
    FIRST_CAPTURE_AT,
    LAST_CAPTURE_OF_ONE,
)
from core.queries.past_counts import NEWEST_CTE, OWN_STARS, OWN_STARS_AT_POINTS_CTES, closed_month
from core.tracking import accounts
from ingest.history_import import adopt
from ingest.refresh import closed_history, writer
from ingest.scheduler import ScheduledJobs
from tests.seed_data import add_account, add_imported_repository, add_repository, utc

UNTIL = utc("2026-03-10 12:00")
CLOSED_UNTIL = select(schema.source.c.closed_until).where(schema.source.c.id == 1)


def close(database: Connection, until: str) -> int:
    return closed_history.close_own_history(lambda: nullcontext(database), utc(until))


def refreshed(days: int = 12) -> dict[str, int]:
    clear_frames()
    frame = coverage.daily_coverage(UNTIL, days)
    return {day[5:]: int(count) for day, count in zip(frame["day"], frame["refreshed"], strict=True) if count}


def add_tracked_account(database: Connection, login: str, *days: str, **values: object) -> int:
    account = add_account(database, login)
    database.execute(insert(schema.tracked_account).values(account_id=account, **values))
    for day in days:
        database.execute(insert(schema.capture_open).values(account_id=account, captured_at=utc(f"2026-{day}")))
    return account


def test_coverage_is_the_same_when_days_are_closed(database):
    """Two refreshes on 1 March count once; those of paused and untracked accounts not at all, closed or not."""
    add_tracked_account(database, "octo", "02-28", "03-01 06:00", "03-01 09:00", "03-09", "03-10 13:00")
    add_tracked_account(database, "hooli", "03-01", "03-10")
    add_tracked_account(database, "resting", "03-01", "03-02", paused=True)
    other = add_account(database, "dropped")
    database.execute(insert(schema.capture_open).values(account_id=other, captured_at=utc("2026-03-09")))
    expected = {"02-28": 1, "03-01": 2, "03-09": 1, "03-10": 1}
    assert refreshed() == expected
    for until in ("2026-03-01", "2026-03-09", "2026-03-10", "2026-03-11"):
        close(database, until)
        assert refreshed() == expected
    days = schema.capture_day
    assert database.scalar(select(days.c.accounts).where(days.c.day == date(2026, 3, 1))) == 3


def test_a_late_capture_reopens_what_is_closed(database):
    """Closed up to 10 March, a refresh of 5 March arrives: its day and stars count at once, and when closed again."""
    octo = add_tracked_account(database, "octo", "03-01", "03-09")
    id_ = add_repository(database, "octo/cat", {"2026-02-20": 10, "2026-03-01": 12})
    assert close(database, "2026-03-10") == 2  # February and March
    assert close(database, "2026-03-10") == 0
    at = utc("2026-03-05 08:00")
    writer.write_snapshots(database, [(id_, at, 15, 0, 10)])
    writer.write_captures(database, {octo: at}, 1, timedelta(hours=6))
    assert database.scalar(CLOSED_UNTIL) == at
    for _ in range(2):
        clear_frames()
        assert refreshed()["03-05"] == 1
        seen = [repository_detail.by_id(id_, utc(f"2026-03-{day}"))["stars"].tolist() for day in ("04", "06", "10")]
        assert seen == [[12], [15], [15]]
        close(database, "2026-03-10")
    assert database.scalar(CLOSED_UNTIL) == utc("2026-03-10")


def test_closing_less_than_before_carries_counts_on(database):
    """Closed up to 5 April by a clock that was ahead, then a refresh of 5 March, then closed up to 10 March: April
    too has the repository, and its stars of 5 March."""
    octo = add_tracked_account(database, "octo", "02-20")
    old = add_repository(database, "octo/old", {"2026-02-20": 10})
    database.execute(insert(schema.repository).values(id=77, account_id=octo, full_name="octo/new"))
    close(database, "2026-04-05")
    at = utc("2026-03-05 08:00")
    writer.write_snapshots(database, [(old, at, 15, 0, 10), (77, at, 3, 0, 10)])
    writer.write_captures(database, {octo: at}, 1, timedelta(hours=6))
    close(database, "2026-03-10")
    for until in ("2026-03-20", "2026-04-20"):
        rows = database.execute(
            text(f"WITH {NEWEST_CTE} SELECT repository_id, stars FROM newest"), {"until": utc(until)}
        )
        assert dict(tuple(row) for row in rows) == {old: 15, 77: 3}


def test_what_is_written_while_two_close_stays_open(committing_database, monkeypatch):
    """Before the one notes up to when it has closed March, a late refresh is stored and another one begins to close."""
    monkeypatch.setattr(closed_history, "LOCK_TIMEOUT", "100ms")
    closing = "UPDATE source SET closed_until = least"

    def refresh(day: str) -> None:
        with committing_database.begin() as connection:
            writer.write_snapshots(connection, [(1, utc(day), 5, 0, 10)])
            writer.write_captures(connection, {octo: utc(day)}, 1, timedelta(hours=6))

    def interfere(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if " ".join(statement.split()).startswith(closing) and not interfered:
            interfered.append(statement)
            refresh("2026-03-05")
            closed_history.close_own_history(committing_database.begin, utc("2026-03-12"))

    with committing_database.begin() as connection:
        octo = add_account(connection, "octo")
    refresh("2026-03-01")
    interfered: list[str] = []
    event.listen(committing_database, "before_cursor_execute", interfere)
    closed_history.close_own_history(committing_database.begin, utc("2026-03-10"))
    assert interfered
    with committing_database.connect() as connection:
        assert connection.scalar(CLOSED_UNTIL) == utc("2026-03-05")
        assert connection.scalar(text("SELECT min(captured_at) FROM repository_snapshot_open")) == utc("2026-03-05")


def test_a_refresh_before_anything_was_closed_closes_nothing(database):
    octo = add_tracked_account(database, "octo")
    database.execute(text("UPDATE source SET closing_until = '2026-03-10+00' WHERE id = 1"))
    writer.write_captures(database, {octo: utc("2026-03-05")}, 1, timedelta(hours=6))
    assert database.scalar(CLOSED_UNTIL) is None


def test_a_new_cadence_reaches_the_last_capture_where_that_is_closed(database):
    """Earlier captures keep the one of their time, whether they have the same month or not."""
    octo = add_tracked_account(database, "octo", "02-20", "03-01", "03-02")
    database.execute(update(schema.account).values(checked_at=utc("2026-03-02")))
    close(database, "2026-03-10")
    for days, expected in ((7, timedelta(days=7)), (1, None)):
        assert accounts.update_tracking(database, "octo", {"every": timedelta(days=days)}, UNTIL)
        sql = text("SELECT cadence FROM capture WHERE account_id = :id ORDER BY captured_at")
        assert database.scalars(sql, {"id": octo}).all() == [None, None, expected]


def test_rules_judge_what_a_run_captured_before_midnight(database):
    """A run of two days: its first capture is closed when it ends."""
    octo = add_account(database, "octo")
    run_id = database.scalar(text(
        "WITH asked AS (INSERT INTO ingestion (trigger) VALUES ('schedule') RETURNING id)"
        " INSERT INTO ingest_run (ingestion_id, trigger, started_at) SELECT id, 'schedule', '2026-02-28 23:00+00' FROM"
        " asked RETURNING id"
    ))  # fmt: skip
    for at, run in (("02-28 22:00", run_id - 1), ("02-28 23:30", run_id), ("03-01 00:30", run_id)):
        writer.write_captures(database, {octo: utc(f"2026-{at}")}, run, timedelta(hours=6))
    close(database, "2026-03-01")
    found = database.execute(text(CAPTURES_OF_RUN), {"run_id": run_id}).all()
    assert sorted(found) == [(octo, utc("2026-02-28 23:30"), run_id), (octo, utc("2026-03-01 00:30"), run_id)]


def test_adopted_history_is_read_from_its_repository_in_closed_months(database):
    named = add_imported_repository(database, "octo/cat", {"2026-01-05": 3, "2026-02-09": 5})
    source_id = database.scalar(select(schema.source.c.id).where(schema.source.c.id != 1))
    closed_history.close_imported_history(database, source_id)
    real = add_repository(database, "octo/cat", {"2026-03-01": 9}, github_id=7, created_at=utc("2025-12-01"))
    assert adopt.adopt_imported_history(database, [real]) == [real]
    for at, stars in (("2026-01-04", []), ("2026-01-31", [3]), ("2026-02-20", [5]), ("2026-03-02", [9])):
        clear_frames()
        assert repository_detail.by_id(real, utc(at))["stars"].tolist() == stars
    months = schema.repository_month
    assert set(database.scalars(select(months.c.repository_id))) == {real}
    assert named != real


STEPS = [utc("2026-01-20") + timedelta(days=5 * step, hours=step) for step in range(20)]  # to April
IMPORTED = 2
Rows = dict[tuple[int, int, datetime], int | None]
"""Stars by repository, source and time, in a plain dict."""


Captures = dict[datetime, tuple[int, timedelta]]
"""Run and longest time to the next one, by time, of our captures of one account in a plain dict."""


class Stored:
    """Snapshots of three repositories and captures of their account as the database has them, and in plain dicts."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.rows, self.captures = connection, Rows(), Captures()
        self.account = add_account(connection, "octo")
        connection.execute(
            text("INSERT INTO repository (id, account_id, full_name) OVERRIDING SYSTEM VALUE"
                 " SELECT id, :account, 'octo/' || id FROM generate_series(1, 3) AS id"), {"account": self.account}
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO source (id, name) OVERRIDING SYSTEM VALUE VALUES (:id, 'elsewhere')"), {"id": IMPORTED}
        )

    def refresh(self, step: int, repository: int, stars: int) -> None:
        if (repository, 1, STEPS[step]) in self.rows:
            return
        writer.write_snapshots(self.connection, [(repository, STEPS[step], stars, stars // 2, None)])
        cadence = timedelta(days=stars % 3)
        writer.write_captures(self.connection, {self.account: STEPS[step]}, stars, cadence)
        self.rows[repository, 1, STEPS[step]] = stars
        self.captures.setdefault(STEPS[step], (stars, 2 * max(cadence, timedelta(days=1))))

    def close(self, step: int) -> None:
        closed_history.close_own_history(lambda: nullcontext(self.connection), STEPS[step])

    def import_rows(self, step: int, repository: int, stars: int) -> None:
        """Five days from *step* on, the second without a number."""
        given = {STEPS[step] + timedelta(days=day): None if day == 1 else stars + day for day in range(5)}
        rows = ", ".join(f"({repository}, timestamptz '{at}', {'NULL' if value is None else value})"
                         for at, value in given.items())  # fmt: skip
        closed_history.store_rows(
            self.connection, IMPORTED,
            "SELECT repository_id, captured_at, stars::int, 0 AS forks, NULL::int AS size_kb"
            f" FROM (VALUES {rows}) AS one(repository_id, captured_at, stars)", {},
            are_new=repository not in self.imported_times(),
        )  # fmt: skip
        first_at = min([*given, *(at for _, source, at in self.rows if source == IMPORTED)])
        closed_history.reopen_imported(self.connection, IMPORTED, first_at)
        for at, value in given.items():
            self.rows[repository, IMPORTED, at] = value
        self.tell_imports()
        closed_history.close_imported_history(self.connection, IMPORTED)

    def adopt(self, _: int, named: int, __: int) -> None:
        """Give the imported snapshots of one repository to the next one, which keeps its own of the same time."""
        real = named % 3 + 1
        closed_history.move_rows(self.connection, IMPORTED, [named], [real])
        for repository, source, at in [key for key in self.rows if key[:2] == (named, IMPORTED)]:
            stars = self.rows.pop((repository, source, at))
            self.rows.setdefault((real, source, at), stars)
        self.tell_imports()

    def tell_imports(self) -> None:
        self.connection.execute(text("DELETE FROM capture_open WHERE source_id = :source"), {"source": IMPORTED})
        self.connection.execute(text("DELETE FROM repository_import"))
        for repository, days in self.imported_times().items():
            for at in days:
                self.connection.execute(
                    insert(schema.capture_open).values(repository_id=repository, source_id=IMPORTED, captured_at=at)
                )
            self.connection.execute(insert(schema.repository_import).values(
                repository_id=repository, source_id=IMPORTED, first_at=min(days), last_at=max(days), captures=len(days),
                stars=self.rows[repository, IMPORTED, max(days)],
            ))  # fmt: skip

    def imported_times(self) -> dict[int, list[datetime]]:
        times: dict[int, list[datetime]] = {}
        for repository, source, at in self.rows:
            if source == IMPORTED:
                times.setdefault(repository, []).append(at)
        return times

    def last_imported_months(self) -> dict[int, date]:
        rows = self.connection.execute(
            text("SELECT repository_id, max(month) AS month FROM repository_month WHERE source_id <> 1 GROUP BY 1")
        )
        return {row.repository_id: row.month for row in rows}

    def stored_rows(self) -> Rows:
        rows = self.connection.execute(text("SELECT * FROM repository_snapshot")).all()
        assert all(row.month == row.captured_at.date().replace(day=1) for row in rows)
        found = {(row.repository_id, row.source_id, row.captured_at): row.stars for row in rows}
        assert len(found) == len(rows)
        return found

    def captures_between(self, first: datetime, last: datetime) -> Captures:
        span = "(SELECT CAST(:account_id AS bigint) AS account_id, CAST(:first AS timestamptz) AS from_at, {} AS to_at)"
        sql = f"SELECT own.* FROM {span.format(AFTER_UNTIL)} AS span CROSS JOIN LATERAL ({CAPTURES_OF_SPAN}) AS own"
        return self._captures(sql, first=first, until=last)

    def last_capture(self, until: datetime) -> Captures:
        return self._captures(LAST_CAPTURE_OF_ONE, until=until)

    def _captures(self, sql: str, **values: object) -> Captures:
        rows = self.connection.execute(text(sql), {"account_id": self.account, **values}).all()
        found = {row.captured_at: (row.run_id, row.max_gap) for row in rows}
        assert len(found) == len(rows)
        return found

    def first_capture_at(self) -> datetime | None:
        sql = f"SELECT {FIRST_CAPTURE_AT} FROM account WHERE id = :account_id"
        first: datetime | None = self.connection.scalar(text(sql), {"account_id": self.account})
        return first

    def listed_captures(self) -> list[tuple[datetime, int]]:
        sql = "SELECT captured_at, run_id FROM capture WHERE account_id = :account ORDER BY 1"
        rows = self.connection.execute(text(sql), {"account": self.account})
        return [(row.captured_at, row.run_id) for row in rows]

    def newest(self, until: datetime) -> dict[int, tuple[int, int | None]]:
        rows = self.connection.execute(text(f"WITH {NEWEST_CTE} SELECT * FROM newest"), {"until": until})
        return {row.repository_id: (row.source_id, row.stars) for row in rows}

    def expected_newest(self, until: datetime) -> dict[int, tuple[int, int | None]]:
        newest = {}
        for repository, source, at in sorted(self.rows, key=lambda key: (key[1] == 1, key[2])):
            if at <= until:
                newest[repository] = (source, self.rows[repository, source, at])
        return newest

    def own_stars(self, repository: int, at: datetime) -> int | None:
        sql = f"""
            WITH point AS (
                SELECT 0 AS steps_ago, CAST(:at AS timestamptz) AS at,
                       {closed_month("CAST(:at AS timestamptz)")} AS at_month
                  FROM source WHERE id = 1
            ), {OWN_STARS_AT_POINTS_CTES}
            SELECT {OWN_STARS} FROM point_open FULL JOIN point_closed USING (repository_id, steps_ago)
        """
        found: int | None = self.connection.scalar(text(sql), {"ids": [repository], "at": at})
        return found


STEP = some.integers(0, len(STEPS) - 1)
MOVES = some.one_of(
    some.tuples(some.just(Stored.refresh), STEP, some.integers(1, 3), some.integers(0, 99)),
    some.tuples(some.just(Stored.close), STEP),
    some.tuples(some.just(Stored.import_rows), STEP, some.integers(1, 3), some.integers(0, 99)),
    some.tuples(some.just(Stored.adopt), STEP, some.integers(1, 3), some.integers(0, 99)),
)


@settings(
    max_examples=40, phases=[Phase.explicit, Phase.generate, Phase.shrink], deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(some.lists(MOVES, min_size=3, max_size=14), some.lists(STEP, min_size=2, max_size=2))
@example(moves=[(Stored.refresh, 2, 2, 0), (Stored.close, 3), (Stored.refresh, 2, 1, 0)], steps=[0, 0])
def test_nothing_is_lost_or_changed_by_closing_in_any_order(database, moves, steps):
    """Refreshes, late ones too, imports that overlap, adoptions and closings up to any moment: all snapshots are
    there once, nothing is repeated after a repository's last imported month, and the counts and captures at any moment
    are those of a plain list of rows."""
    with database.begin_nested() as savepoint:
        stored = Stored(database)
        for move, *values in moves:
            move(stored, *values)
            assert stored.stored_rows() == stored.rows
            assert stored.listed_captures() == sorted((at, run) for at, (run, _) in stored.captures.items())
            assert stored.first_capture_at() == min(stored.captures, default=None)
            expected_months = {one: max(days).date().replace(day=1) for one, days in stored.imported_times().items()}
            assert stored.last_imported_months() == expected_months
        months = [utc("2026-03-01"), utc("2026-03-01") - timedelta(microseconds=1)]
        for until in [*months, *(STEPS[step] for step in steps), STEPS[-1] + timedelta(days=90)]:
            for first in (STEPS[0] - timedelta(days=90), *(STEPS[step] for step in steps)):
                expected_captures = {at: one for at, one in stored.captures.items() if first <= at <= until}
                assert stored.captures_between(first, until) == expected_captures
            last = max((at for at in stored.captures if at <= until), default=None)
            assert stored.last_capture(until) == ({last: stored.captures[last]} if last else {})
            expected = stored.expected_newest(until)
            assert stored.newest(until) == expected
            for repository in (1, 2, 3):
                own = [(at, stars) for (id_, source, at), stars in stored.rows.items()
                       if id_ == repository and source == 1 and at <= until]  # fmt: skip
                assert stored.own_stars(repository, until) == (max(own)[1] if own else None)
        savepoint.rollback()


def test_partitions_whose_snapshots_are_closed_are_dropped(committing_database):
    """January is closed and dropped, but not while a transaction still sees its rows; an open one stays."""
    with committing_database.begin() as connection:
        partitions.ensure_partitions(connection, date(2026, 1, 1), date(2026, 3, 1))
        account = add_account(connection, "octo")
        for day in ("2026-01-05", "2026-02-03"):
            writer.write_snapshots(connection, [(1, utc(day), 5, 0, 10)])
            writer.write_captures(connection, {account: utc(day)}, 1, timedelta(hours=6))
    with committing_database.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        counted = text("SELECT count(*) FROM repository_snapshot")
        assert reader.scalar(counted) == 2
        closed_history.close_own_history(committing_database.begin, utc("2026-02-02"))
        assert partitions.drop_emptied_partitions(committing_database, date(2026, 2, 1)) == 0
        assert reader.scalar(counted) == 2
    assert partitions.drop_emptied_partitions(committing_database, date(2026, 2, 1)) == 1
    with committing_database.connect() as connection:
        assert connection.scalar(counted) == 2
        assert connection.scalar(text("SELECT count(*) FROM repository_snapshot_open")) == 1
        assert connection.scalar(text("SELECT to_regclass('repository_snapshot_open_2026_01')")) is None


@pytest.mark.one_postgres("the nodes have the rows")
def test_postgres_knows_after_a_night_how_few_sources_there_are(committing_database):
    """Of a table of unknown size it expects hundreds of rows, and autovacuum passes over one that is so small."""
    size = text("SELECT reltuples FROM pg_class WHERE oid = 'source'::regclass")
    with committing_database.begin() as connection:
        connection.execute(insert(schema.source).values(name="elsewhere"))
    ScheduledJobs(committing_database, clock=lambda: utc("2026-02-01 03:00")).close_history()
    with committing_database.begin() as connection:
        assert connection.scalar(size) == 2


def test_a_month_keeps_its_partition_for_a_day(committing_database):
    """A response of the last second of January, stored on 1 February, is not in the default partition."""
    with committing_database.begin() as connection:
        partitions.ensure_partitions(connection, date(2026, 1, 1), date(2026, 2, 1))
        account = add_account(connection, "octo")
        writer.write_captures(connection, {account: utc("2026-01-05")}, 1, timedelta(hours=6))
    for now, misplaced in ((utc("2026-02-01 03:00"), 0), (utc("2026-02-02 03:00"), 1)):
        ScheduledJobs(committing_database, clock=lambda now=now: now).close_history()
        with committing_database.begin() as connection:
            at = utc("2026-02-01") - timedelta(seconds=1)
            writer.write_snapshots(connection, [(now.day, at, 5, 0, 10)])
            writer.write_captures(connection, {account: at}, 1, timedelta(hours=6))
            assert partitions.count_default_rows(connection) == misplaced
