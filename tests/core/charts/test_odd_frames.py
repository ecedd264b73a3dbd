"""Every figure and deck of any frame that a query may return is drawn, as JSON that a browser can parse."""

import inspect
import json
import pkgutil
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pydeck
import pytest
from pandas import DataFrame

from core import charts
from core.charts import (
    areas,
    bars,
    calendar_heatmap,
    comparison,
    contributions,
    day_bars,
    lines,
    lorenz,
    marks,
    repositories,
    star_ledger,
)
from core.charts.scene import city, deck, legend
from core.charts.scene.camera import Canvas
from core.charts.scene.roof_names import roof_names
from core.charts.theme import DARK, LIGHT

NOW = datetime(2026, 1, 8, tzinfo=UTC)
HUGE = 2**63 - 1
COUNTS: dict[str, list[int | None]] = {
    "empty": [],
    "one zero": [0],
    "one": [7],
    "one null": [None],
    "zeros": [0, 0, 0],
    "nulls": [None, None, None],
    "some nulls": [None, 3, None, 5],
    "null at the ends": [3, None],
    "huge": [HUGE, 1, 0],
    "huge and null": [None, HUGE],
    "lost": [-5, 3, 0],
    "equal": [9] * 20,
}
CANVAS = Canvas(846, 550)
MISSING = re.compile(r"\b(nan|NaN|NaT|None|inf)\b|<NA>")


def counts(values: list[int | None]) -> Any:
    """Return a column as queries return it, whatever its values."""
    return pd.array(values, dtype="Int64")


def texts(values: list[str | None]) -> Any:
    return pd.array(values, dtype="string")


def moments(number: int) -> Any:
    return pd.Series([NOW - timedelta(days=number - index) for index in range(number)], dtype="datetime64[us, UTC]")


def many(values: list[int | None]) -> DataFrame:
    """Return rows with each column that a builder reads, *values* in each that may hold any."""
    number = len(values)
    names = [f"octo/r{index}" for index in range(number)]
    return DataFrame(
        {
            "full_name": texts(list(names)),
            "owner": texts(["octo"] * number),
            "language": texts([None if index % 2 else "C" for index in range(number)]),
            "stars": counts(values),
            "stars_30d": counts(values),
            "mean": counts(values).astype("Float64"),
            "share": (counts(values) / HUGE).astype("Float64"),
            "text": texts([None if value is None else "x" for value in values]),
            "at": moments(number),
            "captured_at": moments(number),
            "checked_at": moments(number),
            "day": moments(number).dt.date,
            "source_id": counts([1 + index % 2 for index in range(number)]),
            "source": texts(["GitHub"] * number),
        }
    )


def intervals(number: int) -> DataFrame:
    """Return one run of captures of each source, or none."""
    several = min(number, 2)
    first, last = ([NOW - timedelta(days=days)] * several for days in (number, 1))
    found = DataFrame({"source_id": counts([1, 2][:several]), "from_at": first, "to_at": last, "overdue_at": last})
    return found.astype(dict.fromkeys(("from_at", "to_at", "overdue_at"), "datetime64[us, UTC]"))


def histogram(frame: DataFrame) -> go.Figure:
    bins = DataFrame({"at_least": [0, 1], "below": [1, 3]}).head(len(frame))
    return repositories.stars_histogram(bins.assign(repositories=frame["stars"].fillna(0).head(2)), DARK)


def scene(frame: DataFrame) -> pydeck.Deck:
    rows = frame.assign(stars=frame["stars"].fillna(0).clip(0))
    plan = city.build_city(rows, "growth")
    camera = deck.camera_for(plan, CANVAS)
    selected = "octo/r0" if len(rows) else None
    names = deck.labels(plan, camera, CANVAS, selected)
    for table in (deck.tower_rows(plan), deck.district_rows(plan)):
        assert not MISSING.search(table.to_csv(index=False))
    shown = deck.alt_text(plan) + legend.legend_html(deck.language_legend(plan, 3), DARK, label="Languages")
    assert not MISSING.search(shown)
    roofs = roof_names(plan, camera, CANVAS)
    return deck.deck(plan, DARK, camera, names, roofs, {"towers": "/t", "districts": "/d"}, selected)


def tracks(frame: DataFrame) -> list[comparison.Track]:
    points = frame.assign(value=frame["stars"])[["captured_at", "source_id", "value"]]
    return [comparison.Track("octo/r0", points, intervals(len(frame)), 7.0, NOW - timedelta(days=4))]


def by_day(frame: DataFrame) -> DataFrame:
    """Return contributions by day; without a day there is no chart."""
    days = frame.assign(day=frame["at"], contributions=frame["stars"])[["day", "contributions"]]
    return days if len(days) else DataFrame({"day": moments(1), "contributions": counts([None])})


BUILDERS: dict[Callable[..., Any], Callable[[DataFrame], Any]] = {
    areas.stacked_shares: lambda frame: areas.stacked_shares(
        frame.assign(language=frame["language"].fillna("Go")), "stars", LIGHT, unit="stars", max_gap=timedelta(9)
    ),
    bars.ranking_bars: lambda frame: bars.ranking_bars(frame, "full_name", "stars", LIGHT, texts=frame["text"]),
    bars.language_bars: lambda frame: bars.language_bars(
        frame.assign(language=frame["language"].fillna("Go")), "stars", LIGHT, texts=frame["text"]
    ),
    calendar_heatmap.calendar_heatmap: lambda frame: calendar_heatmap.calendar_heatmap(frame, LIGHT, text="text"),
    day_bars.count_bars: lambda frame: day_bars.count_bars(frame, "at", "stars", LIGHT, unit="stars", mean="mean"),
    day_bars.running_total: lambda frame: day_bars.running_total(
        frame, "at", "stars", LIGHT, unit="stars", is_log=True
    ),
    star_ledger.given_and_withdrawn: lambda frame: star_ledger.given_and_withdrawn(
        frame.assign(day=frame["at"], given=frame["stars"], withdrawn=frame["stars"]), LIGHT
    ),
    star_ledger.retention_triangle: lambda frame: star_ledger.retention_triangle(
        frame.assign(month=frame["at"], age=range(len(frame)), given=frame["stars"], surviving=frame["stars"]), LIGHT
    ),
    lines.history_lines: lambda frame: lines.history_lines(
        frame, intervals(len(frame)), "stars", LIGHT, until=NOW, unit="stars"
    ),
    marks.marked: lambda frame: marks.marked(
        day_bars.count_bars,
        DataFrame({"at": frame["at"], "what": frame["text"].fillna("x"), "kind": "release"}),
        frame,
        "at",
        "stars",
        LIGHT,
        unit="stars",
    ),
    lines.points_without_line: lambda frame: lines.points_without_line(frame, "stars", LIGHT, unit="stars"),
    repositories.stars_histogram: histogram,
    repositories.growth_scatter: lambda frame: repositories.growth_scatter(frame, LIGHT),
    comparison.together: lambda frame: comparison.together(tracks(frame), "log", LIGHT, unit="stars", by_age=True),
    comparison.panels: lambda frame: comparison.panels(tracks(frame), "indexed", LIGHT, unit="stars", by_age=False),
    contributions.contribution_calendar: lambda frame: contributions.contribution_calendar(by_day(frame), LIGHT),
    contributions.years_heatmap: lambda frame: contributions.years_heatmap(by_day(frame), LIGHT),
    lorenz.lorenz_curve: lambda frame: lorenz.lorenz_curve(
        frame.assign(stars=frame["stars"].fillna(0), repository_share=frame["share"], star_share=frame["share"]), LIGHT
    ),
    deck.deck: scene,
}


def figure_builders() -> set[Callable[..., Any]]:
    """Return all public functions of `core.charts` that draw a frame."""
    names = [found.name for found in pkgutil.walk_packages(charts.__path__, "core.charts.")]
    functions = [
        one
        for name in names
        for _, one in inspect.getmembers(import_module(name), inspect.isfunction)
        if one.__module__ == name and not one.__name__.startswith("_")
    ]
    drawn = (go.Figure, pydeck.Deck)
    return {one for one in functions if one.__name__ != "figure" and one.__annotations__.get("return") in drawn}


def test_every_builder_is_tried():
    assert set(BUILDERS) == figure_builders()


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("case", COUNTS)
def test_a_chart_of_odd_values_is_json_with_finite_axes_and_no_trace_of_missing_values(builder, case):
    written = BUILDERS[builder](many(COUNTS[case])).to_json()
    layout = json.loads(written, parse_constant=refuse).get("layout", {})
    assert not MISSING.search(written), written
    for axis in ("xaxis", "yaxis"):
        low, high = layout.get(axis, {}).get("range", (0, 1))
        assert low < high, (axis, low, high)
