"""Records and derived frames: Python values, and the SQL that a frame came from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some
from pandas import DataFrame

from core.db.frames import derived, first_record, first_value, read_frame, single_record

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


def test_operations_on_a_frame_keep_its_query_without_copying_the_values(database):
    frame = read_frame("SELECT CAST(:number AS int) AS number", fresh=True, number=7)
    shaped = frame.assign(twice=2 * frame["number"]).head(1)
    assert shaped.attrs == {"sql": "SELECT CAST(:number AS int) AS number", "values": {"number": 7}}
    assert shaped.attrs["values"] is frame.attrs["values"]


TYPED_SQL = """
    SELECT CAST(number AS int) AS integer, CAST(number AS bigint) AS total, CAST(number AS numeric) AS summed,
           CAST(number AS float8) AS share, number > 1 AS flag, CAST(number AS text) AS name,
           timestamptz '2026-03-01Z' + number * interval '1 day' AS at, number * interval '1 hour' AS every,
           date '2026-03-01' + CAST(number AS int) AS day
      FROM unnest(CAST(:numbers AS int[])) AS number
"""
TYPES = {
    **{"integer": "Int64", "total": "Int64", "summed": "Float64", "share": "Float64", "flag": "boolean"},
    **{"name": "string", "at": "datetime64[us, UTC]", "every": "timedelta64[us]", "day": "string"},
}


@given(some.lists(some.none() | some.integers(-1000, 1000), max_size=5))
@example([])
@example([None])
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_column_has_the_type_of_its_sql_whatever_the_values(database, numbers):
    frame = read_frame(TYPED_SQL, fresh=True, numbers=numbers)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == TYPES
    expected = [None if number is None else number + 1 for number in numbers]
    assert [None if pd.isna(number) else int(number) for number in frame["integer"] + 1] == expected
    assert [None if pd.isna(at) else (at - datetime(2026, 3, 1, tzinfo=UTC)).days for at in frame["at"]] == numbers
