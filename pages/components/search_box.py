"""The search in the sidebar, on every page: Enter opens the page of results, `/` or Ctrl+K puts the cursor into it."""

import streamlit as st

from core.markup import is_storable
from pages.components import query_params
from pages.session import browser, guard

BOX_KEY, SUBMITTED_KEY = "sidebar-search", "sidebar-search-submitted"


def show_search_box() -> None:
    """Draw the box; after Enter, leave for the page of results."""
    st.text_input(
        "Find anything",
        key=BOX_KEY,
        placeholder="Search  /",
        icon=":material/search:",
        max_chars=query_params.MAX_TEXT_LENGTH,
        label_visibility="collapsed",
        autocomplete="off",
        on_change=_submit,
    )
    browser.focus_search_on_key(BOX_KEY)
    if text := st.session_state.pop(SUBMITTED_KEY, ""):
        st.switch_page("search.py", query_params={"q": text})


@guard.callback()
def _submit() -> None:
    text = st.session_state[BOX_KEY].strip()
    # NUL and lone surrogates: no name has them.
    st.session_state[SUBMITTED_KEY] = text if is_storable(text) else ""
    st.session_state[BOX_KEY] = ""
