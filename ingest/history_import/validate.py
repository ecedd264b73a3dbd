"""Blocks of a history file, checked: good rows with typed columns, and the others with what is wrong with them.

Each distinct value is judged once per block by the rules of `cells`; whole columns of plain numbers are taken at once.
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
    """How each known column is read, and as what."""
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
    """Part the good rows of *block*, as a table with its columns and `line`, from the others."""
    by_name = column_parsers(today)
    columns: dict[str, pa.Array] = {"line": block.lines}
    wrong = pa.nulls(block.records.num_rows, pa.string())
    for name in block.records.schema.names:
        columns[name], reasons = parse_column(block.records[name], *by_name[name])
        if reasons is not None:
            wrong = pc.coalesce(wrong, pc.binary_join_element_wise(name, reasons, " "))
    rejected = [RejectedRow(line, reason, (text,)) for line, reason, text in block.malformed]
    rows = pa.table(columns)
    if wrong.null_count < len(wrong):
        rejected += _rejected_rows(block, wrong)
        rows = rows.filter(pc.is_null(wrong))
    return ValidatedBlock(rows, sorted(rejected, key=lambda row: row.line))


def parse_column(column: pa.Array, rule: CellParser, kind: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """Read a column by *rule*; beside the values, what is wrong with each, or None when nothing is."""
    if kind == pa.int32() and (plain := _integer_counts(column)) is not None:
        return plain, None
    given, places = _distinct_values(column)
    judged = [_parse_cell(value, rule) for value in given]
    values = pa.array([value for value, _ in judged], kind).take(places)
    if not any(reason for _, reason in judged):
        return values, None
    return values, pa.array([reason for _, reason in judged], pa.string()).take(places)


def _distinct_values(column: pa.Array) -> tuple[list[object], pa.Array]:
    """The distinct values of a column, and the place of each row's among them."""
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    try:
        column = column.dictionary_encode(null_encoding="encode")
    except pa.ArrowNotImplementedError:  # an unusual type, which the rules will refuse or read value by value
        return [_as_python(value) for value in column], pa.array(range(len(column)), pa.int32())
    return [_as_python(value) for value in column.dictionary], column.indices


def _as_python(value: pa.Scalar) -> object:
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return f"{value.type} {value.value}"  # a moment beyond what Python can hold: no rule accepts it


def _parse_cell(value: object, rule: CellParser) -> tuple[object, str | None]:
    try:
        return rule(value), None
    except ValueError as error:
        return None, str(error)


def _integer_counts(column: pa.Array) -> pa.Array | None:
    """The column as integers when every cell is plainly one; None sends it to the rules, cell by cell."""
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


def _rejected_rows(block: Block, wrong: pa.Array) -> list[RejectedRow]:
    bad = pc.is_valid(wrong)
    columns = [[_as_python(value) for value in column.filter(bad)] for column in block.records.columns]
    lines, reasons = block.lines.filter(bad).to_pylist(), wrong.filter(bad).to_pylist()
    return [
        RejectedRow(line, reason, tuple("" if value is None else str(value) for value in record))
        for line, reason, *record in zip(lines, reasons, *columns, strict=True)
    ]
