"""Validates blocks of a history file: splits them into typed rows and rejected rows with reasons.

Each distinct value is parsed once per block by `cells`; columns of plain integers are cast as a whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ingest.history_import import cells
from ingest.history_import.reader import Block

CellParser = Callable[[object], object]


@dataclass(frozen=True)
class RejectedRow:
    line: int
    reason: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class ValidatedBlock:
    rows: pa.Table
    rejected: list[RejectedRow]


def column_parsers(today: date) -> dict[str, tuple[CellParser, pa.DataType]]:
    """Return the parser and Arrow type of each known column."""
    return {
        "captured_on": (partial(cells.parse_day, today=today), pa.date32()),
        "full_name": (cells.parse_full_name, pa.string()),
        "stars": (cells.parse_count, pa.int32()),
        "forks": (cells.parse_count, pa.int32()),
        "open_issues": (cells.parse_count, pa.int32()),
        "watchers": (cells.parse_optional_count, pa.int32()),
        "language": (cells.parse_optional_text, pa.string()),
        "license": (cells.parse_optional_text, pa.string()),
        "description": (cells.parse_optional_text, pa.string()),
        "created_at": (cells.parse_optional_timestamp, pa.timestamp("us", "UTC")),
    }


def validate_block(block: Block, today: date) -> ValidatedBlock:
    """Split *block* into valid rows, a table with its columns and `line`, and rejected rows."""
    by_name = column_parsers(today)
    columns: dict[str, pa.Array] = {"line": block.lines}
    errors = pa.nulls(block.records.num_rows, pa.string())
    for name in block.records.schema.names:
        columns[name], reasons = parse_column(block.records[name], *by_name[name])
        if reasons is not None:
            errors = pc.coalesce(errors, pc.binary_join_element_wise(name, reasons, " "))
    rejected = [RejectedRow(line, reason, (text,)) for line, reason, text in block.malformed]
    rows = pa.table(columns)
    if errors.null_count < len(errors):
        rejected += _rejected_rows(block, errors)
        rows = rows.filter(pc.is_null(errors))
    return ValidatedBlock(rows, sorted(rejected, key=lambda row: row.line))


def parse_column(column: pa.Array, parse: CellParser, dtype: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """Parse a column; returns the values and the error of each (null where valid), or None if all are valid."""
    if dtype == pa.int32() and (counts := _integer_counts(column)) is not None:
        return counts, None
    distinct, indices = _distinct_values(column)
    parsed = [_parse_cell(value, parse) for value in distinct]
    values = pa.array([value for value, _ in parsed], dtype).take(indices)
    if not any(error for _, error in parsed):
        return values, None
    return values, pa.array([error for _, error in parsed], pa.string()).take(indices)


def _distinct_values(column: pa.Array) -> tuple[list[object], pa.Array]:
    """Return the distinct values of a column, and the index of each row's value."""
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    try:
        column = column.dictionary_encode(null_encoding="encode")
    except pa.ArrowNotImplementedError:  # an unusual type: its values are parsed one by one
        return [_as_python(value) for value in column], pa.array(range(len(column)), pa.int32())
    return [_as_python(value) for value in column.dictionary], column.indices


def _as_python(value: pa.Scalar) -> object:
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return f"{value.type} {value.value}"  # a timestamp out of Python's range: no parser accepts it


def _parse_cell(value: object, parse: CellParser) -> tuple[object, str | None]:
    try:
        return parse(value), None
    except ValueError as error:
        return None, str(error)


def _integer_counts(column: pa.Array) -> pa.Array | None:
    """Return the column as integers if every cell is a plain one, else None: its cells are parsed one by one."""
    if column.null_count or not (_is_integer(column) or _is_digits(column)):
        return None
    try:
        counts = column.cast(pa.int32())
    except pa.ArrowInvalid:
        return None
    return counts if len(counts) == 0 or pc.min(counts).as_py() >= 0 else None


def _is_integer(column: pa.Array) -> bool:
    return bool(pa.types.is_integer(column.type))


def _is_digits(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type)) and pc.all(pc.ascii_is_decimal(column)).as_py() is not False


def _rejected_rows(block: Block, errors: pa.Array) -> list[RejectedRow]:
    is_rejected = pc.is_valid(errors)
    columns = [[_as_python(value) for value in column.filter(is_rejected)] for column in block.records.columns]
    lines, reasons = block.lines.filter(is_rejected).to_pylist(), errors.filter(is_rejected).to_pylist()
    return [
        RejectedRow(line, reason, tuple("" if value is None else str(value) for value in record))
        for line, reason, *record in zip(lines, reasons, *columns, strict=True)
    ]
