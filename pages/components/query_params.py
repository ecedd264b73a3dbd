"""Query parameters of pages: one place reads them, so that each is either used or named in a warning.

Streamlit drops invalid values silently and reads numbers in more spellings than the API. So widgets for text, numbers
and days are not bound to the URL: they get the value that was parsed here, and a change is written to the URL. Choices
are bound, once `invalid_choices` has found what they mean.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import urlencode

import streamlit as st

from core.as_of import EARLIEST, parse_day
from core.errors import BadInput
from core.linguist import UnknownLanguage, find_language
from core.markup import is_storable
from core.whole_numbers import MAX_INT32, parse_whole_number
from pages.components.markdown import code_span, escape_markdown
from pages.session import guard, url_changes

Value = TypeVar("Value")
MAX_TEXT_LENGTH = 200
MAX_LENGTHS = {"with": 100_000}
"""Of parameters that hold lists of names, which their page counts and cuts itself."""
MAX_SHOWN_LENGTH = 60


class InvalidParameter(NamedTuple):
    """A query parameter that is ignored, and the options that resemble it."""

    text: str
    nearest: Sequence[str] = ()


def get(key: str) -> str:
    """Return query parameter *key*; empty without one, and for one that `show_unreadable` names."""
    values = get_all(key)
    return values[-1] if values else ""


def get_all(key: str) -> list[str]:
    """Return all values of query parameter *key*, as `get`."""
    return [value for value in st.query_params.get_all(key) if _is_readable(key, value)]


def path_with_query(path: str) -> str:
    """Return the URL of the page at *path* with the query parameters that are set, without the host."""
    query = urlencode([(name, value) for name in st.query_params for value in st.query_params.get_all(name)])
    return f"/{path}" + (f"?{query}" if query else "")


def show_unreadable() -> None:
    """Warn about query parameters that no page reads: too long, or with characters that cannot be stored."""
    show_invalid_parameters(
        [
            InvalidParameter(f"{name}={value}")
            for name in st.query_params
            for value in st.query_params.get_all(name)
            if not _is_readable(name, value)
        ]
    )


def _is_readable(key: str, value: str) -> bool:
    return is_storable(value) and len(value) <= MAX_LENGTHS.get(key, MAX_TEXT_LENGTH)


def invalid_choices(key: str, options: Collection[str], *, several: bool = False) -> list[InvalidParameter]:
    """List the values of query parameter *key* that are not in *options*; accept those that differ in case only."""
    option_by_lower = {option.lower(): option for option in options}
    given = get_all(key)
    _preselect(key, [option_by_lower[value.lower()] for value in given if value.lower() in option_by_lower], several)
    return [InvalidParameter(f"{key}={value}") for value in given if value.lower() not in option_by_lower]


def invalid_languages(options: Sequence[str], *, several: bool = True) -> list[InvalidParameter]:
    """List the values of the query parameter `language` that mean none of *options*, in any spelling."""
    found, invalid = [], []
    for value in get_all("language"):
        nearest: Sequence[str] = ()
        try:
            name = find_language(value, options)
        except UnknownLanguage as error:
            name, nearest = "", error.nearest
        if name in options:
            found.append(name)
        else:
            text = f"language={value}"
            invalid.append(InvalidParameter(text, [option for option in nearest if option in options]))
    _preselect("language", found, several)
    return invalid


def _preselect(key: str, valid: Sequence[str], several: bool) -> None:
    """Select the options that values in the URL mean, unless the widget reads the same from the URL."""
    options = list(dict.fromkeys(valid))
    if options and options != st.query_params.get_all(key) and key not in st.session_state:
        preselect(key, options, several=several)


def preselect(key: str, options: list[str], *, several: bool) -> None:
    """Select *options* in the bound widget *key*, which is drawn later, and write them to the URL.

    Streamlit removes from the URL what is no option as it is spelt; a link of the page would then show another choice.
    """
    if key not in st.session_state:
        url_changes.correct(key, options)
    st.session_state[key] = options if several else options[0]


def invalid_whole_numbers(key: str, most: int = MAX_INT32, least: int = 0) -> list[InvalidParameter]:
    """List the values of query parameter *key* that `whole_number_input` does not use."""
    return _unparsable(key, lambda text: parse_whole_number(text, most=most, least=least))


def invalid_days(key: str, now: datetime) -> list[InvalidParameter]:
    """List the values of query parameter *key* that `day_input` does not use."""
    return _unparsable(key, lambda text: parse_day(text, now))


def _unparsable(key: str, parse: Callable[[str], object]) -> list[InvalidParameter]:
    return [InvalidParameter(f"{key}={value}") for value in get_all(key) if _parsed(value, parse, None) is None]


def show_invalid_parameters(*invalid: Iterable[InvalidParameter]) -> None:
    """Show one warning that lists all *invalid* parameters; nothing when there are none."""
    every = [param for params in invalid for param in params]
    if every:
        listed = ", ".join(quoted(param.text) for param in every)
        nearest = " or ".join(escape_markdown(name) for param in every for name in param.nearest)
        hint = f" Did you mean {nearest}?" if nearest else ""
        st.warning(f"Ignored invalid parameters in the URL: {listed}.{hint}", icon=":material/link_off:")


def quoted(text: str) -> str:
    """Return *text* from the URL as code, shortened."""
    return code_span(text[:MAX_SHOWN_LENGTH])


def text_input(label: str, *, key: str, **options: Any) -> str:
    """Draw a text input for query parameter *key* and return its text without spaces around it."""
    _set_state(key, get(key))
    text: str = st.text_input(label, key=key, max_chars=MAX_TEXT_LENGTH, on_change=_write, args=(key,), **options)
    return text.strip()


def select_or_type(label: str, options: Sequence[str], *, key: str, **more: Any) -> str:
    """Draw a select box that takes other text than *options*, too, for query parameter *key*; empty without a choice."""
    _set_state(key, get(key) or None)
    chosen = st.selectbox(
        label, options, index=None, accept_new_options=True, key=key, on_change=_write, args=(key,), **more
    )
    return chosen or ""


def whole_number_input(
    label: str, *, key: str, step: int, most: int = MAX_INT32, least: int = 0, default: int = 0, **options: Any
) -> int:
    """Draw a number input, from *least* to *most*, for query parameter *key*."""
    _set_state(key, _parsed(get(key), lambda text: parse_whole_number(text, most=most, least=least), default))
    return int(st.number_input(label, least, most, step=step, key=key, on_change=_write, args=(key,), **options))


def day_input(label: str, *, key: str, now: datetime, **options: Any) -> date | None:
    """Draw a date input, empty or up to today, for query parameter *key*."""
    _set_state(key, _parsed(get(key), lambda text: parse_day(text, now), None))
    return cast(
        "date | None",
        st.date_input(
            label,
            min_value=EARLIEST.date(),
            max_value=now.date(),
            key=key,
            format="YYYY-MM-DD",
            on_change=_write,
            args=(key,),
            **options,
        ),
    )


def set_param(key: str, value: object) -> None:
    """Write *value* to query parameter *key*, which is removed for None, zero and empty text."""
    url_changes.write(key, str(value) if value else "")


def _write_input(key: str) -> None:
    set_param(key, st.session_state[key])


@guard.callback(when_ended=_write_input)
def _write(key: str) -> None:
    """Write the input *key* to the URL, also where the session has ended: the URL outlasts what follows."""
    _write_input(key)


def _set_state(key: str, value: object) -> None:
    # Setting an equal value again would overwrite what is being typed.
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def _parsed(text: str, parse: Callable[[str], Value], default: Value) -> Value:
    try:
        return parse(text)
    except BadInput:
        return default
