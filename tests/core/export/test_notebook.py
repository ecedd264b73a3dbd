"""Pages as notebooks: valid nbformat, the same file for the same page and data, no NaN, strangers' text as text."""

import ast
import json
import re
from email.message import Message
from io import BytesIO
from urllib.error import HTTPError

import nbformat
import numpy as np
import plotly.graph_objects as go
import pytest
from pandas import DataFrame, Timestamp
from pandas.testing import assert_frame_equal

from core.export import notebook, notebook_reader
from core.export.notebook import Question, Text

HOSTILE = "<script>alert(1)</script> ```\n$(x) {braces} \"\"\" '''"
ROWS = DataFrame(
    {
        "day": [Timestamp("2026-01-01", tz="UTC"), Timestamp("2026-01-02", tz="UTC")],
        "stars": [1, 2],
        "mean": [np.nan, 1.5],
        "name": ["=NA()", HOSTILE],
    }
)
FIGURE = go.Figure(go.Scatter(x=ROWS["day"], y=ROWS["mean"]))


def figure() -> dict:
    return json.loads(FIGURE.to_json())


def parts(path: str = "") -> list[Text | Question]:
    sql = f"SELECT '{HOSTILE}'"
    return [
        Text("cards-top", "- Stars: 2"),
        Question("page-stars", "How many?", "A line.", ROWS, sql=sql, path=path, figure=figure),
    ]


def written(path: str = "", title: str = "# Page") -> bytes:
    return notebook.write(title, "http://almanac/page", "http://almanac", "2026-01-31", "", parts(path))


def code(content: bytes) -> list[str]:
    return [cell["source"] for cell in json.loads(content)["cells"] if cell["cell_type"] == "code"]


def test_it_is_valid_and_its_ids_are_those_of_the_page():
    read = nbformat.reads(written().decode(), as_version=4)
    nbformat.validate(read)
    ids = [cell["id"] for cell in read.cells]
    assert ids == ["page", "page-reader", "cards-top", "page-stars-text", "page-stars-rows", "page-stars-chart"]
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", one) for one in ids)
    assert written() == written()


def test_a_name_of_any_characters_becomes_an_id():
    assert notebook.cell_id("languages of C#/ü") == "languages-of-C---"
    assert len(notebook.cell_id("x" * 100)) == 64
    assert notebook.cell_id("") == "cell"


def test_it_has_no_nan_and_no_key():
    content = written().decode()
    json.loads(content, parse_constant=pytest.fail)  # NaN, Infinity
    assert "alm_" not in content


def test_text_of_strangers_stays_text():
    """Code parses, Markdown's fence is longer than any in the SQL, and HTML is escaped."""
    content = written()
    for source in code(content):
        ast.parse(source)
    text, rows = (cell for cell in json.loads(content)["cells"] if cell["id"] in {"page-stars-text", "page-stars-rows"})
    assert "\n````sql\n" in text["source"]
    assert "<script>" not in rows["outputs"][0]["data"]["text/html"]


def test_rows_come_from_the_api_where_it_has_them_else_from_the_notebook():
    assert code(written("repositories/octo/cat/stars.csv"))[1] == (
        "rows = read('page-stars', 'repositories/octo/cat/stars.csv')\nrows"
    )
    namespace: dict = {"read": lambda name, stored: notebook_reader.parse(stored.encode())}
    exec(code(written())[1], namespace)
    assert_frame_equal(namespace["rows"], ROWS, check_dtype=False)


def test_the_reader_has_the_installation_and_the_moment_as_defaults():
    first = code(written())[0]
    assert 'URL = os.environ.get("ALMANAC_URL", "http://almanac")' in first
    assert 'AS_OF = "2026-01-31"' in first


def test_the_file_of_rows_is_read_instead_of_the_api(tmp_path, monkeypatch):
    file = tmp_path / "rows.zip"
    file.write_bytes(notebook.write_rows(parts()))
    assert notebook.write_rows(parts()) == notebook.write_rows(parts())
    monkeypatch.setattr(notebook_reader, "ROWS", str(file))
    assert_frame_equal(notebook_reader.read("page-stars", "some/path.csv"), ROWS, check_dtype=False)


def test_without_a_key_the_reader_says_what_to_set(monkeypatch):
    monkeypatch.setattr(notebook_reader, "KEY", "")
    with pytest.raises(RuntimeError, match="Set ALMANAC_API_KEY"):
        notebook_reader.read("page-stars", "some/path.csv")


def test_the_reader_waits_as_long_as_the_api_asks(monkeypatch):
    refused = HTTPError("http://almanac", 429, "Too Many Requests", Message(), None)
    refused.headers["Retry-After"] = "7"
    answers, waited = [refused, BytesIO(b"stars\n3\n")], []

    def answer(_request: object, timeout: float) -> BytesIO:
        assert timeout > 0
        found = answers.pop(0)
        if isinstance(found, HTTPError):
            raise found
        return found

    monkeypatch.setattr(notebook_reader, "KEY", "a key")
    monkeypatch.setattr(notebook_reader, "URL", "http://almanac")
    monkeypatch.setattr(notebook_reader, "urlopen", answer)
    monkeypatch.setattr(notebook_reader.time, "sleep", waited.append)
    for _ in range(2):  # the second time without a request
        assert notebook_reader.read("page-stars", "waits.csv")["stars"].tolist() == [3]
    assert waited == [7]


def test_a_path_of_rows_gets_its_format_before_the_query():
    assert notebook.csv_path("movers?days=30") == "movers.csv?days=30"
    assert notebook.csv_path("") == ""
