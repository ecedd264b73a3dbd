"""Exports of frames: CSV that is safe in spreadsheets, and Parquet."""

from csv import writer
from io import BytesIO, StringIO

import pyarrow as pa
import pyarrow.compute as pc
from pandas import DataFrame
from pyarrow import csv as arrow_csv
from pyarrow import parquet as arrow_parquet

# Spreadsheets run text that begins like a formula, and names and descriptions come from strangers.
FORMULA_PATTERN = r"^[=+\-@\t\r]"
ISO_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def csv(rows: DataFrame) -> bytes:
    """Write UTF-8 with timestamps in ISO 8601 (UTC) and the items of a list in one field; nulls are empty."""
    table = _to_table(rows)
    header = StringIO(newline="")
    writer(header, lineterminator="\n").writerow(table.column_names)
    buffer = BytesIO()
    texts = pa.table({name: _to_text_or_number(table[name]) for name in table.column_names})
    arrow_csv.write_csv(texts, buffer, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))
    return header.getvalue().encode() + buffer.getvalue()


def parquet(rows: DataFrame) -> bytes:
    """Write the columns with their own types, compressed."""
    buffer = BytesIO()
    arrow_parquet.write_table(_to_table(rows), buffer, compression="zstd")
    return buffer.getvalue()


def _to_table(rows: DataFrame) -> pa.Table:
    copy = rows.copy(deep=False)
    # The SQL in `attrs` is not part of the rows, and its values may not be serializable.
    copy.attrs = {}
    return pa.Table.from_pandas(copy, preserve_index=False).replace_schema_metadata(None)


def _to_text_or_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column to numbers or text."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(column.cast(pa.timestamp("s", kind.tz), safe=False), format=ISO_FORMAT)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _escape_formulas(pc.binary_join(column.cast(pa.list_(pa.string())), " "))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _escape_formulas(column)
    return column


def _escape_formulas(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    is_formula = pc.match_substring_regex(texts, FORMULA_PATTERN)
    return pc.if_else(
        is_formula, pc.binary_join_element_wise("'", texts.cast(pa.string()), ""), texts.cast(pa.string())
    )
