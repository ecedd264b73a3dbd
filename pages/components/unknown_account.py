"""The sentence of pages with a filter by account about a login that is not stored."""

import streamlit as st

from core.errors import BadInput
from core.tracking.login import parse_login
from pages.components.markdown import escape_markdown


def explain(login: str) -> None:
    """Say that *login* cannot be one, or that no account of that name is stored."""
    try:
        parse_login(login)
    except BadInput as error:
        st.warning(f"{escape_markdown(str(error))}.", icon=":material/person_off:")
    else:
        st.info(f"No account called **{escape_markdown(login)}** is stored.", icon=":material/person_search:")
