"""Exports have the page's rows and are safe in spreadsheets."""

import json
from csv import reader
from datetime import UTC, datetime
from io import BytesIO, StringIO

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some
from pandas import DataFrame

from core.export.table_files import csv, parquet, spreadsheet_csv

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


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "\n=1"])
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


def test_only_files_for_people_have_a_byte_order_mark():
    assert csv(arrow_frame()).startswith(b"full_name")
    assert spreadsheet_csv(arrow_frame()) == "\N{BYTE ORDER MARK}".encode() + csv(arrow_frame())


@pytest.mark.parametrize("text", ["a\rb", "\r", "a\r\nb", "a\nb", 'a"\rb', "a\t,b"])
def test_a_line_break_in_a_text_stays_in_its_field(text):
    rows = list(reader(StringIO(csv(DataFrame({"description": ["x" + text, "next"]})).decode(), newline="")))
    assert rows == [["description"], ["x" + text], ["next"]]


def test_columns_without_any_value_keep_their_type():
    types = {"number": "Int64", "share": "Float64", "flag": "boolean", "at": "datetime64[us, UTC]", "name": "string"}
    rows = DataFrame({name: pd.array([None, None], dtype=dtype) for name, dtype in types.items()})
    schema = pa.parquet.read_table(BytesIO(parquet(rows.assign(anything=None)))).schema
    assert [str(kind) for kind in schema.types[:3]] == ["int64", "double", "bool"]
    assert str(schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert pa.types.is_string(schema.field("anything").type) or pa.types.is_large_string(schema.field("anything").type)


MOMENTS = some.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=some.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)
TEXTS = some.text(some.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)


@some.composite
def frames(draw):
    size = draw(some.integers(0, 4))

    def column(values, dtype):
        return pd.array(draw(some.lists(some.none() | values, min_size=size, max_size=size)), dtype=dtype)

    return DataFrame(
        {
            "number": column(some.integers(-(2**63), 2**63 - 1), "Int64"),
            "share": column(some.floats(allow_nan=False, allow_infinity=False), "Float64"),
            "flag": column(some.booleans(), "boolean"),
            "name": column(TEXTS, "string"),
            "at": pd.DatetimeIndex(
                draw(some.lists(some.none() | MOMENTS, min_size=size, max_size=size)), dtype="datetime64[us, UTC]"
            ),
        }
    )


def as_text(value, name):
    if pd.isna(value):
        return ""
    if name == "at":
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value).lower() if name == "flag" else str(value)


@given(frames())
def test_csv_has_every_value_in_its_row(rows):
    header, *lines = reader(StringIO(csv(rows, escape_formulas=False).decode(), newline=""))
    assert header == list(rows.columns)
    assert len(lines) == len(rows)
    for position, line in enumerate(lines):
        for name, text in zip(header, line, strict=True):
            value = rows[name].iloc[position]
            if name == "share" and not pd.isna(value):
                assert float(text) == value
            else:
                assert text == as_text(value, name)


@given(frames())
def test_no_cell_of_a_csv_begins_like_a_formula(rows):
    _, *lines = reader(StringIO(csv(rows[["name"]]).decode(), newline=""))
    assert not [line for line in lines if line and line[0][:1] in set("=+-@\t\r\n＝＋－＠")]


@given(frames())
def test_parquet_is_the_same_frame(rows):
    table = pa.parquet.read_table(BytesIO(parquet(rows)))
    assert [str(kind) for kind in table.schema.types[:3]] == ["int64", "double", "bool"]
    for name in rows:
        expected = [None if pd.isna(value) else value for value in rows[name].astype(object)]
        assert table.column(str(name)).to_pylist() == expected


@given(frames())
def test_json_is_the_same_rows(rows):
    from core.charts.scene.plain_records import plain_records

    back = json.loads(json.dumps(plain_records(rows), allow_nan=False))
    for position, row in enumerate(back):
        for name in rows:
            value = rows[name].iloc[position]
            if pd.isna(value):
                assert row[name] is None
            elif name == "at":
                assert datetime.fromisoformat(row[name]) == value
            else:
                assert row[name] == value
