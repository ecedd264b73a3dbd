"""Tables: their height, and the selected row in the URL."""

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
