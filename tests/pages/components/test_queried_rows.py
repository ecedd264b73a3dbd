"""A table that is read as a reader scrolls: what Streamlit asks of a source of rows, and what ours answers."""

import pandas as pd
import pytest
from streamlit.dataframe.lazy_df_source import (
    FORCED_LAZY_MIN_ROWS,
    DataframeSource,
    SortSpec,
    resolve_lazy_source,
)
from streamlit.elements import arrow

from core.db.frames import pin_version, pinned_version
from pages.components.queried_rows import PAGE_ROWS, QueriedRows

NUMBERS = pd.DataFrame({"name": [f"n{number}" for number in range(3_000)], "size": range(3_000)})


@pytest.fixture
def asked():
    return []


@pytest.fixture
def rows(asked):
    def read(offset, limit, sort, is_descending):
        asked.append((offset, limit, sort, is_descending, pinned_version()))
        found = NUMBERS.sort_values(sort, ascending=not is_descending) if sort else NUMBERS
        return found.iloc[offset : offset + limit]

    pin_version(7)
    yield QueriedRows(read, len(NUMBERS))
    pin_version(None)


def test_streamlit_takes_it_as_a_source_and_reads_the_first_page_alone(rows, asked):
    source = resolve_lazy_source(rows, True, is_selection_activated=False)
    assert source is rows
    assert isinstance(source, DataframeSource)
    first = source.load_rows(0, arrow.dataframe_source.DEFAULT_PAGE_SIZE)
    assert first["size"].to_pylist() == list(range(PAGE_ROWS))
    assert source.row_count == 3_000
    assert asked == [(0, PAGE_ROWS, "", False, 7)]


def test_a_page_further_down_is_sorted_where_it_is_read_and_of_the_same_data_version(rows, asked):
    pin_version(None)  # pages are read in another thread, outside the script run
    page = rows.load_rows(250, 3, sort=SortSpec("size", descending=True))
    assert page["name"].to_pylist() == ["n2749", "n2748", "n2747"]
    assert page.schema == rows.schema
    assert asked[-1] == (250, 3, "size", True, 7)


def test_a_column_that_the_table_has_not_sorts_nothing(rows, asked):
    assert rows.load_rows(5, 1, sort=SortSpec("size; DROP TABLE account"))["size"].to_pylist() == [5]
    assert asked[-1][2] == ""


def test_few_rows_are_sent_at_once(asked):
    few = QueriedRows(lambda offset, limit, *_: NUMBERS.iloc[offset : offset + limit], FORCED_LAZY_MIN_ROWS)
    assert resolve_lazy_source(few, True, is_selection_activated=False) is None
    assert len(few.to_pandas()) == FORCED_LAZY_MIN_ROWS


def test_streamlits_own_sources_stay(rows):
    source = resolve_lazy_source(NUMBERS, True, is_selection_activated=False)
    assert type(source).__name__ == "InMemoryDataframeSource"
    assert source.load_rows(0, 2)["size"].to_pylist() == [0, 1]
