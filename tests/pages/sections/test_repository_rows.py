"""Links in tables lead to the same moment."""

import re
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from core.as_of import end_of_day
from pages.components import columns
from pages.sections.repository_rows import display_rows
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


def test_topics_and_state_are_text_which_a_table_can_sort():
    table = pa.table(
        {
            "full_name": ["octo/cat", "octo/dog"],
            "owner": ["octo", "octo"],
            "description": pa.array([None, "a dog"], pa.string()),
            "size_kb": pa.array([None, 2_097_152], pa.int32()),
            "topics": pa.array([["cats", "git"], None], pa.list_(pa.string())),
            "is_archived": [True, False],
            "is_fork": [True, None],
            "is_gone": [True, False],
        }
    )
    rows = display_rows(table.to_pandas(types_mapper=pd.ArrowDtype), None)
    shown = set(columns.REPOSITORIES) & set(rows)
    assert shown >= {"topics", "state", "size_kb"}
    assert not [name for name in shown if "list" in str(rows[name].dtype)]
    assert list(rows["repository"]) == ["/repository?name=octo/cat", "/repository?name=octo/dog"]
    assert (rows["topics"].iloc[0], rows["state"].iloc[0]) == ("cats, git", "archived, fork, deleted")
    assert rows[["topics", "state"]].iloc[1].isna().all()
    assert rows["size_kb"].iloc[1] == 2**31 // 1024


@pytest.mark.parametrize("table", [columns.REPOSITORIES, columns.ACCOUNT_REPOSITORIES, columns.MOVERS_TABLE])
@pytest.mark.parametrize("kept", ["", "&as_of=2026-03-31"])
def test_a_link_shows_the_name_without_the_moment(table: dict, kept: str) -> None:
    pattern = table["repository"]["type_config"]["display_text"]
    (name,) = re.search(pattern, f"/repository?name=octo/cat.js{kept}").groups()
    assert name in {"cat.js", "octo/cat.js"}
