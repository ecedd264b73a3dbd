"""Stored growth, by hand; `tests/core/queries/test_growth.py` compares it with a slow version on random histories."""

import random
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from core.db.partitions import ensure_partitions
from core.db.schema import GROWTH_DAYS
from core.queries import movers
from core.queries.growth import growth_values
from ingest.refresh import summaries
from ingest.refresh.closed_history import close_own_history
from ingest.refresh.growth import IS_PLAIN, update_import_growth
from ingest.refresh.summaries import UPSERT_REPOSITORIES, update_all_summaries, update_summaries

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
IMPORT_SOURCE_ID = 2


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def daily(first: float, last: float = 0) -> list[datetime]:
    """Return a moment each day, from *first* days ago to *last*."""
    return [days_ago(first - day) for day in range(int(first - last) + 1)]


class GrowthRows:
    """Add rows of one account's repositories, captured and imported."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        ensure_partitions(connection, date(2024, 6, 1), date(2026, 11, 30))
        self.run("INSERT INTO source (id, name) OVERRIDING SYSTEM VALUE VALUES (2, 'kept')")
        self.account = self.add_account("octo")
        self.many = 0

    def run(self, sql: str, **values: object) -> int | None:
        result = self.connection.execute(text(sql), values)
        return result.scalar() if result.returns_rows else None

    def add_account(self, login: str) -> int:
        added = self.run("INSERT INTO account (login) VALUES (:login) RETURNING id", login=login)
        assert added is not None
        return added

    def add(self, stars: int | None, created_at: datetime | None = None, account: int | None = None) -> int:
        """Add a repository that has *stars* now, without any snapshot."""
        self.many += 1
        added = self.run(
            "INSERT INTO repository (id, account_id, full_name, created_at)"
            " VALUES (:id, :account, :name, :at) RETURNING id",
            id=self.many,
            account=account or self.account,
            name=f"octo/{self.many}",
            at=created_at,
        )
        assert added is not None
        self.run(
            "INSERT INTO repository_current (repository_id, stars, captured_at) VALUES (:id, :stars, :at)",
            id=added,
            stars=stars,
            at=created_at or days_ago(700),
        )
        return added

    def saw(self, repository: int, at: datetime, stars: int, source: int = 1) -> None:
        """Add a stored change, or a row of the imported source."""
        self.run(
            "INSERT INTO repository_snapshot_open (repository_id, captured_at, stars, source_id)"
            " VALUES (:id, :at, :stars, :source)",
            id=repository,
            at=at,
            stars=stars,
            source=source,
        )
        if source == 1:
            self.run(
                "UPDATE repository_current SET captured_at = greatest(captured_at, :at) WHERE repository_id = :id",
                id=repository,
                at=at,
            )
            return
        self.run(
            "INSERT INTO repository_import (repository_id, source_id, first_at, last_at, captures, stars)"
            " VALUES (:id, :source, :at, :at, 1, :stars) ON CONFLICT (repository_id, source_id) DO UPDATE"
            " SET last_at = :at, stars = :stars WHERE repository_import.last_at < :at",
            id=repository,
            at=at,
            stars=stars,
            source=source,
        )

    def captured(self, *moments: datetime, account: int | None = None) -> None:
        """Add captures of the account, whether or not anything had changed."""
        for at in moments:
            self.run(
                "INSERT INTO capture_open (account_id, captured_at) VALUES (:account, :at) ON CONFLICT DO NOTHING",
                account=account or self.account,
                at=at,
            )
            self.run(
                "UPDATE account SET checked_at = greatest(checked_at, :at) WHERE id = :account",
                account=account or self.account,
                at=at,
            )

    def growth(self, repository: int) -> dict[int, int | None]:
        update_summaries(self.connection, repository_ids=[repository])
        return self.stored(repository)

    def stored(self, repository: int) -> dict[int, int | None]:
        columns = ", ".join(f"stars_{days}d" for days in GROWTH_DAYS)
        row = self.connection.execute(
            text(f"SELECT {columns} FROM repository_summary WHERE repository_id = :id"), {"id": repository}
        ).one()
        return dict(zip(GROWTH_DAYS, row, strict=True))


@pytest.fixture
def octo(database: Connection) -> GrowthRows:
    return GrowthRows(database)


def test_three_repositories_have_the_same_growth_whatever_way_it_is_asked(octo: GrowthRows) -> None:
    """One gains 500 on day -20 and rests, one is created on day -15 and has 300, and the third gained 1,000 in half a
    year without a capture: nobody knows how many of them within 30 days.
    """
    octo.captured(*daily(60))
    rests, new = octo.add(1500, days_ago(900)), octo.add(300, days_ago(15))
    octo.saw(rests, days_ago(60), 1000)
    octo.saw(rests, days_ago(20), 1500)
    octo.saw(new, days_ago(15), 300)
    sleepy = octo.add_account("sleepy")
    octo.captured(days_ago(182), days_ago(0.5), account=sleepy)
    lost = octo.add(3000, days_ago(900), account=sleepy)
    octo.saw(lost, days_ago(182), 2000)
    octo.saw(lost, days_ago(0.5), 3000)
    octo.run("UPDATE repository SET full_name = 'octo/rests' WHERE id = :id", id=rests)
    octo.run("UPDATE repository SET full_name = 'octo/new' WHERE id = :id", id=new)
    update_all_summaries(lambda: nullcontext(octo.connection))
    for as_of in (None, NOW, NOW + timedelta(hours=11)):
        for days in (29, 30, 31):
            found = movers.movers(as_of, days)
            gained = dict(zip(found.rows["full_name"], found.rows["growth"], strict=True))
            assert gained == {"octo/rests": 500, "octo/new": 300}, (as_of, days)
            assert (found.compared, found.unknown_at_start, found.not_captured) == (2, 1, 0)
    assert octo.stored(lost) == dict.fromkeys(GROWTH_DAYS)


def test_the_last_earlier_change_counts_while_captures_confirm_it(octo: GrowthRows) -> None:
    """Nothing was written for 18 months because nothing changed, which the captures confirm."""
    cat = octo.add(110)
    octo.saw(cat, days_ago(540), 100)
    octo.saw(cat, days_ago(0), 110)
    octo.captured(*(days_ago(days) for days in (540, 366, 90, 31, 7.5, 1.2, 0)))
    assert octo.growth(cat) == {1: 10, 7: 10, 30: 10, 90: 10, 365: 10}


def test_a_capture_confirms_a_value_for_two_intervals_of_at_least_a_day(octo: GrowthRows) -> None:
    """Refreshed every six hours by default: two days, but for a day's growth one."""
    cat = octo.add(110)
    octo.saw(cat, days_ago(560), 100)
    octo.saw(cat, days_ago(0), 110)
    octo.captured(*(days_ago(days) for days in (560, 365 + 2.1, 90 + 2, 30 + 2.01, 7 + 1.9, 1 + 1.1, 0)))
    assert octo.growth(cat) == {1: None, 7: 10, 30: None, 90: 10, 365: None}


def test_an_account_with_a_longer_interval_is_confirmed_for_longer(octo: GrowthRows) -> None:
    """Every five days: ten days, but never longer than the period itself. Its cadence of today does not count."""
    octo.run("INSERT INTO tracked_account (account_id, cadence, due_at) VALUES (:id, '9 days', now())", id=octo.account)
    cat = octo.add(110)
    octo.saw(cat, days_ago(560), 100)
    octo.saw(cat, days_ago(0), 110)
    octo.captured(*(days_ago(days) for days in (560, 365 + 10, 90 + 10.1, 30 + 9, 7 + 7, 1 + 2, 0)))
    octo.run("UPDATE capture_open SET cadence = '5 days'")
    assert octo.growth(cat) == {1: None, 7: 10, 30: 10, 90: None, 365: 10}


def test_growth_ends_at_the_last_capture_not_now(octo: GrowthRows) -> None:
    """Nobody refreshed for 40 days: the growth of the 30 days before stays."""
    cat = octo.add(110)
    octo.saw(cat, days_ago(100), 80)
    octo.saw(cat, days_ago(60), 110)
    octo.captured(*daily(100, 40))
    assert octo.growth(cat)[30] == 30
    found = movers.movers(NOW, 30)
    assert found.rows[["growth", "until_at"]].to_numpy().tolist() == [[30, days_ago(40)]]


def test_a_capture_without_a_change_moves_the_period_on(octo: GrowthRows) -> None:
    cat = octo.add(150)
    octo.saw(cat, days_ago(60), 100)
    octo.saw(cat, days_ago(7.5), 150)
    octo.captured(*daily(60, 1))
    update_summaries(octo.connection, account_ids=[octo.account])
    assert octo.stored(cat)[7] == 50
    octo.captured(NOW)
    update_summaries(octo.connection, account_ids=[octo.account])
    assert octo.stored(cat)[7] == 0


def test_lost_stars_are_negative_growth(octo: GrowthRows) -> None:
    cat = octo.add(90)
    octo.saw(cat, days_ago(8), 100)
    octo.saw(cat, days_ago(0), 90)
    octo.captured(days_ago(8), days_ago(0))
    assert octo.growth(cat)[7] == -10


def test_stars_before_creation_are_zero(octo: GrowthRows) -> None:
    """The value does not depend on captures."""
    cat = octo.add(50, created_at=days_ago(20))
    octo.saw(cat, days_ago(0), 50)
    octo.captured(days_ago(0))
    assert octo.growth(cat) == {1: None, 7: None, 30: 50, 90: 50, 365: 50}


def test_a_repository_missing_at_the_capture_has_no_growth(octo: GrowthRows) -> None:
    """It is older than our first sight of it: nobody knows how many stars it had."""
    cat = octo.add(50)
    octo.saw(cat, days_ago(3), 40)
    octo.saw(cat, days_ago(0), 50)
    octo.captured(days_ago(8), days_ago(3), days_ago(1), days_ago(0))
    assert octo.growth(cat) == {1: 10, 7: None, 30: None, 90: None, 365: None}


def test_unknown_stars_have_unknown_growth(octo: GrowthRows) -> None:
    cat = octo.add(None, created_at=days_ago(20))
    octo.captured(NOW)
    assert set(octo.growth(cat).values()) == {None}


def test_one_source_rule_for_every_span(octo: GrowthRows) -> None:
    """Ours is the end; the newest capture at the start counts, whichever source made it.

    An import every week until five days ago, our own refreshes since four days ago.
    """
    octo.run("UPDATE source SET cadence = '7 days' WHERE id = 2")
    cat = octo.add(5000)
    for days, stars in ((26, 100), (19, 300), (12, 1000), (5, 2926)):
        octo.saw(cat, days_ago(days), stars, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(4), 3400)
    octo.saw(cat, days_ago(0), 5000)
    octo.captured(*daily(4))
    update_import_growth(octo.connection, IMPORT_SOURCE_ID)
    assert octo.growth(cat)[7] == 4000
    for as_of in (None, NOW):
        growth = {days: movers.movers(as_of, days).rows for days in (2, 6, 7, 8, 13)}
        assert {days: rows["growth"].tolist() for days, rows in growth.items()} == {
            2: [1600],  # from our own capture: the count had not changed since day -4
            6: [4000],  # from the import of day -12, as for 7 and 8 days
            7: [4000],
            8: [4000],
            13: [4700],  # of day -19
        }
        assert {source for rows in growth.values() for source in rows["source"]} == {"GitHub"}


def test_all_repositories_are_updated_at_once(octo: GrowthRows) -> None:
    first, second = octo.add(10), octo.add(20)
    for repository in (first, second):
        octo.saw(repository, days_ago(8), 1)
        octo.saw(repository, days_ago(0), 2)
    octo.captured(days_ago(8), days_ago(0))
    update_all_summaries(lambda: nullcontext(octo.connection))
    assert [octo.stored(repository)[7] for repository in (first, second)] == [9, 19]


@pytest.mark.parametrize("closed_until", [None, days_ago(100), days_ago(8), NOW])
def test_growth_of_plain_repositories_is_that_of_the_whole_definition(
    octo: GrowthRows, closed_until: datetime | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captured at random times of more than a year, whatever of it is closed, with a gap in it."""
    rng = random.Random(7)
    moments = [at for at in daily(450) if rng.random() < 0.8 and not days_ago(38) < at < days_ago(29)]
    octo.captured(*moments, NOW)
    for number in range(30):
        created_at = rng.choice([None, days_ago(900), days_ago(rng.uniform(0, 400))])
        repository = octo.add(number * 10, created_at)
        changes = rng.sample(moments, rng.choice([0, 2, 20, 200]))
        for at in changes if created_at is None else [at for at in changes if at > created_at]:
            octo.saw(repository, at, rng.randrange(1000))
    if closed_until:
        close_own_history(lambda: nullcontext(octo.connection), closed_until.replace(hour=0, minute=0))
    ids = range(1, octo.many + 1)
    update_summaries(octo.connection, account_ids=[octo.account])
    found = [octo.stored(id_) for id_ in ids]
    monkeypatch.setattr(summaries, "SELECT_SUBJECTS", summaries.SELECT_SUBJECTS.replace(IS_PLAIN, "false"))
    octo.run("DELETE FROM repository_summary")
    update_summaries(octo.connection, account_ids=[octo.account])
    assert [octo.stored(id_) for id_ in ids] == found
    assert all(len({growth[days] for growth in found}) > 3 for days in (7, 90, 365))


def test_without_a_repository_or_account_no_summary_is_written(octo: GrowthRows) -> None:
    cat = octo.add(10, created_at=days_ago(3))
    octo.captured(NOW)
    update_summaries(octo.connection)
    assert octo.run("SELECT count(*) FROM repository_summary") == 0
    update_all_summaries(lambda: nullcontext(octo.connection))
    assert octo.stored(cat)[7] == 10


def test_imported_growth_is_relative_to_its_last_day(octo: GrowthRows) -> None:
    """A source that ended years ago still gives the growth of its time."""
    cat = octo.add(1000)
    octo.saw(cat, days_ago(400), 30, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(407), 20, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(431), 5, IMPORT_SOURCE_ID)
    update_import_growth(octo.connection, IMPORT_SOURCE_ID)
    row = octo.connection.execute(text("SELECT stars_1d, stars_7d, stars_30d, stars_90d FROM repository_import")).one()
    assert tuple(row) == (None, 10, 25, None)


def test_a_capture_while_the_repository_was_unavailable_confirms_nothing(octo: GrowthRows) -> None:
    """It was private from day -35 to -25; the account was refreshed daily."""
    cat = octo.add(110)
    octo.captured(*daily(60))
    octo.saw(cat, days_ago(60), 100)
    octo.saw(cat, days_ago(25), 110)
    for kind, days in (("gone", 35), ("back", 25)):
        octo.run(
            "INSERT INTO change (account_id, repository_id, detected_at, kind) VALUES (:account, :id, :at, :kind)",
            account=octo.account,
            id=cat,
            at=days_ago(days),
            kind=kind,
        )
    for since, until, is_gone in ((60, 35, False), (35, 25, True)):
        octo.run(
            "INSERT INTO repository_version (repository_id, account_id, full_name, since, until, is_gone)"
            " VALUES (:id, :account, 'octo/cat', :since, :until, :is_gone)",
            id=cat, account=octo.account, since=days_ago(since), until=days_ago(until), is_gone=is_gone,
        )  # fmt: skip
    assert octo.growth(cat)[30] is None
    assert octo.growth(cat)[7] == 0


@pytest.mark.one_postgres("the coordinator's plan has not the rows that nodes read")
def test_growth_reads_each_open_snapshot_once(octo: GrowthRows) -> None:
    """However many periods start among them: 60 days of two repositories, not closed yet, and five periods."""
    octo.captured(*daily(59))
    ids = [octo.add(1000), octo.add(1000)]
    for repository in ids:
        for at in daily(59):
            octo.saw(repository, at, 1000)
    explained = octo.connection.execute(
        text("EXPLAIN (ANALYZE, FORMAT JSON) " + UPSERT_REPOSITORIES),
        {"ids": ids, **growth_values(GROWTH_DAYS)},
    ).scalar_one()
    assert max(rows_of_nodes(explained[0]["Plan"])) <= 2 * 60


@pytest.mark.one_postgres("the coordinator's plan has not the rows that nodes read")
def test_growth_of_many_repositories_reads_the_months_alone_in_which_it_starts(octo: GrowthRows) -> None:
    """And compares none with all others: of 400 of 2,000 repositories, as of some thousands in a night."""
    for sql in (
        "INSERT INTO account (id, login, checked_at) OVERRIDING SYSTEM VALUE"
        " SELECT 1000 + n, 'account' || n, :now FROM generate_series(1, 100) AS n",
        "INSERT INTO capture_open (account_id, captured_at) SELECT 1000 + n, :now - day * interval '1 day'"
        " FROM generate_series(1, 100) AS n, generate_series(0, 400) AS day",
        "INSERT INTO repository (id, account_id, full_name) SELECT n, 1000 + (n + 19) / 20, 'octo/' || n"
        " FROM generate_series(1, 2000) AS n",
        "INSERT INTO repository_current (repository_id, stars, captured_at)"
        " SELECT n, 9, :now - interval '1 hour' FROM generate_series(1, 2000) AS n",
        "INSERT INTO repository_snapshot_open (repository_id, source_id, captured_at, stars)"
        " SELECT n, 1, :now - day * interval '1 day', day FROM generate_series(1, 2000) AS n,"
        " generate_series(1, 400, 20) AS day",
    ):
        octo.run(sql, now=NOW)
    close_own_history(lambda: nullcontext(octo.connection), NOW.replace(hour=0))
    octo.run("ANALYZE")
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, sql: str, values: Any, *_: object) -> None:
        statements.append((sql, values))

    event.listen(octo.connection, "before_cursor_execute", note)
    update_summaries(octo.connection, account_ids=range(1001, 1021))
    event.remove(octo.connection, "before_cursor_execute", note)
    ((sql, values),) = [one for one in statements if "INSERT INTO repository_summary" in one[0]]
    explained = octo.connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values).scalar_one()
    assert max(rows_of_nodes(explained[0]["Plan"])) <= len(GROWTH_DAYS) * 400


def rows_of_nodes(plan: dict[str, Any]) -> Iterator[float]:
    """Yield how many rows, and pairs of rows, each node of a plan read."""
    removed = plan.get("Rows Removed by Join Filter", 0) + plan.get("Rows Removed by Filter", 0)
    yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from rows_of_nodes(part)
