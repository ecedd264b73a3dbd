"""Charts and tables that are written once reach the browser as Streamlit itself would send them."""

from datetime import UTC, datetime

import pandas as pd
import plotly.graph_objects as go
import pytest
from pandas import DataFrame
from streamlit.testing.v1 import AppTest

from core import shared_cache
from core.charts import bars
from core.charts.theme import LIGHT
from core.shared_cache import SharedCache
from pages.components.chart import drawn


@pytest.fixture(autouse=True)
def cache(monkeypatch):
    own = SharedCache()
    monkeypatch.setattr(shared_cache, "shared_cache", own)
    return own


def frame():
    names, stars = pd.array(["octo/cat", "<b>"], "string"), pd.array([7, 3], "Int64")
    at = pd.DatetimeIndex([datetime(2026, 3, 1, tzinfo=UTC)] * 2).as_unit("us")
    made = DataFrame({"name": names, "stars": stars, "at": at, "trend": [[1, 2], None]})
    made.attrs = {"sql": "SELECT 1", "values": {"now": datetime(2026, 3, 1, tzinfo=UTC)}}
    return made


def chart_twice():
    import streamlit as st

    from core.charts import bars
    from core.charts.theme import LIGHT
    from pages.components.chart import CONFIG, drawn, show_drawing
    from tests.pages.components.test_chart import frame

    rows = frame()
    arguments = (rows, "name", "stars", LIGHT)
    if st.session_state.get("kept"):
        show_drawing(drawn(bars.ranking_bars, *arguments, texts=rows["stars"]), alt=" Bars: two ", key="chart")
    else:
        figure = bars.ranking_bars(*arguments, texts=rows["stars"])
        st.plotly_chart(figure, theme=None, config=CONFIG, alt=" Bars: two ", key="chart")


def table_twice():
    import streamlit as st

    from pages.components.table import arrow_table, without_attrs
    from tests.pages.components.test_chart import frame

    rows = arrow_table(frame()) if st.session_state.get("kept") else without_attrs(frame())
    st.dataframe(rows, hide_index=True, column_config={"at": None}, alt="Rows", key="rows", height=200)


@pytest.mark.parametrize("script", [chart_twice, table_twice])
def test_the_message_is_streamlits_own(script):
    messages = []
    for is_kept in (False, True):
        at = AppTest.from_function(script)
        at.session_state["kept"] = is_kept
        at.run()
        assert not at.exception
        (element,) = at.main.children.values()
        messages.append(element.proto)
    assert messages[0] == messages[1]


built = []


def build(rows: DataFrame) -> go.Figure:
    built.append(len(rows))
    return bars.ranking_bars(rows, "name", "stars", LIGHT, texts=rows["stars"])


def test_a_chart_is_built_once_for_equal_rows(cache):
    built.clear()
    first, second, other = (drawn(build, rows) for rows in (frame(), frame(), frame().head(1)))
    assert first is second
    assert built == [2, 1]
    assert (first.height, other.height) == (
        2 * bars.ROW_HEIGHT + bars.BOTTOM_HEIGHT,
        bars.ROW_HEIGHT + bars.BOTTOM_HEIGHT,
    )
    assert cache.stored_bytes > len(first.spec) + len(other.spec)


def test_no_query_of_a_reader_is_in_what_is_kept(cache):
    """`attrs` would reach the browser in the table's metadata, from whoever came first."""
    from pages.components.table import arrow_table

    assert b"SELECT" not in arrow_table(frame()).schema.metadata[b"pandas"]
