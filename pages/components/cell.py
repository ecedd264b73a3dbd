"""A cell of a page: a question, how to read the chart, the chart, and a footer with its rows, SQL and exports."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from textwrap import dedent
from typing import Any

import streamlit as st
from pandas import DataFrame
from pandas.api.types import is_datetime64_any_dtype
from plotly.graph_objects import Figure

from core.charts.theme import DARK, LIGHT, Theme
from core.db.data_version import data_version
from core.export.notebook import Question, csv_path
from core.number_reports import DoubtedCell
from core.queries.sql_display import inline_parameters
from core.wording import quantity
from pages.components import as_of, export, page_notebook, query_params
from pages.components.cell_menu import show_cell_menu
from pages.components.chart import Drawing, drawing, show_drawing
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.table import arrow_table, rounded_as_shown, without_attrs


def theme() -> Theme:
    """Return the chart colours of the reader's theme, light or dark."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def cell(
    question: str,
    how_to_read: str,
    frame: DataFrame,
    *,
    name: str,
    chart: Drawing | Figure | Callable[[], object] | None = None,
    alt: str = "",
    note: str = "",
    definition: str = "",
    empty: str = "",
    empty_is_ok: bool = False,
    rows: DataFrame | None = None,
    columns: Mapping[str, Any] | None = None,
    api: str = "",
) -> None:
    """Draw one cell over *frame*, a frame from `read_frame`. For a table as the answer see `table_cell`.

    name         for keys and file names: unique on the page, words joined by hyphens
    chart        what `drawn` returns, a Plotly figure, or a function that draws something else (a scene)
    alt          text alternative of the chart for screen readers
    note         first entry of the footer: as of when, which run, what coverage
    definition   how the numbers are counted
    empty        shown when the frame has no rows: not tracked, not collected yet, or truly zero
    empty_is_ok  no rows is an answer, not something that is missing
    rows         what the Rows table shows and the exports hold, where that is not *frame* itself
    columns      Streamlit's column configuration of the Rows table
    api          path of the same rows in the API, below /api/v1; a notebook of the page reads them there
    """
    chart = drawing(chart) if isinstance(chart, Figure) else chart
    with cell_border(question, how_to_read, name):
        if frame.empty:
            icon = ":material/check_circle:" if empty_is_ok else ":material/hourglass_empty:"
            st.info(empty or as_of.not_collected_sentence(), icon=icon)
        elif isinstance(chart, Drawing):
            show_drawing(chart, alt=alt or question, key=f"chart-{name}")
        elif chart is not None:
            chart()
        rows = without_attrs(frame if rows is None else rows)
        with cell_footer(name, note):
            definition_and_sql(frame, name, definition)
            _rows_popover(rows, name, question, columns or {})
            export.export_buttons(rows, name)
            cell_menu(name, question, note, frame, rows, has_chart=isinstance(chart, Drawing) and not frame.empty)
    record_cell(
        question, how_to_read, frame, rows, name=name, note=note, definition=definition, api=api,
        drawn=chart if isinstance(chart, Drawing) and not frame.empty else None,
    )  # fmt: skip


def record_cell(
    question: str,
    how_to_read: str,
    frame: DataFrame,
    rows: DataFrame,
    *,
    name: str,
    note: str,
    definition: str,
    api: str,
    drawn: Drawing | None = None,
) -> None:
    """Add a cell to the notebook of the page: *rows* as exports hold them, *frame* with the SQL behind them."""
    page_notebook.record(
        Question(
            name,
            question,
            how_to_read,
            rows,
            note=note or as_of.as_of_label(),
            definition=definition,
            sql=inline_parameters(frame.attrs["sql"], frame.attrs["values"]) if "sql" in frame.attrs else "",
            path=csv_path(api),
            figure=None if drawn is None else partial(json.loads, drawn.spec),
        )
    )


def cell_menu(
    name: str, question: str, note: str, frame: DataFrame, rows: DataFrame, *, has_chart: bool = False
) -> None:
    """Draw the last button of a cell's footer, see `show_cell_menu`."""
    note = note or as_of.as_of_label()

    def doubted() -> DoubtedCell:
        return DoubtedCell(
            f"{query_params.path_with_query(as_of.shown_page())}#{name}",
            question,
            note,
            rows,
            data_version(),
            query=dedent(frame.attrs.get("sql", "")).strip(),
            values=frame.attrs.get("values"),
        )

    show_cell_menu(name, question, note, theme(), doubted, has_chart=has_chart)


@contextmanager
def cell_border(question: str, how_to_read: str, name: str) -> Iterator[None]:
    """Draw the block's content inside a cell's border, under its question; `#name` in the URL leads to it."""
    with st.container(border=True, key=f"cell-{name}", gap="xsmall", height="stretch"):
        if page_notebook.has_section_above():
            st.subheader(question, anchor=name)
        else:
            st.header(question, anchor=name)
        st.caption(how_to_read)
        yield


@contextmanager
def cell_footer(name: str, note: str) -> Iterator[None]:
    """Draw the block's content in a cell's last line, after *note* (without one: as of when)."""
    st.space("stretch")
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, key=f"line-{name}", gap="xsmall"):
        st.caption(f":material/schedule: {note or as_of.as_of_label()}", wrap=False)
        yield


def definition_and_sql(frame: DataFrame, name: str, definition: str) -> None:
    """Draw the footer's popovers for *definition* and for the SQL that `read_frame` left in the frame's attrs."""
    if definition:
        with st.popover(
            "Definition", icon=":material/info:", type="tertiary", help="How this is counted", key=f"tool-def-{name}"
        ):
            st.markdown(definition)
    if "sql" in frame.attrs:
        with st.popover(
            "SQL", icon=":material/code:", type="tertiary", help="The query, ready to run", key=f"tool-sql-{name}"
        ):
            st.code(inline_parameters(frame.attrs["sql"], frame.attrs["values"]), language="sql", height=360, width=640)


def _rows_popover(rows: DataFrame, name: str, question: str, columns: Mapping[str, Any]) -> None:
    with st.popover(
        "Rows", icon=":material/table:", type="tertiary", help=quantity(len(rows), "row"), key=f"tool-rows-{name}"
    ):
        timestamps = [str(name) for name, kind in rows.dtypes.items() if is_datetime64_any_dtype(kind)]
        st.dataframe(
            arrow_table(rounded_as_shown(rows, columns)),
            hide_index=True,
            column_config=dict.fromkeys(timestamps, TIMESTAMP_COLUMN) | dict(columns),
            width=640,
            height=360,
            placeholder="—",
            alt=f"Rows of: {question}",
            key=f"rows-{name}",
        )
