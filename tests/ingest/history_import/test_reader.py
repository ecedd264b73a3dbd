"""A history file is read block by block, and each record keeps its line number."""

import gzip
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.errors import BadInput
from ingest.history_import import reader
from ingest.history_import.reader import HistoryFile, number_lines
from ingest.history_import.validate import validate_block

HEADER = "captured_on,full_name,stars,forks,open_issues\n"
TODAY = date(2026, 11, 23)


def valid_and_rejected_lines(path: Path) -> tuple[list[int], list[tuple[int, str]]]:
    """Return the lines of valid rows, and rejected lines with their reasons."""
    good: list[int] = []
    bad: list[tuple[int, str]] = []
    with HistoryFile(path) as file:
        for block in file.blocks():
            checked = validate_block(block, TODAY)
            good += checked.rows["line"].to_pylist()
            bad += [(row.line, row.reason) for row in checked.rejected]
    return good, bad


def bad_input_message(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        valid_and_rejected_lines(path)
    return str(caught.value)


@pytest.mark.parametrize("block_bytes", [200, 1 << 20])
def test_every_line_keeps_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    """Earlier malformed, empty and rejected lines do not shift it, wherever a block ends."""
    monkeypatch.setattr(reader, "BLOCK_BYTES", block_bytes)
    path = tmp_path / "h.csv"
    good = "2021-01-01,o/r,1,2,3"
    body = [good, "2021-01-01,o/r", "", good, "x,o/r,1,2,3", *[good] * 20, "", "1,2,3,4,5,6,7", "", good, "a,b"]
    path.write_text("\ufeff" + HEADER + "\n".join(body) + "\n", encoding="utf-8")
    expected = [number for number, line in enumerate(body, 2) if line == good]
    lines, bad = valid_and_rejected_lines(path)
    assert lines == expected
    assert bad == [
        (3, "has 2 columns where the header has 5"),
        (6, "captured_on is not a date"),
        (28, "has 7 columns where the header has 5"),
        (31, "has 2 columns where the header has 5"),
    ]


@given(some.integers(0, 30), some.sets(some.integers(2, 40)))
def test_line_numbers_skip_rejected_lines(rows: int, skipped: set[int]) -> None:
    """Rows get the remaining numbers in order, whatever the blocks."""
    expected = [number for number in range(2, 100) if number not in skipped][:rows]
    for size in (1, 7, 30):
        line, numbers, left = 2, [], sorted(skipped)
        for start in range(0, rows, size):
            lines, line = number_lines(line, min(size, rows - start), left)
            left = [number for number in left if number >= line]
            numbers += lines.to_pylist()
        assert numbers == expected


def test_columns_are_found_by_name_in_any_order_and_case(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text('Stars,"Forks",open_issues, FULL_NAME ,mood,captured_on\n1,2,3,o/r,good,2021-01-01\n')
    with HistoryFile(path) as file:
        block = next(file.blocks())
        assert file.ignored == ["mood"]
        row = validate_block(block, TODAY).rows.to_pylist()[0]
    assert row == {
        "line": 2,
        "stars": 1,
        "forks": 2,
        "open_issues": 3,
        "full_name": "o/r",
        "captured_on": date(2021, 1, 1),
    }


def test_the_file_format_is_detected_from_the_content(tmp_path: Path) -> None:
    rows = (HEADER + "2021-01-01,o/r,1,2,3\n").encode()
    for name, content in (("a.parquet", rows), ("b.csv", gzip.compress(rows, mtime=0)), ("c", gzip.compress(rows) * 1)):
        (tmp_path / name).write_bytes(content)
        assert valid_and_rejected_lines(tmp_path / name) == ([2], [])


def test_parquet_of_any_type_is_read_by_the_same_rules(tmp_path: Path) -> None:
    """Floats with nulls, timestamps, dictionaries and large text are read as pandas and others write them."""
    table = pa.table(
        {
            "captured_on": pa.array([np.datetime64("2021-01-01T00:00:00", "ns")] * 4),
            "full_name": pa.array(["o/r", "o/r", None, "o/r"]).dictionary_encode(),
            "stars": pa.array([1.0, None, 3.0, 4.5]),
            "forks": pa.array([1, 2, 3, 4], pa.uint64()),
            "open_issues": pa.array(["1", "2", "3", "4"], pa.large_string()),
        }
    )
    pa.parquet.write_table(table, tmp_path / "h.parquet")
    assert valid_and_rejected_lines(tmp_path / "h.parquet") == (
        [1],
        [(2, "stars is missing"), (3, "full_name is missing"), (4, "stars is not a whole number")],
    )


def test_columns_of_unsupported_types_reject_their_rows(tmp_path: Path) -> None:
    table = pa.table(
        {
            "captured_on": pa.array([2**60, 0], pa.timestamp("us")),
            "full_name": pa.array([b"o/r", b"o/r"], pa.binary()),
            "stars": pa.array([[1], None]),
            "forks": pa.array([True, False]),
            "open_issues": pa.nulls(2),
        }
    )
    pa.parquet.write_table(table, tmp_path / "h.parquet")
    good, bad = valid_and_rejected_lines(tmp_path / "h.parquet")
    assert good == []
    assert [reason for _, reason in bad] == ["captured_on is not a date", "captured_on is before GitHub began"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is neither CSV nor Parquet"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is neither CSV nor Parquet"),
        ("captured_on,full_name".encode("utf-16"), "is neither CSV nor Parquet"),
        (b"captured_on;full_name;stars;forks;open_issues\n", "has no column captured_on"),
        (b"captured_on,full_name,stars\n2021-01-01,o/r,1\n", "has no column forks, open_issues"),
        (b"stars,STARS,captured_on,full_name,forks,open_issues\n", "has duplicate columns"),
        (HEADER.encode() + b"2021-01-01,o/\xe4,1,2,3\n", "is not encoded in UTF-8"),
        (gzip.compress(HEADER.encode() * 2000, mtime=0)[:-20], "is truncated"),
        (b"\x1f\x8bnonsense", "cannot be read as CSV"),
        (b"PAR1nonsense", "cannot be read as Parquet"),
    ],
)
def test_an_unreadable_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes(content)
    message = bad_input_message(path)
    assert sentence in message
    assert "\n" not in message
    assert message.startswith(str(path))


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    pa.parquet.write_table(pa.table({name: ["1"] * 1000 for name in reader.REQUIRED_COLUMNS}), path)
    path.write_bytes(path.read_bytes()[:-30])
    assert "cannot be read as Parquet" in bad_input_message(path)


def test_parquet_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    bad = pa.StringArray.from_buffers(1, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xe4"))
    pa.parquet.write_table(pa.table(dict.fromkeys(reader.REQUIRED_COLUMNS, bad)), path)
    assert "is not encoded in UTF-8" in bad_input_message(path)


def test_a_missing_file_is_one_error_sentence(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in bad_input_message(tmp_path / "nothing.csv")
    assert "cannot be read: Is a directory" in bad_input_message(tmp_path)
