"""Growth is the value now minus the value then; without a capture then it is null."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, text

from core.db.partitions import ensure_partitions
from core.db.schema import GROWTH_DAYS
from ingest.refresh.growth import TOLERANCE, update_growth, update_import_growth

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
IMPORT_SOURCE_ID = 2


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class GrowthRows:
    """Repositories of one account, as we and one imported source saw them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        ensure_partitions(connection, date(2024, 6, 1), date(2026, 11, 30))
        self.run("INSERT INTO source (id, name) OVERRIDING SYSTEM VALUE VALUES (2, 'kept')")
        self.account = self.run("INSERT INTO account (login) VALUES ('octo') RETURNING id")
        self.many = 0

    def run(self, sql: str, **values: object) -> int | None:
        result = self.connection.execute(text(sql), values)
        return result.scalar() if result.returns_rows else None

    def add(self, stars: int | None, created_at: datetime | None = None) -> int:
        """A repository that has *stars* now."""
        self.many += 1
        added = self.run(
            "INSERT INTO repository (account_id, full_name, created_at) VALUES (:account, :name, :at) RETURNING id",
            account=self.account,
            name=f"octo/{self.many}",
            at=created_at,
        )
        assert added is not None
        self.run(
            "INSERT INTO repository_current (repository_id, stars, captured_at) VALUES (:id, :stars, :now)",
            id=added,
            stars=stars,
            now=NOW,
        )
        return added

    def saw(self, repository: int, at: datetime, stars: int, source: int = 1) -> None:
        """A change that we stored, or a row that the other source kept."""
        self.run(
            "INSERT INTO repository_snapshot (repository_id, captured_at, stars, source_id)"
            " VALUES (:id, :at, :stars, :source)",
            id=repository,
            at=at,
            stars=stars,
            source=source,
        )
        if source != 1:
            self.run(
                "INSERT INTO repository_import (repository_id, source_id, first_at, last_at, captures, stars)"
                " VALUES (:id, :source, :at, :at, 1, :stars) ON CONFLICT (repository_id, source_id) DO UPDATE"
                " SET last_at = :at, stars = :stars WHERE repository_import.last_at < :at",
                id=repository,
                at=at,
                stars=stars,
                source=source,
            )

    def looked(self, *moments: datetime) -> None:
        """We looked at the account, whether or not anything had changed."""
        for at in moments:
            self.run(
                "INSERT INTO capture (account_id, captured_at) VALUES (:account, :at)", account=self.account, at=at
            )

    def growth(self, repository: int) -> dict[int, int | None]:
        update_growth(self.connection, [repository], NOW)
        columns = ", ".join(f"stars_{days}d" for days in GROWTH_DAYS)
        row = self.connection.execute(
            text(f"SELECT {columns} FROM repository_current WHERE repository_id = :id"), {"id": repository}
        ).one()
        return dict(zip(GROWTH_DAYS, row, strict=True))


@pytest.fixture
def octo(database: Connection) -> GrowthRows:
    return GrowthRows(database)


def test_the_last_change_before_counts_while_looks_confirm_it(octo: GrowthRows) -> None:
    """Nothing was written for 18 months because nothing changed; the looks say that this was so."""
    cat = octo.add(110)
    octo.saw(cat, days_ago(540), 100)
    octo.saw(cat, days_ago(0.5), 110)
    octo.looked(*(days_ago(days) for days in (540, 365, 90, 31, 7.5, 1.2)))
    assert octo.growth(cat) == {1: 10, 7: 10, 30: 10, 90: 10, 365: 10}


def test_without_a_look_that_is_near_enough_nobody_knows(octo: GrowthRows) -> None:
    """The tolerance is a day, a week, and half of the longer spans."""
    cat = octo.add(110)
    octo.saw(cat, days_ago(560), 100)
    octo.looked(*(days_ago(days) for days in (560, 365 + 183, 90 + 45, 30 + 14.9, 7 + 7, 1 + 0.9)))
    assert octo.growth(cat) == {1: 10, 7: None, 30: 10, 90: None, 365: None}


def test_stars_lost_are_a_fall(octo: GrowthRows) -> None:
    cat = octo.add(90)
    octo.saw(cat, days_ago(8), 100)
    octo.looked(days_ago(8))
    assert octo.growth(cat)[7] == -10


def test_before_github_had_it_there_were_no_stars(octo: GrowthRows) -> None:
    """Whether anybody looked or not."""
    cat = octo.add(50, created_at=days_ago(20))
    assert octo.growth(cat) == {1: None, 7: None, 30: 50, 90: 50, 365: 50}


def test_a_repository_that_was_not_there_when_we_looked_has_no_growth(octo: GrowthRows) -> None:
    """The account's look confirms what we held of the repository; we held nothing."""
    cat = octo.add(50)
    octo.saw(cat, days_ago(3), 40)
    octo.looked(days_ago(8), days_ago(3), days_ago(1))
    assert octo.growth(cat) == {1: 10, 7: None, 30: None, 90: None, 365: None}


def test_unknown_stars_have_unknown_growth(octo: GrowthRows) -> None:
    cat = octo.add(None, created_at=days_ago(20))
    assert set(octo.growth(cat).values()) == {None}


def test_what_others_kept_counts_where_it_is_newer_than_our_look(octo: GrowthRows) -> None:
    cat = octo.add(100)
    octo.saw(cat, days_ago(200), 10, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(95), 60, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(40), 80, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(34), 85)
    octo.looked(days_ago(34))
    assert octo.growth(cat) == {1: None, 7: None, 30: 15, 90: 40, 365: None}
    octo.saw(cat, days_ago(32), 90, IMPORT_SOURCE_ID)
    assert octo.growth(cat)[30] == 10


def test_all_are_brought_up_to_date_at_once(octo: GrowthRows) -> None:
    first, second = octo.add(10), octo.add(20)
    for repository in (first, second):
        octo.saw(repository, days_ago(8), 1)
    octo.looked(days_ago(8))
    update_growth(octo.connection, None, NOW)
    rows = octo.connection.execute(
        text("SELECT repository_id, stars_7d, growth_as_of FROM repository_current ORDER BY 1")
    )
    assert [tuple(row) for row in rows] == [(first, 9, NOW), (second, 19, NOW)]


def test_none_means_all_but_an_empty_choice_means_none(octo: GrowthRows) -> None:
    octo.add(10)
    update_growth(octo.connection, [], NOW)
    assert octo.run("SELECT count(growth_as_of) FROM repository_current") == 0


def test_imported_growth_is_seen_from_its_own_last_day(octo: GrowthRows) -> None:
    """What others stopped keeping years ago still tells how it grew then."""
    cat = octo.add(1000)
    octo.saw(cat, days_ago(400), 30, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(407), 20, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(431), 5, IMPORT_SOURCE_ID)
    update_import_growth(octo.connection, IMPORT_SOURCE_ID)
    row = octo.connection.execute(text("SELECT stars_1d, stars_7d, stars_30d, stars_90d FROM repository_import")).one()
    assert tuple(row) == (None, 10, 25, None)


captures = some.lists(some.tuples(some.integers(0, 800), some.integers(0, 50)), max_size=12, unique_by=lambda at: at[0])


@given(
    own=captures,
    kept=captures,
    unseen=some.sets(some.integers(0, 800), max_size=6),
    age=some.none() | some.integers(0, 800),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_growth_is_what_its_definition_says(
    octo: GrowthRows,
    own: list[tuple[int, int]],
    kept: list[tuple[int, int]],
    unseen: set[int],
    age: int | None,
) -> None:
    """Against the definition in words: the newest confirmed value at or before then, by whoever saw it."""
    now = 100
    with octo.connection.begin_nested() as undo:
        cat = octo.add(now, created_at=None if age is None else days_ago(age))
        for days, stars in own:
            octo.saw(cat, days_ago(days), stars)
        for days, stars in kept:
            octo.saw(cat, days_ago(days), stars, IMPORT_SOURCE_ID)
        confirmed = unseen | {days for days, _ in own}
        octo.looked(*(days_ago(days) for days in confirmed))
        found = octo.growth(cat)
        undo.rollback()
    for days in GROWTH_DAYS:
        assert found[days] == expected_growth(now, days, own, kept, confirmed, age), days


def expected_growth(
    now: int, days: int, own: list[tuple[int, int]], kept: list[tuple[int, int]], looked: set[int], age: int | None
) -> int | None:
    if age is not None and age < days:
        return now
    tolerance = TOLERANCE[days] / timedelta(days=1)
    candidates = [(-at, 0, stars) for at, stars in kept if days <= at < days + tolerance]
    confirmed_at = min((at for at in looked if days <= at < days + tolerance), default=None)
    if confirmed_at is not None and (before := [one for one in own if one[0] >= days]):
        candidates.append((-confirmed_at, 1, min(before)[1]))
    return now - max(candidates)[2] if candidates else None
