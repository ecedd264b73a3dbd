"""Validation of query parameters before widgets read them: Streamlit drops invalid values silently."""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

import streamlit as st

from core.errors import BadInput
from core.linguist import find_language

MAX_SHOWN_LENGTH = 60


def invalid_choices(
    key: str, options: Collection[str], *, several: bool = False, find: Callable[[str], str] | None = None
) -> list[str]:
    """List the values of query parameter *key* that are not in *options*; accept those that differ in case only.

    *find* returns the option that another spelling means, or raises BadInput.
    """
    given = st.query_params.get_all(key)
    found = {value: _find_option(value, options, find) for value in given}
    valid = list(dict.fromkeys(option for option in found.values() if option is not None))
    if valid and valid != given and key not in st.session_state:
        st.session_state[key] = valid if several else valid[0]
    return [f"{key}={value}" for value in given if found[value] is None]


def invalid_languages(options: Collection[str]) -> list[str]:
    """List the values of the query parameter `language` that mean none of *options* in any spelling."""
    return invalid_choices("language", options, several=True, find=lambda name: find_language(name, list(options)))


def _find_option(value: str, options: Collection[str], find: Callable[[str], str] | None) -> str | None:
    option_by_lower = {option.lower(): option for option in options}
    option = option_by_lower.get(value.lower())
    if option is None and find is not None:
        with suppress(BadInput):
            option = find(value)
    return option if option in options else None


def invalid_whole_numbers(key: str, most: int) -> list[str]:
    """List the values of query parameter *key* that are not whole numbers from 0 to *most*."""
    given = st.query_params.get_all(key)
    return [f"{key}={value}" for value in given if not (value.isascii() and value.isdigit() and int(value) <= most)]


def show_invalid_parameters(*invalid: Iterable[str]) -> None:
    """Show one warning that lists all *invalid* parameters; nothing when there are none."""
    quoted = [f"`{param[:MAX_SHOWN_LENGTH].replace('`', '')}`" for params in invalid for param in params]
    if quoted:
        st.warning(f"Ignored invalid parameters in the URL: {', '.join(quoted)}.", icon=":material/link_off:")
