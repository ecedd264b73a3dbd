"""Sentences about a subject that was asked for by another name, or that did not exist at the selected time."""

from datetime import datetime

import streamlit as st

from pages.components.format import day
from pages.components.markdown import escape_markdown


def name_sentence(asked: str, then: str, now: str, selected: datetime | None, *, is_former: bool) -> str:
    """Say which other name the subject has, or had then, as Markdown; empty if *asked* is its name at both times.

    then, now  its names at *selected* and at present
    is_former  *asked* is neither of these
    """
    asked_for, present, past = (escape_markdown(name) for name in (asked, now, then))
    if is_former or (asked.lower() != now.lower() and selected is not None):
        return f"**{asked_for}** is now called **{present}**."
    if selected is not None and then.lower() != now.lower():
        return f"**{present}** was called **{past}** on {day(selected)}."
    return ""


def show_names(
    given: str, then: str, now: str, selected: datetime | None, *, is_former: bool, created_at: datetime | None
) -> bool:
    """Show which other name it has or had, and whether it is younger than *selected*; return whether it existed then."""
    if sentence := name_sentence(given, then, now, selected, is_former=is_former):
        st.info(sentence, icon=":material/badge:")
    if selected is None or created_at is None or created_at <= selected:
        return True
    st.info(
        f"**{escape_markdown(then)}** did not exist on {day(selected)}: it was created on {day(created_at)}.",
        icon=":material/event_busy:",
    )
    return False
