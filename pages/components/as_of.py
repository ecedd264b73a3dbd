"""The moment that all pages are read as of, kept in the URL as `as_of`."""

from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from pandas import DataFrame, Series

from core.as_of import EARLIEST, as_of_text, end_of_day, parse_as_of
from core.errors import BadInput
from core.wording import quantity
from pages.session import guard

AS_OF_PARAM = "as_of"
DAY_KEY = "as_of_day"
SELECTED_KEY = "as_of_selected"
PAGE_KEY = "as_of_page"


def selected_as_of() -> datetime | None:
    """Return the selected moment; None means now."""
    selected = st.session_state.get(SELECTED_KEY)
    return selected if isinstance(selected, datetime) else None


def shown_page() -> str:
    """Return the path of the page that is shown."""
    return str(st.session_state.get(PAGE_KEY, ""))


def as_of_label() -> str:
    """Return `as of 2026-03-31`, with the time unless it is the day's end, or `as of now`, for the footer of a cell."""
    selected = selected_as_of()
    if selected is None:
        return "as of now"
    is_end = selected == end_of_day(selected.date())
    return f"as of {selected:%Y-%m-%d}" if is_end else f"as of {selected:%Y-%m-%d %H:%M:%S} UTC"


def page_links(path: str, param: str, values: "Series[Any]") -> "Series[Any]":
    """Return URLs of our page *path* with *param* set to each of *values*, as of the selected moment."""
    return links_as_of(path, param, values, selected_as_of())


def links_as_of(path: str, param: str, values: "Series[Any]", moment: datetime | None) -> "Series[Any]":
    """Return URLs like `page_links`, outside a script run too."""
    kept = "" if moment is None else "&" + urlencode({AS_OF_PARAM: as_of_text(moment)})
    return f"/{path}?{param}=" + values + kept


def subject_links(names: "Series[Any]", logins: "Series[Any]") -> "Series[Any]":
    """Return URLs of the pages of repositories by *names*, where they are not null, else of accounts by *logins*."""
    return page_links("repository", "name", names).fillna(page_links("account", "login", logins))


def unknown_sentence(repositories: DataFrame) -> str:
    """Say of how many *repositories* the attributes then are unknown; empty if of none.

    Those have no `is_fork`: it is reported with the description, topics, licence and last push.
    """
    unknown = int(repositories["is_fork"].isna().sum())
    if selected_as_of() is None or not unknown:
        return ""
    return (
        f" {quantity(unknown, 'repository', 'repositories')} had not been refreshed by then: topics, flags and last push "
        "are not known, other attributes only where an import has them."
    )


def as_of_input(page: str, now: datetime) -> None:
    """Read `as_of` from the URL, with a sentence if it is refused, and draw the date input that changes it.

    The input is not bound to the URL: Streamlit reads fewer and other forms than the API, without a word about the rest.
    *page* is the path of the page shown.
    """
    selected = None
    text = _text_in_url(page)
    if text is not None:
        try:
            selected = parse_as_of(text, now)
        except BadInput as error:
            st.warning(f"{error}. The pages show the current data.", icon=":material/event_busy:")
    st.session_state[SELECTED_KEY], st.session_state[PAGE_KEY] = selected, page
    st.session_state[DAY_KEY] = None if selected is None else selected.date()
    st.date_input(
        "As of",
        min_value=EARLIEST.date(),
        max_value=now.date(),
        key=DAY_KEY,
        on_change=_write_selected_day,
        format="YYYY-MM-DD",
        help="Show every page as of the end of a day (UTC). Empty means now.",
    )
    if selected is not None and selected != end_of_day(selected.date()):
        st.caption(f"At {selected:%H:%M:%S} UTC on that day.")


def _text_in_url(page: str) -> str | None:
    """Return the URL's `as_of`. Following a link to another page drops it: then the selected moment is written again."""
    if AS_OF_PARAM not in st.query_params:
        selected = selected_as_of()
        if selected is None or st.session_state.get(PAGE_KEY) == page:
            return None
        st.query_params[AS_OF_PARAM] = as_of_text(selected)
    return st.query_params[AS_OF_PARAM]


@guard.callback()
def _write_selected_day() -> None:
    day = st.session_state[DAY_KEY]
    if isinstance(day, date):
        st.query_params[AS_OF_PARAM] = day.isoformat()
    else:
        st.query_params.pop(AS_OF_PARAM, None)
