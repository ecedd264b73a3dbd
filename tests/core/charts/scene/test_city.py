"""City layout: independent of row order; a tower's volume is its stars."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from core.charts.scene.city import GROUND, MAX_HEIGHT, MIN_HEIGHT, build_city

NAMES = st.tuples(st.sampled_from(["a", "B", "b", "octo", "hubot", "x1"]), st.integers(0, 30))
STARS = st.integers(0, 500_000)
GROWTH = st.one_of(st.none(), st.integers(-1000, 50_000))

FEW_EXAMPLES = settings(max_examples=40, deadline=None)  # a city takes some milliseconds


def rows(*given: tuple[tuple[str, int], int, int | None]) -> DataFrame:
    return DataFrame(
        {
            "full_name": [f"{owner}/r{number}" for (owner, number), _, _ in given],
            "owner": [owner for (owner, _), _, _ in given],
            "language": pd.array([None] * len(given), dtype="string"),
            "stars": pd.array([stars for _, stars, _ in given], dtype="Int64"),
            "stars_30d": pd.array([growth for _, _, growth in given], dtype="Int64"),
        }
    )


CITIES = st.lists(st.tuples(NAMES, STARS, GROWTH), min_size=1, max_size=50, unique_by=lambda row: row[0]).map(
    lambda given: rows(*given)
)


def rect(row) -> tuple[float, float, float, float]:
    return row.x, row.y, row.x + row.width, row.y + row.depth


def do_not_overlap(one, other) -> bool:
    left, low, right, high = rect(one)
    other_left, other_low, other_right, other_high = rect(other)
    slack = 1e-6
    return (
        right <= other_left + slack
        or other_right <= left + slack
        or high <= other_low + slack
        or other_high <= low + slack
    )


@FEW_EXAMPLES
@given(CITIES)
def test_no_two_towers_and_no_two_districts_overlap(given):
    city = build_city(given)
    for part in (city.towers, city.districts):
        assert all(do_not_overlap(one, other) for one, other in combinations(list(part.itertuples()), 2))


@FEW_EXAMPLES
@given(CITIES)
def test_every_tower_stands_in_its_owners_district_and_all_on_the_ground(given):
    city = build_city(given)
    districts = {row.owner.lower(): rect(row) for row in city.districts.itertuples()}
    for tower in city.towers.itertuples():
        left, low, right, high = rect(tower)
        ground = districts[tower.owner.lower()]
        assert ground[0] - 1e-6 <= left < right <= ground[2] + 1e-6
        assert ground[1] - 1e-6 <= low < high <= ground[3] + 1e-6
    for left, low, right, high in districts.values():
        assert GROUND.x <= left < right <= GROUND.x + GROUND.width + 1e-6
        assert GROUND.y <= low < high <= GROUND.y + GROUND.depth + 1e-6


@FEW_EXAMPLES
@given(CITIES, st.randoms())
def test_the_order_of_the_rows_does_not_matter(given, random):
    order = list(range(len(given)))
    random.shuffle(order)
    one, other = build_city(given), build_city(given.iloc[order].reset_index(drop=True))
    sort = ["full_name"]
    pd.testing.assert_frame_equal(
        one.towers.sort_values(sort, ignore_index=True), other.towers.sort_values(sort, ignore_index=True)
    )


@FEW_EXAMPLES
@given(CITIES)
def test_more_stars_are_never_lower_and_no_tower_is_taller_than_the_tallest(given):
    towers = build_city(given).towers.sort_values("stars")
    heights = towers["height"].to_numpy(dtype=float)
    assert (np.diff(heights) >= -1e-9).all()
    assert heights.min() >= MIN_HEIGHT
    assert heights.max() == pytest.approx(MAX_HEIGHT if given["stars"].max() else MIN_HEIGHT)


@FEW_EXAMPLES
@given(CITIES)
def test_by_growth_unknown_and_negative_growth_has_minimum_height(given):
    towers = build_city(given, "growth").towers
    flat = towers["stars_30d"].fillna(0) <= 0
    assert (towers.loc[flat.to_numpy(dtype=bool), "height"] == MIN_HEIGHT).all()
    assert (towers.loc[~flat.to_numpy(dtype=bool), "height"] > MIN_HEIGHT).all()


@FEW_EXAMPLES
@given(CITIES)
def test_a_districts_peak_is_the_roof_of_its_tallest_tower(given):
    city = build_city(given)
    for district in city.districts.itertuples():
        own = city.towers[city.towers["owner"].str.lower() == district.owner.lower()]
        assert district.top == own["height"].max()
        assert district.stars == own["stars"].sum()
        assert district.repositories == len(own)
        assert district.x < district.peak_x < district.x + district.width


def test_ground_follows_the_square_root_of_stars():
    city = build_city(rows((("a", 1), 40_000, None), (("b", 1), 10_000, None)))
    areas = {row.owner: row.width * row.depth for row in city.districts.itertuples()}
    assert areas["a"] / areas["b"] == pytest.approx(2, rel=0.03)
    heights = dict(zip(city.towers["owner"], city.towers["height"] - MIN_HEIGHT, strict=True))
    assert heights["a"] / heights["b"] == pytest.approx(2)


def test_an_owner_written_in_two_ways_is_one_district():
    city = build_city(rows((("B", 1), 5, None), (("b", 2), 5, None)))
    assert len(city.districts) == 1


def test_without_repositories_there_is_an_empty_city_with_the_same_columns():
    empty = build_city(rows())
    full = build_city(rows((("a", 1), 5, 1)))
    assert len(empty.towers) == len(empty.districts) == 0
    assert list(empty.towers.columns) == list(full.towers.columns)
    assert list(empty.districts.columns) == list(full.districts.columns)


def test_a_large_city_has_all_its_towers_and_districts():
    many = rows(*(((f"o{number % 200}", number), 5_000_000 // (number + 1), number) for number in range(5000)))
    city = build_city(many)
    assert (len(city.towers), len(city.districts)) == (5000, 200)
