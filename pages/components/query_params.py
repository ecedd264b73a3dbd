"""What the address asks for, checked before the widgets read it: Streamlit drops in silence what it cannot mean."""

from collections.abc import Collection, Iterable

import streamlit as st

MAX_SHOWN_LENGTH = 60


def invalid_choices(key: str, options: Collection[str], *, several: bool = False) -> list[str]:
    """List the values of *key* in the address that are none of *options*; take those that differ in case alone."""
    given = st.query_params.get_all(key)
    spelled = {option.lower(): option for option in options}
    meant = [spelled[value.lower()] for value in given if value.lower() in spelled]
    if meant and meant != given and key not in st.session_state:
        st.session_state[key] = meant if several else meant[0]
    return [f"{key}={value}" for value in given if value.lower() not in spelled]


def invalid_whole_numbers(key: str, most: int) -> list[str]:
    """List what the address says as *key* where it is no whole number from 0 to *most*."""
    given = st.query_params.get_all(key)
    return [f"{key}={value}" for value in given if not (value.isascii() and value.isdigit() and int(value) <= most)]


def show_invalid_parameters(*misread: Iterable[str]) -> None:
    """Say in one sentence what of the address was not understood."""
    said = [f"`{one[:MAX_SHOWN_LENGTH].replace('`', '')}`" for some in misread for one in some]
    if said:
        st.warning(f"Not understood in the address, and left out: {', '.join(said)}.", icon=":material/link_off:")
