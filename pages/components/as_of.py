"""The times that all pages show, kept in the URL: `as_of`, and `vs`, an earlier one to compare with."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from pandas import Series

from core.as_of import EARLIEST, as_of_text, end_of_day, parse_as_of, parse_vs
from core.errors import BadInput
from core.time_shortcuts import shortcuts
from core.wording import quantity
from pages.session import guard, url_changes

AS_OF_PARAM, VS_PARAM = "as_of", "vs"
SHORTCUT_KEY = "time-shortcut"
LAST_VISIT = "my last visit"
SHOW, COMPARE = "Show ", "Compare with "


def selected_as_of() -> datetime | None:
    """Return the selected moment; None means now."""
    return _selected(AS_OF_PARAM)


def selected_vs() -> datetime | None:
    """Return the earlier moment to compare with; None without one."""
    return _selected(VS_PARAM)


def shown_page() -> str:
    """Return the path of the page that is shown."""
    return str(st.session_state.get(f"{AS_OF_PARAM}_page", ""))


def as_of_label() -> str:
    """Return `as of 2026-03-31`, with the time unless it is the day's end, or `as of now`, for the footer of a cell."""
    selected, vs = selected_as_of(), selected_vs()
    shown = "as of now" if selected is None else f"as of {moment(selected)}"
    return shown if vs is None else f"{shown} vs {moment(vs)}"


def moment(at: datetime) -> str:
    """Return a day, with the time unless it is the day's end."""
    return f"{at:%Y-%m-%d}" if at == end_of_day(at.date()) else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def nothing_collected() -> str:
    """Say that there is nothing at all yet, or was not at the selected time."""
    selected = selected_as_of()
    return f"Nothing had been collected by {moment(selected)}." if selected else "Nothing has been collected yet."


def by_then() -> str:
    """Say until when something has not happened: `by that day` of the selected moment, else `yet`."""
    return "by that day" if selected_as_of() else "yet"


def not_collected_sentence() -> str:
    """Say that there is nothing of what a cell asks for, yet or by the selected moment."""
    return f"Nothing has been collected for this {by_then()}."


def page_links(path: str, param: str, values: "Series[Any]") -> "Series[Any]":
    """Return URLs of our page *path* with *param* set to each of *values*, at the selected times."""
    return links_as_of(path, param, values, selected_as_of(), selected_vs())


def links_as_of(
    path: str, param: str, values: "Series[Any]", as_of: datetime | None, vs: datetime | None = None
) -> "Series[Any]":
    """Return URLs like `page_links`, outside a script run too."""
    times = {AS_OF_PARAM: as_of, VS_PARAM: vs}
    kept = "".join(f"&{urlencode({name: as_of_text(at)})}" for name, at in times.items() if at is not None)
    return f"/{path}?{param}=" + values + kept


def subject_links(names: "Series[Any]", logins: "Series[Any]") -> "Series[Any]":
    """Return URLs of the pages of repositories by *names*, where they are not null, else of accounts by *logins*."""
    return page_links("repository", "name", names).fillna(page_links("account", "login", logins))


def unknown_sentence(unknown: int) -> str:
    """Say that the attributes then are *unknown* of that many repositories; empty if of none.

    Those have no `is_fork`: it is reported with the description, topics, licence and last push.
    """
    if selected_as_of() is None or not unknown:
        return ""
    return (
        f" {quantity(unknown, 'repository', 'repositories')} had not been refreshed by then: topics, flags and last push "
        "are not known, other attributes only where an import has them."
    )


def as_of_input(page: str, now: datetime) -> None:
    """Read `as_of` from the URL and draw the date input that changes it; `show_refused` says that it is refused.

    The input is not bound to the URL: Streamlit reads fewer and other forms than the API, without a word about the rest.
    *page* is the path of the page shown.
    """
    _day_input(
        AS_OF_PARAM,
        page,
        now,
        lambda text: parse_as_of(text, now),
        refused="The pages show the current data.",
        label="As of",
        help_text="Show every page as of the end of a day (UTC). Empty means now.",
    )


def vs_input(page: str, now: datetime, last_visit: datetime | None) -> None:
    """Read `vs` in the same way, draw its date input, and the shortcuts for both."""
    _day_input(
        VS_PARAM,
        page,
        now,
        lambda text: parse_vs(text, now, selected_as_of()),
        refused="Nothing is compared.",
        label="Compared with",
        help_text="Put the numbers of an earlier day beside those shown, with difference and percent.",
    )
    day = (selected_as_of() or now).date()
    times = {name: as_of_text(end_of_day(found)) for name, found in shortcuts(day).items()}
    if last_visit is not None and last_visit < (selected_as_of() or now):
        times[LAST_VISIT] = as_of_text(last_visit)
    chosen = {f"{COMPARE}{name}": (VS_PARAM, text) for name, text in times.items()}
    chosen |= {f"{SHOW}{name}": (AS_OF_PARAM, text) for name, text in times.items()}
    st.selectbox(
        "Shortcuts",
        list(chosen),
        index=None,
        key=SHORTCUT_KEY,
        placeholder="Yesterday, last year …",
        on_change=_write_shortcut,
        args=(chosen,),
        label_visibility="collapsed",
    )


def show_refused() -> None:
    """Say which times of the URL are refused, and why: on the page, as the sidebar is closed on narrow screens."""
    refused = [st.session_state.get(f"{param}_refused") for param in (AS_OF_PARAM, VS_PARAM)]
    for number, sentence in enumerate(filter(None, refused)):
        with st.container(key=f"refused-{number}"):
            st.warning(str(sentence), icon=":material/event_busy:")


def _day_input(
    param: str,
    page: str,
    now: datetime,
    parse: Callable[[str], datetime],
    *,
    refused: str,
    label: str,
    help_text: str,
) -> None:
    selected, sentence = None, ""
    text = _text_in_url(param, page)
    if text is not None:
        try:
            selected = parse(text)
        except BadInput as error:
            sentence = f"{error}. {refused}"
    st.session_state[f"{param}_refused"] = sentence
    st.session_state[f"{param}_selected"], st.session_state[f"{param}_page"] = selected, page
    st.session_state[f"{param}_day"] = None if selected is None else selected.date()
    st.date_input(
        label,
        min_value=EARLIEST.date(),
        max_value=now.date(),
        key=f"{param}_day",
        on_change=_write_selected_day,
        args=(param,),
        format="YYYY-MM-DD",
        help=help_text,
    )
    if selected is not None and selected != end_of_day(selected.date()):
        st.caption(f"At {selected:%H:%M:%S} UTC on that day.")


def _selected(param: str) -> datetime | None:
    selected = st.session_state.get(f"{param}_selected")
    return selected if isinstance(selected, datetime) else None


def _text_in_url(param: str, page: str) -> str | None:
    """Return the URL's *param*. Following a link to another page drops it: then the selected time is written again."""
    if param not in st.query_params:
        selected = _selected(param)
        if selected is None or st.session_state.get(f"{param}_page") == page:
            return None
        st.query_params[param] = as_of_text(selected)
    return st.query_params[param]


@guard.callback()
def _write_selected_day(param: str) -> None:
    day = st.session_state[f"{param}_day"]
    url_changes.write(param, day.isoformat() if isinstance(day, date) else "")


@guard.callback()
def _write_shortcut(chosen: dict[str, tuple[str, str]]) -> None:
    param, text = chosen.get(st.session_state[SHORTCUT_KEY] or "", ("", ""))
    if param:
        url_changes.write(param, text)
    st.session_state[SHORTCUT_KEY] = None
