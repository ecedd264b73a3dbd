"""Names of languages on roofs: legible, inside their roof, in a colour that stands out."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from core.charts.scene import city, deck
from core.charts.scene.camera import Canvas
from core.charts.scene.roof_names import DARK_TEXT, LIGHT_TEXT, MAX_NAMES, contrasting, roof_names
from core.linguist import NO_LANGUAGE

CANVAS = Canvas(846, 550)


def plan(stars: list[int], languages: list[str | None]) -> city.City:
    names = [f"owner-{number % 7}/r{number}" for number in range(len(stars))]
    return city.build_city(
        DataFrame(
            {
                "full_name": names,
                "owner": [name.partition("/")[0] for name in names],
                "language": pd.array(languages, "string"),
                "stars": pd.array(stars, "Int64"),
                "stars_30d": pd.array([1] * len(stars), "Int64"),
                "checked_at": pd.Timestamp("2026-08-22", tz="UTC"),
            }
        )
    )


def names_of(built: city.City, canvas: Canvas = CANVAS) -> DataFrame:
    return roof_names(built, deck.camera_for(built, canvas), canvas)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=120))
def test_every_name_lies_within_the_roof_that_it_names(stars):
    languages = [["Python", "Go", None, "Jupyter Notebook"][number % 4] for number in range(len(stars))]
    built = plan(stars, languages)
    towers = built.towers.assign(language=built.towers["language"].fillna(NO_LANGUAGE))
    named = names_of(built)
    assert len(named) <= MAX_NAMES
    for row in named.itertuples():
        half = 0.5 * 0.62 * len(row.text) * row.size
        under = towers[
            (towers["x"] <= row.x - half)
            & (row.x + half <= towers["x"] + towers["width"])
            & (towers["y"] <= row.y - row.size / 2)
            & (row.y + row.size / 2 <= towers["y"] + towers["depth"])
        ]
        assert under["language"].tolist() == [row.text]
        assert under["height"].iloc[0] < row.z < under["height"].iloc[0] + 1


def test_the_largest_towers_are_named_and_a_small_one_is_not():
    """One repository of a million stars has a roof a thousand times as wide as one of a star."""
    named = names_of(plan([10**6, 10**6, 1], ["Python", None, "Go"]))
    assert sorted(named["text"]) == [NO_LANGUAGE, "Python"]


def test_a_narrow_page_names_fewer_roofs():
    many = plan([1000] * 200, ["Go"] * 200)
    assert len(names_of(many, Canvas(846, 550))) > 0
    assert len(names_of(many, Canvas(346, 300))) < len(names_of(many, Canvas(846, 550)))


@pytest.mark.parametrize(
    ("roof", "text"),
    [("#ffffff", DARK_TEXT), ("#f1e05a", DARK_TEXT), ("#000000", LIGHT_TEXT), ("#3572A5", LIGHT_TEXT)],
)
def test_text_on_a_roof_stands_out(roof, text):
    assert contrasting(roof) == text
