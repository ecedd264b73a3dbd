"""The deck sent to the browser: rows by URL, readable labels, one selection mark."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from pandas import DataFrame

from core.charts.scene import city, deck
from core.charts.scene.camera import Canvas
from core.charts.scene.roof_names import roof_names
from core.charts.theme import DARK, LIGHT

DATA_URLS = {"towers": "/api/v1/scene/city.csv?v=1", "districts": "/api/v1/scene/city.csv?part=districts&v=1"}
WIDE, NARROW = Canvas(846, 550), Canvas(346, 300)


@pytest.fixture(scope="module")
def plan() -> city.City:
    owners = [f"owner-{number}" for number in range(40)]
    named = [(owner, number) for number, owner in enumerate(owners) for _ in range(1 + number % 5)]
    return city.build_city(
        DataFrame(
            {
                "full_name": [f"{owner}/r{index}" for index, (owner, _) in enumerate(named)],
                "owner": [owner for owner, _ in named],
                "language": pd.array([["Python", "Go", None][index % 3] for index in range(len(named))], "string"),
                "stars": pd.array([100_000 // (index + 1) for index in range(len(named))], "Int64"),
                "stars_30d": pd.array([None if index % 7 == 0 else index - 5 for index in range(len(named))], "Int64"),
                "checked_at": pd.Timestamp("2026-08-22", tz="UTC"),
            }
        )
    )


def deck_json(plan: city.City, theme=LIGHT, chosen: str | None = None) -> dict:
    camera = deck.camera_for(plan, WIDE)
    names = deck.labels(plan, camera, WIDE, chosen)
    roofs = roof_names(plan, camera, WIDE)
    return json.loads(deck.deck(plan, theme, camera, names, roofs, DATA_URLS, chosen).to_json())


def test_rows_are_never_inline_and_nothing_points_outside(plan):
    picture = deck_json(plan)
    layers = {layer["id"]: layer for layer in picture["layers"]}
    assert layers["towers"]["data"] == DATA_URLS["towers"]
    assert layers["districts"]["data"] == DATA_URLS["districts"]
    text = json.dumps(picture)
    assert "http" not in text
    assert len(text) < 20_000
    assert "mapProvider" not in picture or picture["mapProvider"] is None
    assert picture["mapStyle"] == "__MAP_STYLE__"


def test_the_camera_has_the_designed_angles(plan):
    picture = deck_json(plan)
    assert picture["initialViewState"]["rotationX"] == 36
    assert picture["initialViewState"]["rotationOrbit"] == 32
    assert picture["views"][0]["@@type"] == "OrbitView"


@pytest.mark.parametrize("canvas", [WIDE, NARROW])
def test_the_whole_city_and_every_label_are_on_the_canvas(plan, canvas):
    camera = deck.camera_for(plan, canvas)
    corners = deck._corner_points(plan)
    seen = camera.project(corners, canvas)
    assert seen.min() >= 0
    assert (seen.max(axis=0) <= [canvas.width, canvas.height]).all()
    names = deck.labels(plan, camera, canvas)
    feet = camera.project(names[["x", "y", "z"]].to_numpy(dtype=float), canvas)
    widths = names["text"].map(deck.label_width) / 2
    assert (feet[:, 0] - widths >= -1).all()
    assert (feet[:, 0] + widths <= canvas.width + 1).all()
    assert (feet[:, 1] >= deck.LABEL_HEIGHT - 1).all()
    assert len(names) >= 3


def test_labels_stand_above_every_tower_of_their_district(plan):
    names = deck.labels(plan, deck.camera_for(plan, WIDE), WIDE).set_index("text")
    tallest = plan.towers.groupby("owner")["height"].max()
    assert (names["z"] > tallest.reindex(names.index)).all()


def test_a_narrow_page_labels_fewer_districts(plan):
    counts = [len(deck.labels(plan, deck.camera_for(plan, canvas), canvas)) for canvas in (WIDE, NARROW)]
    assert counts[0] > counts[1]


def test_the_selected_tower_is_marked_and_labelled_first(plan):
    picture = deck_json(plan, chosen="owner-3/r6")
    assert [layer["id"] for layer in picture["layers"]] == ["districts", "towers", "roofs", "chosen", "stems", "names"]
    names = next(layer for layer in picture["layers"] if layer["id"] == "names")["data"]
    assert names[0]["text"] == "owner-3/r6"
    assert names[0]["ground"] != names[1]["ground"]


def test_an_unknown_selection_is_not_marked(plan):
    picture = deck_json(plan, chosen="nobody/nothing")
    assert "chosen" not in [layer["id"] for layer in picture["layers"]]


def test_a_selection_cannot_make_the_city_translucent(plan):
    """Streamlit fades colours set on the layer; ours are set on the sublayer."""
    for layer in deck_json(plan, chosen="owner-3/r6")["layers"]:
        if layer["@@type"] != "LineLayer":
            assert "getFillColor" not in layer
            assert "getColor" not in layer


def test_tower_rows_have_texts_and_colours(plan):
    rows = deck.tower_rows(plan).set_index("name")
    first = rows.loc["owner-0/r0"]
    assert first["stars_text"] == "100,000 stars"
    assert first["growth_text"] == "growth in 30 days is not known"
    assert first["captured_on"] == "2026-08-22"
    assert tuple(first[["r", "g", "b"]]) == (53, 114, 165)
    assert rows.loc["owner-1/r2", "language"] == "No language"
    assert rows.loc["owner-1/r2", "growth_text"] == "−3 in the 30 days before"
    assert rows.loc["owner-2/r5", "growth_text"] == "0 in the 30 days before"
    assert rows.loc["owner-3/r6", "growth_text"] == "+1 in the 30 days before"


def test_the_legend_counts_every_tower_once(plan):
    entries = deck.language_legend(plan, limit=2)
    assert sum(entry.count for entry in entries) == len(plan.towers)
    assert len(entries) == 3
    assert (entries[-1].name, entries[-1].color) == ("1 more colour", None)


def test_the_legend_names_every_language_of_a_colour(plan):
    """Python and Python console have #3572A5; JSX and repositories without a language have none."""
    names = ["Python", "Python console", "JSX", None, "Go"]
    towers = plan.towers.assign(language=(names * len(plan.towers))[: len(plan.towers)])
    entries = deck.language_legend(replace(plan, towers=towers), limit=10)
    assert len({entry.color for entry in entries}) == len(entries) == 3
    assert {frozenset(entry.name.split(" or ")) for entry in entries} == {
        frozenset({"Python", "Python console"}), frozenset({"JSX", "No language"}), frozenset({"Go"}),
    }  # fmt: skip
    assert sum(entry.count for entry in entries) == len(towers)


def test_the_alt_text_describes_the_city(plan):
    text = deck.alt_text(plan)
    assert f"{len(plan.towers)} repositories in 40 districts" in text
    assert "owner-0 (100,000)" in text
    assert "owner-0/r0 (100,000 stars)" in text


def test_light_and_dark_differ_in_floor_and_labels_but_not_in_language_colours(plan):
    light, dark = deck_json(plan, LIGHT), deck_json(plan, DARK)
    assert light["layers"][0] != dark["layers"][0]
    fill = "_subLayerProps"
    assert light["layers"][1][fill] == dark["layers"][1][fill] == {"fill": {"getFillColor": "@@=[r, g, b]"}}


def test_an_empty_city_is_drawn_without_asking_for_rows(plan):
    empty = city.City(plan.towers.head(0), plan.districts.head(0))
    picture = deck_json(empty)
    assert [layer["data"] for layer in picture["layers"]] == [[], [], [], [], []]
    assert deck.alt_text(empty) == "A city without repositories."


def test_the_loader_guesses_neither_types_nor_delimiter(plan):
    """Only columns of numbers are converted: an owner called 0001101 or true stays text."""
    for layer in deck_json(plan)["layers"][:2]:
        options = layer["loadOptions"]["csv"]
        rows = {"towers": deck.tower_rows(plan), "districts": deck.district_rows(plan)}[layer["id"]]
        numbers = {name for name in rows if pd.api.types.is_numeric_dtype(rows[name])}
        assert options["delimiter"] == ","
        assert numbers <= set(options["dynamicTyping"])
        assert not set(options["dynamicTyping"]) & (set(rows) - numbers)


def test_rows_in_the_deck_are_plain_numbers_and_texts():
    import numpy as np

    from core.charts.scene.plain_records import plain_records

    frame = DataFrame(
        {
            "integer": np.array([7], dtype="int64"),
            "missing": pd.array([None], "Int64"),
            "share": [float("inf")],
            "at": pd.Timestamp("2026-03-01T12:00", tz="Europe/Berlin"),
            "items": [[np.int64(1), np.nan]],
        }
    )
    row = {"integer": 7, "missing": None, "share": None, "at": "2026-03-01T11:00:00Z", "items": [1, None]}
    assert plain_records(frame) == [row]
    assert type(plain_records(frame)[0]["integer"]) is int
