"""Records and derived frames: Python values, and the SQL that a frame came from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pandas import DataFrame

from core.db.frames import derived, first_record, first_value, single_record

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    number: int | None
    at: datetime | None
    every: timedelta | None
    text: str | None


def rows(**columns: list[object]) -> DataFrame:
    values = {"number": [7], "at": [AT], "every": [timedelta(hours=6)], "text": ["cat"], **columns}
    return DataFrame(values).astype({"number": "Int64", "at": "datetime64[us, UTC]", "every": "timedelta64[us]"})


def test_a_record_holds_python_values():
    record = first_record(rows(), Row)
    assert record == Row(7, AT, timedelta(hours=6), "cat")
    assert [type(value) for value in (record.number, record.at, record.every)] == [int, datetime, timedelta]


def test_nulls_become_none():
    empty = rows().reindex([1]).astype({"number": "Int64"})
    assert first_record(empty, Row) == Row(*4 * [None])


def test_no_rows_are_no_record():
    assert first_record(rows().head(0), Row) is None
    assert first_value(rows().head(0)) is None
    with pytest.raises(LookupError):
        single_record(rows().head(0), Row)


def test_a_derived_frame_has_the_sql_of_its_source_and_leaves_both_frames_alone():
    source, frame = rows(), DataFrame({"label": ["a"]})
    source.attrs = {"sql": "SELECT 1", "values": {}}
    result = derived(frame, source)
    assert result.attrs == source.attrs
    assert frame.attrs == {}
    result.attrs["sql"] = "SELECT 2"
    assert source.attrs["sql"] == "SELECT 1"
