"""Links in tables lead to the same moment."""

from datetime import datetime

import pytest
from streamlit.testing.v1 import AppTest

from core.as_of import end_of_day
from tests.seed_data import utc


def page() -> None:
    import streamlit as st
    from pandas import Series

    from pages.components.as_of import page_links

    st.write(page_links("account", "login", Series(["octo", "hooli"])).tolist())


@pytest.mark.parametrize(
    ("selected", "kept"),
    [
        (None, ""),
        (end_of_day(utc("2026-03-31").date()), "&as_of=2026-03-31"),
        (utc("2026-03-31 06:30"), "&as_of=2026-03-31T06%3A30%3A00Z"),
    ],
)
def test_a_link_to_an_account_keeps_the_selected_moment(selected: datetime | None, kept: str) -> None:
    shown = AppTest.from_function(page)
    shown.session_state["as_of_selected"] = selected
    shown.run()
    assert not shown.exception
    assert shown.json[0].value == f'["/account?login=octo{kept}", "/account?login=hooli{kept}"]'
