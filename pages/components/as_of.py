"""The day that all pages are read as of, kept in the URL as `as_of`."""

from datetime import UTC, date, datetime, time

import streamlit as st

AS_OF_PARAM = "as_of"
EARLIEST_DAY = date(2008, 1, 1)  # GitHub opened that year


def end_of_day(day: date) -> datetime:
    """Return the last microsecond of *day* in UTC, which is what a date means as `as_of`."""
    return datetime.combine(day, time.max, UTC)


def selected_as_of() -> datetime | None:
    """Return the selected time; None means now."""
    day = st.session_state.get(AS_OF_PARAM)
    return end_of_day(day) if isinstance(day, date) else None


def invalid_as_of() -> str:
    """Return the URL's `as_of` if it is not a date, else an empty string. Call before the widget drops it."""
    given = st.query_params.get(AS_OF_PARAM, "")
    try:
        if given:
            date.fromisoformat(given)
    except ValueError:
        return given
    return ""


def as_of_label() -> str:
    """Return `as of 2026-03-31` or `as of now`, for the footer of a cell."""
    selected = selected_as_of()
    return f"as of {selected:%Y-%m-%d}" if selected else "as of now"
