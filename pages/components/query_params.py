"""Validation of query parameters before widgets read them: Streamlit drops invalid values silently."""

from collections.abc import Collection, Iterable

import streamlit as st

MAX_SHOWN_LENGTH = 60


def invalid_choices(key: str, options: Collection[str], *, several: bool = False) -> list[str]:
    """List the values of query parameter *key* that are not in *options*; accept those that differ in case only."""
    given = st.query_params.get_all(key)
    option_by_lower = {option.lower(): option for option in options}
    valid = [option_by_lower[value.lower()] for value in given if value.lower() in option_by_lower]
    if valid and valid != given and key not in st.session_state:
        st.session_state[key] = valid if several else valid[0]
    return [f"{key}={value}" for value in given if value.lower() not in option_by_lower]


def invalid_whole_numbers(key: str, most: int) -> list[str]:
    """List the values of query parameter *key* that are not whole numbers from 0 to *most*."""
    given = st.query_params.get_all(key)
    return [f"{key}={value}" for value in given if not (value.isascii() and value.isdigit() and int(value) <= most)]


def show_invalid_parameters(*invalid: Iterable[str]) -> None:
    """Show one warning that lists all *invalid* parameters; nothing when there are none."""
    quoted = [f"`{param[:MAX_SHOWN_LENGTH].replace('`', '')}`" for params in invalid for param in params]
    if quoted:
        st.warning(f"Ignored invalid parameters in the URL: {', '.join(quoted)}.", icon=":material/link_off:")
