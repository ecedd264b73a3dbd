"""The rows of a page's cells can be read from the API at the paths that its notebook uses."""

from urllib.parse import urlencode

import pytest
import streamlit as st

from core.auth.identity import Identity
from core.export.notebook import Question
from pages.components import page_notebook
from tests.core.web.api.conftest import api_client
from tests.pages import test_frozen_links
from tests.pages.test_frozen_links import TIMES

filled_engine, stored = test_frozen_links.filled_engine, test_frozen_links.stored
ONLY_IN_THE_FILE = {"freshness", "late"}
"""Cells of what is tracked now, which no time of the past can be asked for."""


@pytest.fixture
def cells(open_page, monkeypatch):
    """Open a page and return its cells as its notebook has them."""

    def opened(page, **parameters):
        found: list[Question] = []

        def keep(*_args: object) -> None:
            recording = st.session_state[page_notebook.RECORDING_KEY]
            found.extend(part for _, part in recording.parts if isinstance(part, Question))

        monkeypatch.setattr(page_notebook, "show_downloads", keep)
        assert not open_page(page, **parameters).exception
        return found

    return opened


@pytest.mark.parametrize("times", [{"as_of": TIMES["as_of"]}, TIMES])
@pytest.mark.parametrize(
    ("page", "parameters"),
    [
        ("", {}),
        ("movers", {"days": "90", "language": "C"}),
        ("changes", {"kind": "changed its licence", "span": "Year"}),
    ],
)
def test_each_cell_has_the_rows_of_its_path(cells, stored, reader, page, parameters, times):
    web = api_client(Identity(reader.id, reader.username, "analyst"))
    found = cells(page, **parameters, **times)
    assert found
    for cell in found:
        if cell.name in ONLY_IN_THE_FILE | {"changes-counts"}:
            assert cell.path == ""
            continue
        path, _, query = cell.path.removesuffix(".csv").replace(".csv?", "?").partition("?")
        response = web.get(f"/api/v1/{path}?{query}&{urlencode(times | {'limit': '1000'})}")
        assert response.status_code == 200, (cell.name, response.text)
        rows = response.json()["data"]
        assert len(rows) == len(cell.rows), cell.name
        if rows and "stars_vs" in cell.rows:
            assert sorted(row["stars_vs"] or 0 for row in rows) == sorted(cell.rows["stars_vs"].fillna(0))
