"""Growth is the current value minus the earlier one; without an earlier capture it is null."""

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
    """Add rows of one account's repositories, captured and imported."""

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
        """Add a repository that has *stars* now."""
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
        """Add a stored change, or a row of the imported source."""
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
        """Add captures of the account, whether or not anything had changed."""
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


def test_the_last_earlier_change_counts_while_captures_confirm_it(octo: GrowthRows) -> None:
    """Nothing was written for 18 months because nothing changed, which the captures confirm."""
    cat = octo.add(110)
    octo.saw(cat, days_ago(540), 100)
    octo.saw(cat, days_ago(0.5), 110)
    octo.looked(*(days_ago(days) for days in (540, 365, 90, 31, 7.5, 1.2)))
    assert octo.growth(cat) == {1: 10, 7: 10, 30: 10, 90: 10, 365: 10}


def test_without_a_close_enough_capture_growth_is_unknown(octo: GrowthRows) -> None:
    """The tolerance is a day, a week, and half of the longer spans."""
    cat = octo.add(110)
    octo.saw(cat, days_ago(560), 100)
    octo.looked(*(days_ago(days) for days in (560, 365 + 183, 90 + 45, 30 + 14.9, 7 + 7, 1 + 0.9)))
    assert octo.growth(cat) == {1: 10, 7: None, 30: 10, 90: None, 365: None}


def test_lost_stars_are_negative_growth(octo: GrowthRows) -> None:
    cat = octo.add(90)
    octo.saw(cat, days_ago(8), 100)
    octo.looked(days_ago(8))
    assert octo.growth(cat)[7] == -10


def test_stars_before_creation_are_zero(octo: GrowthRows) -> None:
    """The value does not depend on captures."""
    cat = octo.add(50, created_at=days_ago(20))
    assert octo.growth(cat) == {1: None, 7: None, 30: 50, 90: 50, 365: 50}


def test_a_repository_missing_at_the_capture_has_no_growth(octo: GrowthRows) -> None:
    """The account's capture confirms the stored value of the repository; nothing was stored."""
    cat = octo.add(50)
    octo.saw(cat, days_ago(3), 40)
    octo.looked(days_ago(8), days_ago(3), days_ago(1))
    assert octo.growth(cat) == {1: 10, 7: None, 30: None, 90: None, 365: None}


def test_unknown_stars_have_unknown_growth(octo: GrowthRows) -> None:
    cat = octo.add(None, created_at=days_ago(20))
    assert set(octo.growth(cat).values()) == {None}


def test_an_imported_value_counts_when_newer_than_the_capture(octo: GrowthRows) -> None:
    cat = octo.add(100)
    octo.saw(cat, days_ago(200), 10, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(95), 60, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(40), 80, IMPORT_SOURCE_ID)
    octo.saw(cat, days_ago(34), 85)
    octo.looked(days_ago(34))
    assert octo.growth(cat) == {1: None, 7: None, 30: 15, 90: 40, 365: None}
    octo.saw(cat, days_ago(32), 90, IMPORT_SOURCE_ID)
    assert octo.growth(cat)[30] == 10


def test_all_repositories_are_updated_at_once(octo: GrowthRows) -> None:
    first, second = octo.add(10), octo.add(20)
    for repository in (first, second):
        octo.saw(repository, days_ago(8), 1)
    octo.looked(days_ago(8))
    update_growth(octo.connection, None, NOW)
    rows = octo.connection.execute(
        text("SELECT repository_id, stars_7d, growth_as_of FROM repository_current ORDER BY 1")
    )
    assert [tuple(row) for row in rows] == [(first, 9, NOW), (second, 19, NOW)]


def test_none_updates_all_and_an_empty_list_updates_none(octo: GrowthRows) -> None:
    octo.add(10)
    update_growth(octo.connection, [], NOW)
    assert octo.run("SELECT count(growth_as_of) FROM repository_current") == 0


def test_imported_growth_is_relative_to_its_last_day(octo: GrowthRows) -> None:
    """A source that ended years ago still gives the growth of its time."""
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
def test_growth_matches_its_definition(
    octo: GrowthRows,
    own: list[tuple[int, int]],
    kept: list[tuple[int, int]],
    unseen: set[int],
    age: int | None,
) -> None:
    """Compare with a direct implementation: the newest confirmed value at or before then, from any source."""
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
