"""The table of the repositories page. Its rows are read as a reader scrolls; compared with another time, all at once."""

import streamlit as st
from pandas import DataFrame

from core.queries import repository_list
from core.queries.repository_list import Filters
from pages.components import columns, definitions
from pages.components.as_of import selected_vs, unknown_sentence
from pages.components.cell import cell_border, cell_footer, cell_menu, definition_and_sql
from pages.components.compare_link import compare_link
from pages.components.export import export_buttons_for
from pages.components.format import day
from pages.components.queried_rows import PAGE_ROWS, QueriedRows, ReadRows
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

    What a reader sorts by a heading is sorted in the database.
    """
    if not matching or selected_vs():
        _show_at_once(filters, order, no_match)
        return
    with cell_border(QUESTION, HOW_TO_READ + unknown_sentence(repository_list.count_unknown(filters)), NAME):
        first = repository_list.matching_page(filters, order, 0, PAGE_ROWS)
        st.dataframe(
            QueriedRows(_reader(filters, order), matching),
            column_config=dict(columns.REPOSITORIES),
            hide_index=True,
            placeholder="—",
            height=table_height(matching, MAX_HEIGHT_PX),
            alt=ALT,
            key=f"{NAME}-table",
            lazy=True,
        )
        with cell_footer(NAME, ""):
            definition_and_sql(first, NAME, definitions.REPOSITORY_COUNTS)
            export_buttons_for(
                lambda: without_attrs(repository_list.matching_repositories(filters, order)), matching, NAME
            )
            cell_menu(NAME, QUESTION, "", first, without_attrs(first))
    compare_link(first["full_name"], COMPARE_LABEL)


def _show_at_once(filters: Filters, order: str, no_match: str) -> None:
    vs = selected_vs()
    if vs is None:
        repositories, shown_columns = repository_list.matching_repositories(filters, order), columns.REPOSITORIES
    else:
        repositories = repository_list.compared_repositories(filters, order, vs)
        shown_columns = columns.with_compared(columns.REPOSITORIES, "stars", "Stars", day(vs))
    changed_first = f" Compared with {day(vs)}, most changed first." if vs else ""
    table_cell(
        QUESTION,
        HOW_TO_READ + changed_first + unknown_sentence(repository_list.count_unknown(filters)),
        repositories,
        shown_columns,
        name=NAME,
        shown=display_rows(repositories, filters.as_of, vs),
        alt=ALT,
        max_height=MAX_HEIGHT_PX,
        lazy=True,
        definition=definitions.REPOSITORY_COUNTS,
        empty=no_match,
    )
    compare_link(repositories["full_name"], COMPARE_LABEL)


def _reader(filters: Filters, order: str) -> ReadRows:
    def read(offset: int, limit: int, sort: str, is_descending: bool) -> DataFrame:
        page = repository_list.matching_page(
            filters, order, offset, limit, sort=SORT_COLUMNS.get(sort, sort), descending=is_descending
        )
        return without_attrs(display_rows(page, filters.as_of)[list(columns.REPOSITORIES)])

    return read
