"""The ledger of stars by hand arithmetic, and against a slow obvious version for any responses."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import star_ledger
from tests import seed_data
from tests.seed_data import utc


@pytest.fixture
def cat(database) -> int:
    return seed_data.add_repository(database, "octo/cat", {"2026-01-01": 10}, github_id=7)


def read_days(database, repository_id: int, *responses: tuple[str, str, int]) -> None:
    """Store (day, when it was read, stars)."""
    for day, at, stars in responses:
        values = {"day": date.fromisoformat(day), "captured_at": utc(at), "stars": stars}
        database.execute(insert(schema.star_day).values(repository_id=repository_id, **values))
    publish_data_version(database)


def entries(frame) -> list[tuple[str, int, int, int]]:
    names = ("given", "withdrawn", "surviving")
    return [(f"{row.day:%Y-%m-%d}", *(int(getattr(row, name)) for name in names)) for row in frame.itertuples()]


def test_each_reading_is_compared_with_the_one_before(cat, database):
    read_days(
        database, cat,
        ("2026-01-10", "2026-01-20", 10), ("2026-01-10", "2026-02-05", 8), ("2026-01-10", "2026-03-03", 9),
        ("2026-01-11", "2026-01-20", 4), ("2026-01-11", "2026-03-03", 0),
    )  # fmt: skip
    # 10th: 10, then −2, then +1: given 10 + 1, withdrawn 2. 11th: 4, then −4: nothing is left.
    assert entries(star_ledger.ledger(cat, None)) == [("2026-01-10", 11, 2, 9), ("2026-01-11", 4, 4, 0)]
    assert entries(star_ledger.ledger(cat, None, "month")) == [("2026-01-01", 15, 6, 9)]
    assert entries(star_ledger.ledger(cat, utc("2026-02-28"))) == [("2026-01-10", 10, 2, 8), ("2026-01-11", 4, 0, 4)]


def test_the_retention_triangle_says_how_much_of_a_month_survives_at_each_age(cat, database):
    read_days(
        database, cat,
        ("2026-01-10", "2026-01-20", 14), ("2026-01-10", "2026-02-05", 13), ("2026-01-10", "2026-04-03", 7),
        ("2026-02-02", "2026-02-05", 5), ("2025-06-01", "2026-03-01 12:00", 3),
    )  # fmt: skip
    found = [
        (f"{row.month:%Y-%m}", int(row.age), int(row.given), int(row.surviving), float(row.share))
        for row in star_ledger.retention(cat, None).itertuples()
    ]
    assert found == [
        # Read in March 2026 for the first time, so ages 0 to 8 of June 2025 are not known.
        ("2025-06", 9, 3, 3, 1.0), ("2025-06", 10, 3, 3, 1.0),
        ("2026-01", 0, 14, 14, 1.0), ("2026-01", 1, 14, 13, 13 / 14), ("2026-01", 2, 14, 13, 13 / 14),
        ("2026-01", 3, 14, 7, 0.5),
        ("2026-02", 0, 5, 5, 1.0), ("2026-02", 1, 5, 5, 1.0), ("2026-02", 2, 5, 5, 1.0),
    ]  # fmt: skip
    assert star_ledger.retention(cat, utc("2026-01-19")).empty


RESPONSES = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 5)), st.integers(0, 20), max_size=12
)  # (day, number) to stars


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RESPONSES)
def test_any_responses_add_up_as_in_a_slow_version(cat, database, responses):
    database.execute(delete(schema.star_day))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for (day, number), stars in responses.items():
        values = {
            "day": (start + timedelta(days=day)).date(),
            "captured_at": start + timedelta(days=10 * (1 + number)),
        }
        database.execute(insert(schema.star_day).values(repository_id=cat, stars=stars, **values))
    publish_data_version(database)
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for day, _ in sorted(responses):
        if f"2026-01-0{day + 1}" in expected:
            continue
        count = 0
        for _, stars in sorted((number, stars) for (one, number), stars in responses.items() if one == day):
            entry = expected[f"2026-01-0{day + 1}"]
            entry[0] += max(stars - count, 0)
            entry[1] += max(count - stars, 0)
            entry[2] = count = stars
    assert entries(star_ledger.ledger(cat, None)) == [(day, *counts) for day, counts in sorted(expected.items())]
