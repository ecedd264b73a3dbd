"""The moment a reader wants to read the pages as of, kept in the URL as `as_of`."""

from datetime import UTC, date, datetime, time

import streamlit as st

AS_OF_PARAM = "as_of"
EARLIEST_DAY = date(2008, 1, 1)  # GitHub opened that year


def end_of_day(day: date) -> datetime:
    """A date means its end."""
    return datetime.combine(day, time.max, UTC)


def selected_as_of() -> datetime | None:
    """The chosen moment; None means now."""
    day = st.session_state.get(AS_OF_PARAM)
    return end_of_day(day) if isinstance(day, date) else None


def invalid_as_of() -> str:
    """What the URL says as `as_of` where it is no date; empty when all is well. Ask before the widget runs."""
    given = st.query_params.get(AS_OF_PARAM, "")
    try:
        if given:
            date.fromisoformat(given)
    except ValueError:
        return given
    return ""


def as_of_label() -> str:
    """The chosen moment in the quiet line of a cell."""
    chosen = selected_as_of()
    return f"as of {chosen:%Y-%m-%d}" if chosen else "as of now"
