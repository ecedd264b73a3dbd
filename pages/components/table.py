"""Tables in one style, and row selection that is kept in the URL."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import streamlit as st
from pandas import DataFrame, Series
from streamlit import column_config as column
from streamlit import dataframe_util

from core.shared_cache import memoized
from pages.components import export, query_params
from pages.session import guard

ROW_HEIGHT_FONTS = 2.1875  # what Streamlit gives the header and each row, in base font sizes
BORDERS_PX = 2
DEFAULT_MAX_HEIGHT_PX = 430
# Without a plus, which would stand before zero too: +0.
ONE_DECIMAL, TWO_DECIMALS = "%,.1f", "%,.2f"
PERCENT_FORMAT = f"{ONE_DECIMAL}\N{NO-BREAK SPACE}%%"


def table_height(row_count: int, max_height: int = DEFAULT_MAX_HEIGHT_PX) -> int:
    """Return the height in pixels at which *row_count* rows and the header just fit.

    Where that is more than *max_height*, the table ends within it in half a row, which shows that there are more.
    """
    row_height: int = round(ROW_HEIGHT_FONTS * st.get_option("theme.baseFontSize"))
    needed = row_height * (row_count + 1) + BORDERS_PX
    if needed <= max_height:
        return needed
    shown = (max_height - BORDERS_PX) / row_height
    return int((math.floor(shown - 0.5) + 0.5) * row_height) + BORDERS_PX


def share_column(label: str, **options: Any) -> Any:
    """Return a column of shares, 0 to 1 in the rows, shown as percents with one decimal."""
    return column.NumberColumn(label, format=PERCENT_FORMAT, **options)


def share_bar(label: str, **options: Any) -> Any:
    """Return a column like `share_column`, drawn as bars as well."""
    return column.ProgressColumn(label, format=PERCENT_FORMAT, min_value=0, max_value=100, **options)


def rounded_as_shown(frame: DataFrame, columns: Mapping[str, Any]) -> DataFrame:
    """Return *frame* with the decimals that *columns* show, and the shares among them as percents.

    Streamlit's own format "percent" leaves out trailing zeros, so that one column has 14 % and 5.31 %. As in
    `format.percent`, only a full share rounds to 100.
    """
    formats = {name: _format(shown) for name, shown in columns.items() if shown and name in frame}
    return frame.assign(
        **{
            name: ROUNDED[format_](frame[name].astype("Float64"))
            for name, format_ in formats.items()
            if format_ in ROUNDED
        }
    )


def _percents(shares: "Series[Any]") -> "Series[Any]":
    percents = _rounded(shares * 100, 1)
    return percents.mask(((percents == 100) & (shares < 1)).fillna(False), 99.9)


def _rounded(values: "Series[Any]", digits: int) -> "Series[Any]":
    return values.round(digits) + 0.0  # without a minus before zero


ROUNDED: dict[str, Callable[["Series[Any]"], "Series[Any]"]] = {
    PERCENT_FORMAT: _percents,
    ONE_DECIMAL: partial(_rounded, digits=1),
    TWO_DECIMALS: partial(_rounded, digits=2),
}


def _format(shown: Any) -> Any:
    return None if isinstance(shown, str) else (shown.get("type_config") or {}).get("format")


def without_attrs(frame: DataFrame) -> DataFrame:
    """Return *frame* without `attrs` (its SQL and values), which Streamlit would send to the browser."""
    shown = frame.copy(deep=False)
    shown.attrs = {}
    return shown


def arrow_table(frame: DataFrame) -> pa.Table:
    """Return *frame* without its `attrs` as Arrow, which `st.dataframe` sends as it is; converted once for equal rows."""
    return memoized(_convert, lambda table: table.nbytes, frame)


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
        arrow_table(rounded_as_shown(shown, columns)),
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
