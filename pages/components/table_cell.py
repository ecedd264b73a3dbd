"""A cell whose answer is a table."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from pandas import DataFrame

from pages.components.as_of import not_collected_sentence
from pages.components.cell import cell_border, cell_footer, cell_menu, definition_and_sql, record_cell
from pages.components.export import export_buttons
from pages.components.table import DEFAULT_MAX_HEIGHT_PX, show_table, without_attrs


def table_cell(
    question: str,
    how_to_read: str,
    frame: DataFrame,
    columns: Mapping[str, Any],
    *,
    name: str,
    shown: DataFrame | None = None,
    alt: str = "",
    note: str = "",
    definition: str = "",
    empty: str = "",
    empty_is_ok: bool = False,
    max_height: int = DEFAULT_MAX_HEIGHT_PX,
    api: str = "",
    **options: Any,
) -> None:
    """Draw one cell that shows *frame*, a frame from `read_frame`, as a table.

    columns      Streamlit's column configuration: which columns are shown, in which order
    name         for keys and file names: unique on the page, words joined by hyphens
    shown        the rows as the table shows them, where that is not *frame* itself; exports always hold *frame*
    alt          text alternative of the table for screen readers; the question unless given
    note         first entry of the footer: as of when, which run, what coverage
    empty        shown when the frame has no rows
    empty_is_ok  no rows is an answer (truly none), not something that is missing
    api          path of the same rows in the API, below /api/v1; a notebook of the page reads them there
    options      further arguments of `st.dataframe`
    """
    with cell_border(question, how_to_read, name):
        if frame.empty:
            icon = ":material/check_circle:" if empty_is_ok else ":material/hourglass_empty:"
            st.info(empty or not_collected_sentence(), icon=icon)
        else:
            table = frame if shown is None else shown
            show_table(
                table,
                columns,
                key=f"{name}-table",
                alt=alt or question,
                max_height=max_height,
                exported=False,
                **options,
            )
        with cell_footer(name, note):
            definition_and_sql(frame, name, definition)
            export_buttons(without_attrs(frame), name)
            cell_menu(name, question, note, frame, without_attrs(frame))
    record_cell(
        question, how_to_read, frame, without_attrs(frame), name=name, note=note, definition=definition, api=api
    )
