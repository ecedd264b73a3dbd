"""Exports have the page's rows and are safe in spreadsheets."""

from datetime import UTC, datetime
from io import BytesIO

import pandas as pd
import pyarrow as pa
import pytest
from pandas import DataFrame

from core.exports import csv, parquet

CHECKED_AT = datetime(2026, 8, 22, 6, 30, tzinfo=UTC)


def arrow_frame() -> DataFrame:
    table = pa.table(
        {
            "full_name": ["octo/cat", "octo/=cmd"],
            "description": ["=HYPERLINK(1)", None],
            "stars": pa.array([1200, None], pa.int32()),
            "topics": pa.array([["cats", "git"], None], pa.list_(pa.string())),
            "checked_at": pa.array([CHECKED_AT, None], pa.timestamp("us", tz="UTC")),
            "is_fork": [True, False],
        }
    )
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def test_csv_has_iso_timestamps_lists_in_one_field_and_empty_nulls():
    lines = csv(arrow_frame()).decode().splitlines()
    assert lines[0] == "full_name,description,stars,topics,checked_at,is_fork"
    assert lines[1] == '"octo/cat","\'=HYPERLINK(1)",1200,"cats git","2026-08-22T06:30:00Z",true'
    assert lines[2] == '"octo/=cmd",,,,,false'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
@pytest.mark.parametrize("dtype", ["string", "object", "str", "string[pyarrow]", pd.ArrowDtype(pa.string())])
def test_text_like_a_formula_is_escaped_whatever_the_column_type(text, dtype):
    rows = DataFrame({"description": pd.Series([text, "plain"], dtype=dtype)})
    back = pd.read_csv(BytesIO(csv(rows)), keep_default_na=False)
    assert back["description"].tolist() == [f"'{text}".replace("\r", back["description"][0][1]), "plain"]


def test_negative_numbers_are_numbers():
    assert csv(DataFrame({"growth": pd.array([-5, None], dtype="Int64")})).decode() == "growth\n-5\n\n"


def test_quotes_commas_and_line_breaks_survive_the_round_trip():
    rows = DataFrame({"description": ['say "hi", twice', "two\nlines", "Ünïcödé 🐙"]})
    assert pd.read_csv(BytesIO(csv(rows)))["description"].tolist() == rows["description"].tolist()


def test_parquet_keeps_types_without_the_query():
    rows = arrow_frame()
    rows.attrs = {"sql": "SELECT 1", "values": {"as_of": CHECKED_AT}}
    table = pa.parquet.read_table(BytesIO(parquet(rows)))
    assert table.schema.field("stars").type == pa.int32()
    assert table.schema.field("topics").type == pa.list_(pa.string())
    assert table.column("checked_at").to_pylist() == [CHECKED_AT, None]
    assert rows.attrs["values"] == {"as_of": CHECKED_AT}


def test_a_file_without_rows_has_its_columns():
    assert csv(arrow_frame().iloc[:0]).decode() == "full_name,description,stars,topics,checked_at,is_fork\n"
