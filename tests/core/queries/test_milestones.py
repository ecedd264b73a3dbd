"""Which repositories come near a milestone, and when: hand arithmetic."""

from datetime import timedelta

import pytest

from core.queries import milestones
from tests import seed_data
from tests.seed_data import utc

START = utc("2026-01-01")


def add_growing(database, name, stars_of_week, refreshed_at="2026-02-26"):
    stars = {f"{START + timedelta(days=7 * week):%Y-%m-%d}": stars_of_week(week) for week in range(9)}
    return seed_data.add_repository(
        database, name, stars, growth={30: 300}, refreshed_at=refreshed_at, created_at=utc("2020-01-01")
    )


def test_a_steady_repository_has_a_range_and_an_uneven_one_a_reason(database):
    """70 stars a week from 400: 960 on 26 February, 40 before 1,000, which is 4 days at 10 a day: 2 March."""
    add_growing(database, "octo/steady", lambda week: 400 + 70 * week)
    add_growing(database, "octo/jumpy", lambda week: 100 if week < 8 else 450)
    add_growing(database, "octo/far", lambda week: 2_000 + week)  # 2,992 missing at 300 a month
    found = milestones.ahead(None).set_index("full_name")
    assert list(found.index) == ["octo/steady", "octo/jumpy"]
    assert found["milestone"].tolist() == [1_000, 500]
    assert found["reason"].tolist() == ["", "uneven growth"]
    for name in ("earliest", "latest"):
        assert abs(found.loc["octo/steady", name] - utc("2026-03-02")) < timedelta(minutes=1)
    assert found.loc["octo/jumpy", ["earliest", "latest"]].isna().all()


@pytest.mark.parametrize(
    ("stars", "expected"),
    [(50, 100), (99, 100), (100, 200), (499, 500), (500, 1_000), (1_999, 2_000), (2_000, 5_000), (999_999, 1_000_000)],
)
def test_the_milestone_is_the_next_of_1_2_5_and_so_on(database, stars, expected):
    seed_data.add_repository(database, "octo/cat", {"2026-02-01": stars}, growth={30: stars})
    assert milestones.ahead(None)["milestone"].tolist() == [expected]


@pytest.mark.parametrize("as_of", [None, utc("2026-03-31")])
def test_without_repositories_there_is_none(database, as_of):
    assert milestones.ahead(as_of).empty
