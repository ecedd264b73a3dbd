"""Tables in one style, and row selection that is kept in the URL."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import streamlit as st
from pandas import DataFrame
from streamlit import dataframe_util

from core.shared_cache import kept
from pages.components import export, query_params
from pages.session import guard

ROW_HEIGHT_PX = 35  # what Streamlit gives the header and each row
BORDER_PX = 3
DEFAULT_MAX_HEIGHT_PX = 430


def table_height(row_count: int, max_height: int = DEFAULT_MAX_HEIGHT_PX) -> int:
    """Return the height in pixels at which *row_count* rows and the header just fit, at most *max_height*."""
    return min(max_height, ROW_HEIGHT_PX * (row_count + 1) + BORDER_PX)


def without_attrs(frame: DataFrame) -> DataFrame:
    """Return *frame* without `attrs` (its SQL and values), which Streamlit would send to the browser."""
    shown = frame.copy(deep=False)
    shown.attrs = {}
    return shown


def arrow_table(frame: DataFrame) -> pa.Table:
    """Return *frame* without its `attrs` as Arrow, which `st.dataframe` sends as it is; converted once for equal rows."""
    return kept(_convert, lambda table: table.nbytes, frame)


def _convert(frame: DataFrame) -> pa.Table:
    return dataframe_util.convert_pandas_df_to_arrow_table(without_attrs(frame))


def show_table(
    frame: DataFrame,
    columns: Mapping[str, Any],
    *,
    key: str,
    alt: str,
    max_height: int = DEFAULT_MAX_HEIGHT_PX,
    exported: bool = True,
    **options: Any,
) -> Any:
    """Draw those columns of *frame* that *columns* configures, in that order. Returns what `st.dataframe` returns.

    max_height  pixels; longer tables scroll
    exported    whether to draw downloads of these rows below; without, the caller draws them
    options     further arguments of `st.dataframe`
    """
    shown = frame[list(columns)]
    event = st.dataframe(
        arrow_table(shown),
        column_config=dict(columns),
        hide_index=True,
        placeholder="—",
        height=table_height(len(frame), max_height),
        alt=alt,
        key=key,
        **options,
    )
    if exported:
        show_export_buttons(without_attrs(shown), key.removesuffix("-table"))
    return event


def show_export_buttons(rows: DataFrame, name: str) -> None:
    """Draw the downloads of a table that is not in a cell, in one line."""
    with st.container(horizontal=True, key=f"exports-{name}", gap="xsmall"):
        export.export_buttons(rows, name)


def choose_row(
    frame: DataFrame,
    columns: Mapping[str, Any],
    *,
    ids: Iterable[object],
    param: str,
    key: str,
    alt: str,
    max_height: int = DEFAULT_MAX_HEIGHT_PX,
) -> None:
    """Draw a table like `show_table` whose selected row is kept in the URL.

    ids    one value per row of *frame*
    param  the query parameter that holds the selected row's id; removed when no row is selected
    """
    row_ids = [str(row_id) for row_id in ids]
    selected = query_params.get(param).lower()
    positions = [position for position, row_id in enumerate(row_ids) if row_id.lower() == selected]

    @guard.callback()
    def store_selection_in_url() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        query_params.set_param(param, row_ids[rows[0]] if rows and rows[0] < len(row_ids) else "")

    show_table(
        frame,
        columns,
        key=key,
        alt=alt,
        max_height=max_height,
        on_select=store_selection_in_url,
        selection_mode="single-row",
        selection_default={"selection": {"rows": positions}} if positions else None,
    )
