"""Several accounts or repositories in one figure: one line each, or one small panel each with the others behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame
from plotly.subplots import make_subplots

from core import markup
from core.charts import axes
from core.charts.bars import truncate_label
from core.charts.coverage_intervals import captured_until, line_with_gaps
from core.charts.theme import Theme, axis_style, figure
from core.sources import OWN_SOURCE_ID
from core.wording import DAYS_PER_YEAR, SECONDS_PER_DAY

Scale = Literal["absolute", "indexed", "log"]
PANELS_IN_A_ROW = 2
PANEL_HEIGHT = 150
MAX_TITLE_LENGTH = 24
DASHES = ("solid", "dash")
WIDTHS = {True: 2.5, False: 1.5}  # of our own captures, of imported history
INDEXED_START = 100
MARGIN_OF_INDEX = 0.05


@dataclass(frozen=True)
class Track:
    """One thing to draw.

    points     captured_at, source_id and value: one row per change
    intervals  as in `core.charts.coverage_intervals`, with source_id
    base       the value that is 100 where values are indexed; None where it is unknown
    born       where the axis of ages begins; None for an axis of dates
    """

    name: str
    points: DataFrame
    intervals: DataFrame
    base: float | None = None
    born: datetime | None = None


class Earlier(NamedTuple):
    """The time that an axis of dates, which ends at *until*, is compared with: the lines up to it are drawn too."""

    vs: datetime
    until: datetime


def together(
    tracks: Sequence[Track],
    scale: Scale,
    theme: Theme,
    *,
    unit: str,
    by_age: bool,
    height: int = 380,
    compared: Earlier | None = None,
) -> go.Figure:
    """Draw one line per track, which ends where nobody captured; imported history is thin.

    compared  the same lines up to then too, dotted, moved so that both end together
    """
    chart = figure(theme, height=height, showlegend=len(tracks) > 1)
    for number, track in enumerate(tracks):
        color, dash = theme.series[number % len(theme.series)], DASHES[number // len(theme.series)]
        lines = _lines(track, scale, by_age)
        longest = max((len(line) for _, line in lines), default=0)
        for earlier in _earlier_scatters(track, unit, scale, compared):
            chart.add_scatter(**earlier, line={"color": color, "width": 1.5, "dash": "dot"})
        for source, line in lines:
            chart.add_scatter(
                **_scatter(track.name, line, unit, scale),
                line={"color": color, "width": WIDTHS[source == OWN_SOURCE_ID], "dash": dash},
                showlegend=len(line) == longest,
            )
    chart.update_xaxes(**_age_axis(theme) if by_age else {})
    chart.update_yaxes(**_value_axis(chart, scale))
    chart.update_layout(legend={"entrywidth": 0, "font": {"size": 12}})
    return chart


def panels(
    tracks: Sequence[Track], scale: Scale, theme: Theme, *, unit: str, by_age: bool, compared: Earlier | None = None
) -> go.Figure:
    """Draw one panel per track, all with the same axes: its line in the accent colour, the others pale behind it."""
    rows = -(-len(tracks) // PANELS_IN_A_ROW)
    height = rows * PANEL_HEIGHT + 40
    chart = make_subplots(
        rows=rows,
        cols=PANELS_IN_A_ROW,
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.04,
        vertical_spacing=min(0.3, 44 / height),
        subplot_titles=[markup.plotly(truncate_label(track.name, MAX_TITLE_LENGTH)) for track in tracks],
    )
    chart.update_layout(
        figure(theme, height=height, hovermode="closest", margin={"l": 0, "r": 8, "t": 24, "b": 0}).layout
    )
    lines = [_lines(track, scale, by_age) for track in tracks]
    for number, track in enumerate(tracks):
        cell = {"row": number // PANELS_IN_A_ROW + 1, "col": number % PANELS_IN_A_ROW + 1}
        for other, of_other in enumerate(lines):
            for _, line in of_other if other != number else []:
                chart.add_scatter(
                    x=line["x"], y=line["value"], mode="lines", line={"color": theme.imported, "width": 1}, opacity=0.4,
                    hoverinfo="skip", showlegend=False, connectgaps=False, **cell,
                )  # fmt: skip
        for earlier in _earlier_scatters(track, unit, scale, compared):
            chart.add_scatter(**earlier, line={"color": theme.muted, "width": 1.5, "dash": "dot"}, **cell)
        for source, line in lines[number]:
            stroke = {"color": theme.accent, "width": WIDTHS[source == OWN_SOURCE_ID]}
            chart.add_scatter(**_scatter(track.name, line, unit, scale), line=stroke, showlegend=False, **cell)
    chart.update_xaxes(**axis_style(theme, grid=False), **(_age_axis(theme, title=False) if by_age else {"nticks": 4}))
    chart.update_yaxes(**axis_style(theme, grid=True), **_value_axis(chart, scale))
    chart.update_annotations(font={"size": 12, "color": theme.text}, xanchor="left", align="left")
    for number, title in enumerate(chart.layout.annotations):
        title.x = 0 if number % PANELS_IN_A_ROW == 0 else 0.52
    return chart


def _lines(track: Track, scale: Scale, by_age: bool) -> list[tuple[int, DataFrame]]:
    """Return (source id, line with the columns x and value) for each source of the track."""
    found = []
    for source in sorted(track.points["source_id"].unique()):
        own = track.points[track.points["source_id"] == source]
        line = line_with_gaps(own, track.intervals[track.intervals["source_id"] == source], "value")
        if scale == "indexed":
            line["value"] = line["value"] / track.base * INDEXED_START if track.base else float("nan")
        if scale == "log":
            line["value"] = line["value"].where(line["value"] > 0)
        if by_age and track.born is not None:
            ages = [(at - track.born).total_seconds() / SECONDS_PER_DAY / DAYS_PER_YEAR for at in line["at"]]
            line = line.assign(x=ages).loc[[age >= 0 for age in ages]]
        else:
            line["x"] = line["at"].dt.tz_convert("UTC").dt.tz_localize(None)
        if line["value"].notna().any():
            found.append((int(source), line))
    return found


def _earlier_scatters(track: Track, unit: str, scale: Scale, compared: Earlier | None) -> list[dict[str, Any]]:
    """Return the data of the lines up to the time that is compared with, moved to the end of the axis of dates.

    Hovering tells their own dates.
    """
    if compared is None:
        return []
    points, intervals = captured_until(track.points, track.intervals, compared.vs)
    found = []
    for _, line in _lines(replace(track, points=points, intervals=intervals), scale, by_age=False):
        moved = line.assign(x=line["x"] + (compared.until - compared.vs))
        drawn = _scatter(track.name, moved, unit, scale)
        texts = [f"{text} on {at:%Y-%m-%d}" for text, at in zip(drawn["customdata"], line["x"], strict=True)]
        found.append({**drawn, "customdata": texts, "showlegend": False})
    return found


def _scatter(name: str, line: DataFrame, unit: str, scale: Scale) -> dict[str, Any]:
    """Return the data of a line; its hover names it, and the age where the axis has ages."""
    values = [
        "" if pd.isna(value) else f"{value:,.0f}" if scale == "indexed" else axes.count_with_unit(value, unit)
        for value in line["value"]
    ]
    return {
        "x": line["x"],
        "y": line["value"],
        "mode": "lines" if len(line) > 1 else "markers",
        "name": markup.plotly(name),
        "legendgroup": markup.plotly(name),
        "customdata": values,
        "hovertemplate": f"%{{customdata}}<extra>{markup.plotly(truncate_label(name))}</extra>",
        "connectgaps": False,
    }


def _value_axis(chart: go.Figure, scale: Scale) -> dict[str, Any]:
    known = [float(value) for trace in chart.data for value in trace.y if not pd.isna(value)]
    if scale == "log":
        return axes.log_axis([round(value) for value in known])
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    if scale == "absolute":
        return axes.count_axis(0, high)
    room = max((high - low) * MARGIN_OF_INDEX, 1)
    return axes.count_axis(max(0.0, low - room), high + room)


def _age_axis(theme: Theme, *, title: bool = True) -> dict[str, Any]:
    named = {"title": {"text": "years since creation", "font": {"size": 12, "color": theme.muted}, "standoff": 6}}
    return {**(named if title else {}), "rangemode": "tozero", "hoverformat": ".1f", "nticks": 8}
