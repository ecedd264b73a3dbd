"""Reads a history file (CSV, gzipped CSV or Parquet) block by block into Arrow record batches."""

import csv
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from core.errors import BadInput, first_line
from core.wording import byte_size, quantity

REQUIRED_COLUMNS = ("captured_on", "full_name", "stars", "forks", "open_issues")
OPTIONAL_COLUMNS = ("watchers", "language", "license", "description", "created_at")
BLOCK_BYTES = 4 * 1024 * 1024
BLOCK_ROWS = 65_536


@dataclass
class Block:
    """Records of a file as they are; `lines` has their line numbers from 1 on (a CSV's header is line 1)."""

    lines: pa.Array
    records: pa.RecordBatch
    malformed: list[tuple[int, str, str]] = field(default_factory=list)


class HistoryFile(AbstractContextManager["HistoryFile"]):
    """An open history file with its known columns, its ignored columns and its blocks.

    Raises BadInput if it cannot be read, is neither CSV nor Parquet, or lacks a column.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total: int | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            with self.path.open("rb") as file:
                start = file.read(4)
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read: {error.strerror}") from error
        if not start:
            raise BadInput(f"{self.path} is empty")
        try:
            self._blocks = self._parquet() if start == b"PAR1" else self._csv(gzipped=start.startswith(b"\x1f\x8b"))
        except (pa.ArrowException, OSError) as error:
            self._open.close()
            raise BadInput(self._unreadable_message(error)) from error
        except BadInput:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def blocks(self) -> Iterator[Block]:
        """Yield the records in order. Raises BadInput if the file is truncated or damaged."""
        try:
            yield from self._blocks
        except (pa.ArrowException, OSError) as error:
            raise BadInput(self._unreadable_message(error)) from error

    def _parquet(self) -> Iterator[Block]:
        file = self._open.enter_context(pa.parquet.ParquetFile(self.path, memory_map=True))
        self._select_columns(file.schema_arrow.names)
        self.total = file.metadata.num_rows
        return self._parquet_blocks(file)

    def _parquet_blocks(self, file: pa.parquet.ParquetFile) -> Iterator[Block]:
        line = 1
        for batch in file.iter_batches(BLOCK_ROWS, columns=list(self._canonical_names)):
            # The reader does not check that text is UTF-8.
            batch.validate(full=True)
            yield Block(_line_numbers(line, batch.num_rows), self._renamed(batch))
            line += batch.num_rows

    def _csv(self, *, gzipped: bool) -> Iterator[Block]:
        malformed: list[tuple[int, str, str]] = []

        def refuse(row: pa.csv.InvalidRow) -> str:
            reason = f"has {quantity(row.actual_columns, 'column')} where the header has {row.expected_columns}"
            malformed.append((row.number, reason, row.text))
            return "skip"

        names = self._read_header(gzipped=gzipped)
        self._select_columns(names)
        reader = pa.csv.open_csv(
            self._open_stream(gzipped=gzipped),
            read_options=pa.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            # Empty lines are read and filtered later, so that the others keep their line numbers.
            parse_options=pa.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=refuse
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=list(self._canonical_names),
                strings_can_be_null=False,
            ),
        )
        self._open.enter_context(reader)
        return self._csv_blocks(reader, malformed)

    def _csv_blocks(self, reader: pa.csv.CSVStreamingReader, malformed: list[tuple[int, str, str]]) -> Iterator[Block]:
        line = 2
        for batch in reader:
            # The reader parses ahead: a malformed row belongs to the block that contains its line number.
            lines, line = number_lines(line, batch.num_rows, [number for number, _, _ in malformed])
            skipped = [row for row in malformed if row[0] < line]
            malformed[:] = malformed[len(skipped) :]
            yield _without_empty_rows(Block(lines, self._renamed(batch), skipped))
        if malformed:
            yield Block(_line_numbers(line, 0), self._renamed(batch.slice(0, 0)), malformed)

    def _read_header(self, *, gzipped: bool) -> list[str]:
        start = self._open_stream(gzipped=gzipped).read(BLOCK_BYTES) or b""
        line = next(iter(start.removeprefix(b"\xef\xbb\xbf").splitlines()), b"")
        try:
            names = next(csv.reader([line.decode()]), [])
        except (UnicodeDecodeError, csv.Error):
            names = []
        if not names or b"\0" in line:
            raise BadInput(f"{self.path} is neither CSV nor Parquet: it does not start with column names")
        return names

    def _open_stream(self, *, gzipped: bool) -> pa.NativeFile:
        file = self._open.enter_context(pa.OSFile(str(self.path), "rb"))
        return self._open.enter_context(pa.CompressedInputStream(file, "gzip")) if gzipped else file

    def _select_columns(self, names: list[str]) -> None:
        known = [name for name in names if _normalized_name(name) in REQUIRED_COLUMNS + OPTIONAL_COLUMNS]
        self._canonical_names = {name: _normalized_name(name) for name in known}
        self.columns = list(self._canonical_names.values())
        self.ignored = [name for name in names if name not in self._canonical_names]
        missing = [name for name in REQUIRED_COLUMNS if name not in self.columns]
        if missing:
            found = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            raise BadInput(f"{self.path} has no column {', '.join(missing)}; it has {found}")
        if len(set(self.columns)) < len(known) or len(set(names)) < len(names):
            raise BadInput(f"{self.path} has duplicate columns: {', '.join(names)}")

    def _renamed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.rename_columns([self._canonical_names[name] for name in batch.schema.names])

    def _unreadable_message(self, error: Exception) -> str:
        reason = first_line(error)
        if "UTF8" in reason:
            return f"{self.path} is not encoded in UTF-8: {reason}"
        if "straddling" in reason:
            limit = byte_size(BLOCK_BYTES)
            return f"{self.path} has a row of more than {limit}; a closing quotation mark may be missing"
        if "Truncated compressed" in reason:
            return f"{self.path} is truncated: its end is missing"
        return f"{self.path} cannot be read as {self._format_name()}: {reason}"

    def _format_name(self) -> str:
        with self.path.open("rb") as file:
            return "Parquet" if file.read(4) == b"PAR1" else "CSV"


def number_lines(first: int, rows: int, skipped: list[int]) -> tuple[pa.Array, int]:
    """Return line numbers for *rows* records from *first* on without the *skipped* ones, and the next number."""
    lines = np.arange(first, first + rows, dtype=np.int64)
    for number in sorted(skipped):
        lines[lines >= number] += 1
    return pa.array(lines), int(lines[-1]) + 1 if rows else first


def _line_numbers(first: int, rows: int) -> pa.Array:
    return pa.array(np.arange(first, first + rows, dtype=np.int64))


def _normalized_name(name: str) -> str:
    return name.strip().lower()


def _without_empty_rows(block: Block) -> Block:
    names = pc.equal(block.records["full_name"], "")
    if not pc.any(names).as_py():
        return block
    empty = names
    for column in block.records.columns:
        empty = pc.and_(empty, pc.equal(column, ""))
    filled = pc.invert(empty)
    return Block(block.lines.filter(filled), block.records.filter(filled), block.malformed)
