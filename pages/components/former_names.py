"""The sentence about a subject that was asked for by another name than it has, or had then."""

from datetime import datetime

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
