"""Movers over the API: ranking, age and places as on the page."""

import pytest

from tests import seed_data
from tests.seed_data import utc

URL = "/api/v1/movers"


@pytest.fixture
def stored(database):
    """In February octo/old gained 20 and octo/young 5; in March 10 and 30; octo/fading lost 7 of 500."""
    for number, (name, counts, created) in enumerate(
        [
            ("old", {"2026-01-01": 100, "2026-02-10": 120, "2026-03-31": 130}, "2015-01-01"),
            ("young", {"2026-01-01": 60, "2026-02-10": 65, "2026-03-31": 95}, "2025-12-01"),
            ("fading", {"2026-01-01": 500, "2026-03-31": 493}, "2015-01-01"),
        ]
    ):
        captures = ["2026-01-30", "2026-03-01"]
        seed_data.add_repository(
            database, f"octo/{name}", counts, captures=captures, github_id=number + 1, created_at=utc(created)
        )


def ranked(client, *fields, **params):
    response = client.get(URL, params={"as_of": "2026-03-31", "days": 30} | params)
    assert response.status_code == 200, response.text
    return [[row[field] for field in ("full_name", *fields)] for row in response.json()["data"]]


def test_rows_have_their_rank_and_the_places_gained_against_the_span_before(analyst, stored):
    assert ranked(analyst, "growth", "rank", "rank_before", "rank_change") == [
        ["octo/young", 30, 1, 2, 1],
        ["octo/old", 10, 2, 1, -1],
        ["octo/fading", -7, 3, 3, 0],
    ]


def test_ranked_by_share_and_by_loss(analyst, stored):
    """30 of 65, 10 of 120, -7 of 500."""
    assert [name for (name,) in ranked(analyst, by="share")] == ["octo/young", "octo/old", "octo/fading"]
    assert ranked(analyst, "growth", by="lost") == [["octo/fading", -7]]
    assert analyst.get(URL, params={"by": "size"}).status_code == 422


def test_new_and_rising_ones_by_age(analyst, stored):
    """Created on 2025-12-01: 120 days to 2026-03-31."""
    assert ranked(analyst, "age_days", "rank", max_age_days=365) == [["octo/young", 120, 1]]


@pytest.mark.parametrize("unknown", [{"account": "nobody"}, {"collection": "Nothing"}])
def test_an_unknown_account_or_collection_is_not_one_without_movers(analyst, stored, unknown):
    response = analyst.get(URL, params=unknown)
    assert (response.status_code, response.json()["error"]) == (404, "not_found")
    assert analyst.get(f"{URL}.csv", params=unknown).status_code == 404


def test_only_the_first_in_rank(analyst, stored):
    assert ranked(analyst, "rank", top=1) == [["octo/young", 1]]


def test_pages_of_each_ranking_have_each_row_once(analyst, stored):
    for by in ("gained", "share"):
        first = analyst.get(URL, params={"as_of": "2026-03-31", "days": 30, "by": by, "limit": 2}).json()
        second = ranked(analyst, by=by, limit=2, cursor=first["next_cursor"])
        assert [row["full_name"] for row in first["data"]] + [name for name, in second] == [
            "octo/young", "octo/old", "octo/fading",
        ]  # fmt: skip
