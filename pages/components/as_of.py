"""The moment a reader wants to read the pages as of, kept in the URL as `as_of`."""

from datetime import UTC, date, datetime, time

import streamlit as st

KEY = "as_of"
FIRST = date(2008, 1, 1)  # GitHub opened that year


def end_of(day: date) -> datetime:
    """A date means its end."""
    return datetime.combine(day, time.max, UTC)


def as_of() -> datetime | None:
    """The chosen moment; None means now."""
    day = st.session_state.get(KEY)
    return end_of(day) if isinstance(day, date) else None


def misread() -> str:
    """What the URL says as `as_of` where it is no date; empty when all is well. Ask before the widget runs."""
    given = st.query_params.get(KEY, "")
    try:
        if given:
            date.fromisoformat(given)
    except ValueError:
        return given
    return ""


def said() -> str:
    """The chosen moment in the quiet line of a cell."""
    chosen = as_of()
    return f"as of {chosen:%Y-%m-%d}" if chosen else "as of now"
