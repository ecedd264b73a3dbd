"""Validation of query parameters before widgets read them: Streamlit drops invalid values silently."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import streamlit as st

from core.linguist import UnknownLanguage, find_language
from pages.components.markdown import code_span, escape_markdown

MAX_SHOWN_LENGTH = 60


class InvalidParameter(NamedTuple):
    """A query parameter that is ignored, and the options that resemble it."""

    text: str
    nearest: Sequence[str] = ()


def invalid_choices(key: str, options: Collection[str], *, several: bool = False) -> list[InvalidParameter]:
    """List the values of query parameter *key* that are not in *options*; accept those that differ in case only."""
    option_by_lower = {option.lower(): option for option in options}
    given = st.query_params.get_all(key)
    _preselect(key, [option_by_lower[value.lower()] for value in given if value.lower() in option_by_lower], several)
    return [InvalidParameter(f"{key}={value}") for value in given if value.lower() not in option_by_lower]


def invalid_languages(options: Sequence[str]) -> list[InvalidParameter]:
    """List the values of the query parameter `language` that mean none of *options*, in any spelling."""
    found, invalid = [], []
    for value in st.query_params.get_all("language"):
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
    _preselect("language", found, several=True)
    return invalid


def _preselect(key: str, valid: Sequence[str], several: bool) -> None:
    """Select the options that values in the URL mean, unless the widget reads the same from the URL."""
    options = list(dict.fromkeys(valid))
    if options and options != st.query_params.get_all(key) and key not in st.session_state:
        st.session_state[key] = options if several else options[0]


def invalid_whole_numbers(key: str, most: int) -> list[InvalidParameter]:
    """List the values of query parameter *key* that are not whole numbers from 0 to *most*."""
    given = st.query_params.get_all(key)
    return [
        InvalidParameter(f"{key}={value}")
        for value in given
        if not (value.isascii() and value.isdigit() and int(value) <= most)
    ]


def show_invalid_parameters(*invalid: Iterable[InvalidParameter]) -> None:
    """Show one warning that lists all *invalid* parameters; nothing when there are none."""
    every = [param for params in invalid for param in params]
    if every:
        quoted = ", ".join(code_span(param.text[:MAX_SHOWN_LENGTH]) for param in every)
        nearest = " or ".join(escape_markdown(name) for param in every for name in param.nearest)
        hint = f" Did you mean {nearest}?" if nearest else ""
        st.warning(f"Ignored invalid parameters in the URL: {quoted}.{hint}", icon=":material/link_off:")
