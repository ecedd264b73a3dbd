"""Tables: their height, and the selected row in the URL."""

import re
import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.table import table_height


@pytest.mark.parametrize(("row_count", "height"), [(0, 38), (2, 108), (100, 430)])
def test_a_table_is_as_high_as_its_rows_up_to_a_maximum(row_count, height):
    assert table_height(row_count) == height


@pytest.mark.parametrize("selected", ["ada", "ADA", "nobody", ""])
def test_the_row_named_in_the_url_is_selected(selected):
    def page():
        import streamlit as st
        from pandas import DataFrame

        from pages.components.table import choose_row

        frame = DataFrame({"name": ["bob", "ada"], "hidden": [1, 2]})
        choose_row(frame, {"name": "Name"}, ids=frame["name"], param="person", key="people", alt="People")
        st.caption(f"{st.session_state['people'].selection.rows}")

    app = AppTest.from_function(page)
    app.query_params["person"] = selected
    app.run()
    assert not app.exception
    assert list(app.dataframe[0].value.columns) == ["name"]
    assert app.caption[0].value == ("[1]" if selected.lower() == "ada" else "[]")


def test_every_table_is_followed_by_its_downloads():
    """Streamlit's own are switched off: they know neither the limit nor spreadsheets."""
    pages = Path(__file__).resolve().parents[3] / "pages"
    tables = {path.name: path.read_text(encoding="utf-8") for path in pages.rglob("*.py")}
    drawn = {name for name, code in tables.items() if re.search(r"st\.(dataframe|data_editor|table)\(", code)}
    assert drawn == {"cell.py", "table.py", "add_accounts.py", "tracked_table.py", "repository_table.py"}
    left_to_caller = {name for name, code in tables.items() if "exported=False" in code}
    for name in drawn | left_to_caller:
        assert re.search(r"export_buttons(_for)?\(|show_csv_button\(", tables[name]), name
    settings = tomllib.loads((pages.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["client"]["disableDataExport"] is True
