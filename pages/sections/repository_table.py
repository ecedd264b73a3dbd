"""The table of the repositories page. Its rows are read as a reader scrolls."""

from datetime import datetime

import streamlit as st
from pandas import DataFrame

from core.queries import repository_list
from core.queries.repository_list import Filters
from pages.components import columns, definitions
from pages.components.as_of import selected_vs, unknown_sentence
from pages.components.cell import cell_border, cell_footer, cell_menu, definition_and_sql, record_cell
from pages.components.compare_link import compare_link
from pages.components.export import export_buttons_for
from pages.components.format import day, number
from pages.components.queried_rows import PAGE_ROWS, QueriedRows
from pages.components.table import table_height, without_attrs
from pages.components.table_cell import table_cell
from pages.sections.repository_rows import display_rows

NAME = "repositories"
QUESTION = "Which repositories are stored, and what is known about each?"
HOW_TO_READ = "Click a heading to sort. A dash means unknown, never zero; Refreshed says how old a row's numbers are."
ALT = "Repositories that match the filters"
MAX_HEIGHT_PX = 560
COMPARE_LABEL = "Compare the first ten over time"
# Columns of the table that are not columns of the query.
SORT_COLUMNS = {"repository": "full_name", "account": "owner"}


def show_repositories(filters: Filters, order: str, matching: int, no_match: str) -> None:
    """Draw the *matching* repositories in an order of `repository_list.ORDER_BY`; without any the sentence *no_match*.

    Compared with another time, those that changed most come first. What a reader sorts by a heading is sorted in the
    database.
    """
    vs = selected_vs()
    first = _read_page(filters, order, vs, 0, PAGE_ROWS)
    shown_columns = (
        columns.with_compared(columns.REPOSITORIES, "stars", "Stars", day(vs)) if vs else columns.REPOSITORIES
    )
    changed_first = f" Compared with {day(vs)}, most changed first." if vs else ""
    how_to_read = HOW_TO_READ + changed_first + unknown_sentence(repository_list.count_unknown(filters))
    if not matching:
        table_cell(QUESTION, how_to_read, first, shown_columns, name=NAME, empty=no_match)
        return

    def read(offset: int, limit: int, sort: str, is_descending: bool) -> DataFrame:
        sort = SORT_COLUMNS.get(sort, sort)
        page = _read_page(filters, order, vs, offset, limit, sort, is_descending)
        return without_attrs(display_rows(page, filters.as_of, vs)[list(shown_columns)])

    with cell_border(QUESTION, how_to_read, NAME):
        st.dataframe(
            QueriedRows(read, matching),
            column_config=dict(shown_columns),
            hide_index=True,
            placeholder="—",
            height=table_height(matching, MAX_HEIGHT_PX),
            alt=ALT,
            key=f"{NAME}-table",
            lazy=True,
        )
        with cell_footer(NAME, ""):
            definition_and_sql(first, NAME, definitions.REPOSITORY_COUNTS)
            export_buttons_for(lambda: without_attrs(_read_all(filters, order, vs)), matching, NAME)
            cell_menu(NAME, QUESTION, "", first, without_attrs(first))
    listed = "" if matching <= PAGE_ROWS else f" The first {number(len(first))} of {number(matching)}."
    record_cell(
        QUESTION, how_to_read + listed, first, without_attrs(first),
        name=NAME, note="", definition=definitions.REPOSITORY_COUNTS, api="",
    )  # fmt: skip
    compare_link(first["full_name"], COMPARE_LABEL)


def _read_page(
    filters: Filters,
    order: str,
    vs: datetime | None,
    offset: int,
    limit: int,
    sort: str = "",
    is_descending: bool = False,
) -> DataFrame:
    if vs is None:
        return repository_list.matching_page(filters, order, offset, limit, sort=sort, descending=is_descending)
    return repository_list.compared_page(filters, order, vs, offset, limit, sort=sort, descending=is_descending)


def _read_all(filters: Filters, order: str, vs: datetime | None) -> DataFrame:
    if vs is None:
        return repository_list.matching_repositories(filters, order)
    return repository_list.compared_repositories(filters, order, vs)
