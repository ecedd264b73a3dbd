"""A cell of the notebook: a question, how to read the answer, the answer, and how it came to be."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from pandas import DataFrame
from plotly.graph_objects import Figure

from core.charts.theme import DARK, LIGHT, Theme
from core.exports import csv, parquet
from core.queries.sql_display import inline_parameters
from pages.components import as_of, export

TIMESTAMP_COLUMN = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")
PLOTLY_CONFIG = {"displayModeBar": False, "responsive": True, "scrollZoom": False}


def theme() -> Theme:
    """The colours of the reader's theme."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def without_attrs(frame: DataFrame) -> DataFrame:
    """*frame* without what it says of its making: tables in the browser have no use for it."""
    shown = frame.copy(deep=False)
    shown.attrs = {}
    return shown


def cell(
    question: str,
    how_to_read: str,
    frame: DataFrame,
    *,
    name: str,
    chart: Figure | Callable[[], object] | None = None,
    alt: str = "",
    note: str = "",
    definition: str = "",
    empty: str = "",
    rows: DataFrame | None = None,
    column_config: dict[str, Any] | None = None,
    rows_are_shown: bool = False,
    empty_is_good: bool = False,
) -> None:
    """Draw one cell over *frame*, a frame as `read_frame` gives it.

    name        for keys and file names: unique on the page, words joined by hyphens
    chart       a Plotly figure, or a function that draws something else (a table, a scene)
    alt         what the chart shows, for who cannot see it
    note        the quiet line: as of when, which run, what coverage
    definition  how the numbers are counted
    empty       the sentence to show when the frame has no rows: not tracked, not collected yet, or truly zero
    rows        what the table twin shows and the exports hold, where it is not *frame* itself
    rows_are_shown  the answer is a table already: no twin
    empty_is_good   no rows is an answer (truly none), not something that is missing
    """
    with st.container(border=True, key=f"cell-{name}", gap="xsmall", height="stretch"):
        st.markdown(f"**{question}**")
        st.caption(how_to_read)
        if frame.empty:
            icon = ":material/check_circle:" if empty_is_good else ":material/hourglass_empty:"
            st.info(empty or "Nothing has been collected for this yet.", icon=icon)
        elif isinstance(chart, Figure):
            st.plotly_chart(chart, theme=None, config=PLOTLY_CONFIG, alt=alt or question, key=f"chart-{name}")
        elif chart is not None:
            chart()
        st.space("stretch")
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, key=f"line-{name}", gap="xsmall"):
            st.caption(f":material/schedule: {note or as_of.as_of_label()}", wrap=False)
            _definition_and_sql(frame, name, definition)
            rows = without_attrs(frame if rows is None else rows)
            if not rows_are_shown:
                _rows_popover(rows, name, question, column_config)
            _download_button("CSV", rows, name, "csv", "text/csv", csv)
            _download_button("Parquet", rows, name, "parquet", "application/vnd.apache.parquet", parquet)


def _definition_and_sql(frame: DataFrame, name: str, definition: str) -> None:
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


def _rows_popover(rows: DataFrame, name: str, question: str, columns: dict[str, Any] | None) -> None:
    with st.popover(
        "Rows", icon=":material/table:", type="tertiary", help=f"{len(rows):,} rows", key=f"tool-rows-{name}"
    ):
        moments = rows.select_dtypes(include=["datetimetz"]).columns
        st.dataframe(
            rows,
            hide_index=True,
            column_config=dict.fromkeys(moments, TIMESTAMP_COLUMN) | (columns or {}),
            width=640,
            height=360,
            placeholder="—",
            alt=f"Rows of: {question}",
            key=f"rows-{name}",
        )


def _download_button(
    label: str, rows: DataFrame, name: str, ending: str, mime: str, write: Callable[[DataFrame], bytes]
) -> None:
    until = as_of.selected_as_of() or datetime.now(UTC)
    export.export_button(
        label,
        rows,
        write,
        key=f"tool-{ending}-{name}",
        file_name=f"almanac-{name}-{until:%Y-%m-%d}.{ending}",
        mime=mime,
        icon=":material/download:" if ending == "csv" else ":material/deployed_code:",
    )
