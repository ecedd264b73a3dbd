"""A link to the compare page."""

from collections.abc import Iterable
from itertools import islice

import streamlit as st

from core.analysis.comparison import MAX_SUBJECTS


def compare_link(names: Iterable[str], label: str) -> None:
    """Draw a link that compares the first ten of *names*, logins or `owner/name`; nothing without any."""
    first = list(islice(names, MAX_SUBJECTS))
    if first:
        st.page_link(
            "compare.py",
            label=label,
            icon=":material/compare_arrows:",
            query_params={"with": ",".join(first)},
            width="content",
        )
