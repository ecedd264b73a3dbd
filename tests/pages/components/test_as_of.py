"""The pages read `as_of` as the API does, keep it from page to page, and say why they refuse it."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from core.as_of import parse_as_of
from core.errors import BadInput

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


def page() -> None:
    from datetime import UTC, datetime

    import streamlit as st

    from pages.components import as_of

    now = datetime(2026, 11, 23, 14, tzinfo=UTC)
    as_of.as_of_input(st.session_state.get("page", "overview"), now)
    as_of.vs_input(st.session_state.get("page", "overview"), now, datetime(2026, 11, 20, 9, tzinfo=UTC))
    as_of.show_refused()
    st.write(f"selected: {as_of.selected_as_of()}")
    st.write(f"vs: {as_of.selected_vs()}")


def run_with(as_of: str | None) -> AppTest:
    shown = AppTest.from_function(page, default_timeout=60)
    if as_of is not None:
        shown.query_params["as_of"] = as_of
    return shown.run()


def selected(shown: AppTest) -> str:
    assert not shown.exception
    return shown.markdown[0].value.removeprefix("selected: ")


def read_by_the_api(text: str) -> tuple[datetime | None, list[str]]:
    try:
        return parse_as_of(text, NOW), []
    except BadInput as error:
        return None, [f"{error}. The pages show the current data."]


def assert_read_as_by_the_api(text: str) -> None:
    expected, reason = read_by_the_api(text)
    shown = run_with(text)
    assert selected(shown) == str(expected)
    assert [warning.value for warning in shown.warning] == reason


@pytest.mark.parametrize(
    "text",
    [
        *("2026-10-31", "2026-10-31T06:00:00Z", "2026-10-31T06:00:00+02:00", " 2026-10-31 "),
        *("20261031", "2026-W44-6", "2026/10/31", "31.10.2026", "yesterday", ""),
        *("2026-11-23", "2026-11-24", "2007-09-30", "2007-10-01", "2026-02-30"),
    ],
)
def test_a_form_is_read_or_refused_as_by_the_api(text):
    assert_read_as_by_the_api(text)


@settings(max_examples=25)
@given(some.from_regex(r"\A20[0-9]{2}[-/.]?([01][0-9][-/.]?[0-3][0-9]|W[0-5][0-9]-?[0-7])(T06:00:00Z)?\Z"))
def test_any_text_like_a_date_is_read_or_refused_as_by_the_api(text):
    assert_read_as_by_the_api(text)


@pytest.mark.usefixtures("reader")
def test_choosing_a_day_writes_it_to_the_url_and_clearing_removes_it():
    shown = run_with("2026-10-31T06:00:00Z")
    assert shown.date_input[0].value == date(2026, 10, 31)
    assert shown.caption[0].value == "At 06:00:00 UTC on that day."
    shown.date_input[0].set_value(date(2026, 10, 30)).run()
    assert shown.query_params["as_of"] == "2026-10-30"
    assert selected(shown) == "2026-10-30 23:59:59.999999+00:00"
    shown.date_input[0].set_value(None).run()
    assert "as_of" not in shown.query_params
    assert selected(shown) == "None"


def test_another_page_without_as_of_keeps_the_moment_and_the_same_page_does_not():
    shown = run_with("2026-10-31T06:00:00Z")
    shown.session_state["page"] = "account"
    del shown.query_params["as_of"]
    shown.run()
    assert selected(shown) == "2026-10-31 06:00:00+00:00"
    assert shown.query_params["as_of"] == "2026-10-31T06:00:00Z"
    del shown.query_params["as_of"]
    shown.run()
    assert selected(shown) == "None"


def compared(shown: AppTest) -> str:
    assert not shown.exception
    return shown.markdown[1].value.removeprefix("vs: ")


def test_vs_is_read_like_as_of_and_has_to_be_earlier():
    shown = run_with("2026-10-31")
    shown.query_params["vs"] = "2026-10-30"
    assert compared(shown.run()) == "2026-10-30 23:59:59.999999+00:00"
    for text, reason in (
        ("2026-10-31", "vs is not before the time shown; it is the earlier one, to compare with. Nothing is compared."),
        ("2026-13-01", "vs is not an existing date or time; write a date like 2026-10-31 (UTC) or a timestamp like "
                       "2026-10-31T06:00:00Z. Nothing is compared."),
    ):  # fmt: skip
        shown.query_params["vs"] = text
        assert compared(shown.run()) == "None"
        assert [warning.value for warning in shown.warning] == [reason]


@pytest.mark.usefixtures("reader")
def test_shortcuts_write_either_time_to_the_url():
    shown = run_with("2026-10-31")
    for shortcut, param, text in (
        ("Compare with yesterday", "vs", "2026-10-30"),
        ("Compare with this day last year", "vs", "2025-10-31"),
        ("Show a month ago", "as_of", "2026-09-30"),
    ):
        shown.selectbox[0].set_value(shortcut).run()
        assert shown.query_params[param] == text
        assert shown.selectbox[0].value is None
    assert compared(shown) == "2025-10-31 23:59:59.999999+00:00"


@pytest.mark.usefixtures("reader")
def test_the_last_visit_is_a_shortcut_where_it_is_earlier():
    shown = run_with(None)
    shown.selectbox[0].set_value("Compare with my last visit").run()
    assert compared(shown) == "2026-11-20 09:00:00+00:00"
    assert "Compare with my last visit" not in run_with("2026-10-31").selectbox[0].options
