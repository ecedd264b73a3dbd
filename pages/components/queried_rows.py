"""A table whose rows are read from the database as a reader scrolls and sorts.

Streamlit (1.67) serves lazy tables from an internal protocol, `DataframeSource`, and has no public way to add a source
yet. This module adds ours where Streamlit chooses one; `tests/pages/components/test_queried_rows.py` holds the contract.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
from streamlit.dataframe import lazy_df_adapters, lazy_df_source
from streamlit.dataframe.lazy_df_source import AccessMode, DataframeSource, SortSpec

from core.db.frames import pin_version, pinned_version

PAGE_ROWS = 250
"""Rows in one message to the browser; Streamlit's own 1,000 would be sent before anybody scrolls."""
# By offset, limit, the column to sort by ("": none) and whether descending.
ReadRows = Callable[[int, int, str, bool], pd.DataFrame]


class QueriedRows:
    """Rows that *read* returns page by page; they are read outside script runs, in other threads.

    Every page has the columns and types of the first; all are of the data version that the script run has pinned.
    """

    sortable = True
    access_mode = AccessMode.RANDOM_ACCESS

    def __init__(self, read: ReadRows, row_count: int) -> None:
        self.row_count = row_count
        self._read = read
        self._version = pinned_version()
        self._first = self._to_arrow(read(0, PAGE_ROWS, "", False))

    @property
    def schema(self) -> pa.Schema:
        return self._first.schema

    def load_rows(self, offset: int, limit: int, *, sort: SortSpec | None = None) -> pa.Table:
        """Return a page; raises where the database is unavailable, which the browser shows as an error of the table."""
        if sort is None and offset + limit <= len(self._first):
            return self._first.slice(offset, limit)
        pin_version(self._version)
        column = sort.column if sort else ""
        if column not in ["", *self.schema.names]:
            column = ""
        rows = self._read(offset, limit, column, bool(sort and sort.descending))
        return self._to_arrow(rows).cast(self.schema)

    def to_pandas(self) -> pd.DataFrame:
        """Return all rows: Streamlit sends few rows at once."""
        return self._read(0, self.row_count, "", False)

    @staticmethod
    def _to_arrow(rows: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(rows, preserve_index=False)


_native_source = lazy_df_adapters.try_create_native_source


def _try_create_source(data: object) -> DataframeSource | Any:
    return data if isinstance(data, QueriedRows) else _native_source(data)


lazy_df_adapters.try_create_native_source = _try_create_source
lazy_df_source.DEFAULT_PAGE_SIZE = PAGE_ROWS  # type: ignore[misc]
