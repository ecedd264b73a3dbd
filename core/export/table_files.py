"""Write frames as files: CSV, with formulas made literal for spreadsheets, and Parquet."""

from csv import writer
from io import BytesIO, StringIO

import pyarrow as pa
import pyarrow.compute as pc
from pandas import DataFrame
from pyarrow import csv as arrow_csv
from pyarrow import parquet as arrow_parquet

# Spreadsheets run text that begins like a formula, some in full-width letters too; names and descriptions come from
# strangers.
FORMULA_PATTERN = r"^[=+\-@\t\r\n＝＋－＠]"
ISO_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def csv(rows: DataFrame, *, escape_formulas: bool = True) -> bytes:
    """Write UTF-8 for programs: timestamps in ISO 8601 (UTC), the items of a list in one field, nulls empty.

    All text is quoted, so that a line break, also a lone carriage return, stays in its field.
    """
    table = _to_table(rows)
    header = StringIO(newline="")
    writer(header, lineterminator="\n").writerow(table.column_names)
    buffer = BytesIO()
    texts = pa.table({name: _to_text_or_number(table[name], escape_formulas) for name in table.column_names})
    arrow_csv.write_csv(texts, buffer, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))
    return header.getvalue().encode() + buffer.getvalue()


def spreadsheet_csv(rows: DataFrame) -> bytes:
    """Write CSV for people: with the byte order mark by which spreadsheets recognize UTF-8."""
    return BYTE_ORDER_MARK + csv(rows)


def parquet(rows: DataFrame) -> bytes:
    """Write the columns with their own types, compressed."""
    buffer = BytesIO()
    arrow_parquet.write_table(_to_table(rows), buffer, compression="zstd")
    return buffer.getvalue()


def _to_table(rows: DataFrame) -> pa.Table:
    copy = rows.copy(deep=False)
    # The SQL in `attrs` is not part of the rows, and its values may not be serializable.
    copy.attrs = {}
    table = pa.Table.from_pandas(copy, preserve_index=False).replace_schema_metadata(None)
    # Only columns of Python objects have no type while all are null, and those hold text.
    untyped = [number for number, field in enumerate(table.schema) if pa.types.is_null(field.type)]
    for number in untyped:
        name = table.column_names[number]
        table = table.set_column(number, name, pa.nulls(len(table), pa.string()))
    return table


def _to_text_or_number(column: pa.ChunkedArray, escape_formulas: bool) -> pa.ChunkedArray:
    """Convert a column to numbers or text."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(column.cast(pa.timestamp("s", "UTC"), safe=False), format=ISO_FORMAT)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
    if pa.types.is_duration(kind):
        return pc.divide(column.cast(pa.duration("us"), safe=False).cast(pa.int64()).cast(pa.float64()), 1e6)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), " ")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = column.cast(pa.string())
        return _escape_formulas(texts) if escape_formulas else texts
    return column


def _escape_formulas(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    is_formula = pc.match_substring_regex(texts, FORMULA_PATTERN)
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", texts, ""), texts)
