"""A cell over a time series: its line, or the number where there is one capture."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import streamlit as st
from pandas import DataFrame

from core.charts import areas, lines, marks
from core.charts.axes import count_with_unit
from core.charts.coverage_intervals import stable_end
from core.charts.theme import Theme
from core.db.frames import derived
from core.shared_cache import memoized
from pages.components.alt_text import line_alt
from pages.components.as_of import selected_vs
from pages.components.cell import cell, theme
from pages.components.chart import Drawing, drawing, drawn, selected_earlier
from pages.components.compared import dotted_hint
from pages.components.format import day, percent

ONE_CAPTURE = "One capture so far; a line needs two."
ONE_NUMBER = "One number so far; each change adds a dot."


def line_cell(
    question: str,
    how_to_read: str,
    points: DataFrame,
    intervals: DataFrame,
    *,
    y: str,
    name: str,
    until: datetime,
    height: int = 300,
    is_log: bool = False,
    happened: DataFrame | None = None,
    only_note: str = ONE_CAPTURE,
    **footer: Any,
) -> None:
    """Draw the column *y* of *points* over time, see `history_lines`; *y* is also the unit.

    happened   what is marked on the chart, see `core.charts.marks`
    only_note  the sentence below the number where it is the only one
    footer     as in `cell`
    """
    end = stable_end(intervals, until)
    line = memoized(
        _line,
        _line_size,
        points,
        intervals,
        y,
        theme(),
        end,
        height,
        selected_vs(),
        is_log=is_log,
        happened=happened,
    )
    only = line.only
    chart = partial(_show_number, only.at, count_with_unit(only.value, y), only_note) if only else line.drawing
    cell(question, how_to_read, points, name=name, chart=chart, alt=line.alt, **footer)


class Line(NamedTuple):
    """A time series as its cell shows it: the only capture or else the chart, and the text alternative."""

    only: lines.Capture | None
    drawing: Drawing | None
    alt: str


def _line(
    points: DataFrame,
    intervals: DataFrame,
    y: str,
    colors: Theme,
    until: datetime,
    height: int,
    vs: datetime | None,
    *,
    is_log: bool,
    happened: DataFrame | None,
) -> Line:
    only = lines.only_capture(points, intervals, y)
    if only:
        return Line(only, None, line_alt(points, y))
    figure = marks.marked(
        lines.history_lines,
        happened,
        points,
        intervals,
        y,
        colors,
        until=until,
        unit=y,
        height=height,
        is_log=is_log,
        vs=vs,
    )
    return Line(None, drawing(figure), line_alt(points, y))


def _line_size(line: Line) -> int:
    return len(line.drawing.spec if line.drawing else "") + len(line.alt)


def points_cell(
    question: str,
    how_to_read: str,
    reported: DataFrame,
    *,
    y: str,
    unit: str,
    name: str,
    happened: DataFrame | None = None,
    **footer: Any,
) -> None:
    """Draw the column *y* of *reported* as dots, see `points_without_line`, or as the number where there is one."""
    known = reported.dropna(subset=[y])
    cell(
        question,
        how_to_read,
        derived(known, reported),
        name=name,
        chart=partial(_show_number, known["captured_at"].iloc[0], count_with_unit(known[y].iloc[0], unit), ONE_NUMBER)
        if len(known) == 1
        else drawn(marks.marked, lines.points_without_line, happened, known, y, theme(), unit=unit),
        alt=line_alt(known, y).replace("Line of", "Dots of"),
        **footer,
    )


def shares_cell(
    question: str,
    how_to_read: str,
    frame: DataFrame,
    *,
    value: str,
    name: str,
    period: str,
    max_gap: timedelta = areas.NO_GAP,
    height: int = 300,
    is_step: bool = False,
    happened: DataFrame | None = None,
    **footer: Any,
) -> None:
    """Draw the shares of languages over time, see `stacked_shares`; *value* is also the unit, *period* one step."""
    moments = frame["at"].nunique()
    compared = selected_earlier()
    hint = f" {dotted_hint(frame['at'], compared.vs)}" if compared else ""
    cell(
        question,
        how_to_read + hint,
        frame,
        name=name,
        chart=partial(_show_shares, areas.top_layers(frame, value), value, f"One {period} so far; layers need two.")
        if moments == 1
        else drawn(
            marks.marked,
            areas.stacked_shares,
            happened,
            frame,
            value,
            theme(),
            unit=value,
            max_gap=max_gap,
            height=height,
            is_step=is_step,
            compared=compared,
        ),
        **footer,
    )


def _show_number(at: datetime, text: str, note: str) -> None:
    st.metric(f"On {day(at)}", text)
    st.caption(note)


def _show_shares(layers: DataFrame, value: str, note: str) -> None:
    shares = layers[value].astype(float) / layers[value].astype(float).sum()
    st.caption(f"On {day(layers['at'].iloc[0])}")
    with st.container(gap="xxsmall"):
        for language, share in zip(layers["language"], shares, strict=True):
            st.text(f"{language}  {percent(share, 1)}")
    st.caption(note)
