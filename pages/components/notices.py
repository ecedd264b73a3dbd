"""Sentences for the reader as notices: errors that a person caused."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import AlmanacError, RateLimitExceeded, ServerUnavailable
from pages.components import remaining_quota
from pages.components.markdown import escape_markdown


def show_notice(sentence: str) -> None:
    """Show *sentence* (without its full stop) as a warning; nothing when it is empty."""
    if sentence:
        st.warning(f"{sentence}.", icon=":material/info:")


@contextmanager
def errors_as_notices() -> Iterator[None]:
    """Show an AlmanacError raised in this block as a notice; a reached limit counts down to its reset.

    ServerUnavailable is raised on: the page as a whole shows it.
    """
    try:
        yield
    except RateLimitExceeded as error:
        remaining_quota.show_limit_reached(error, resumes_automatically=False)
    except ServerUnavailable:
        raise
    except AlmanacError as error:
        show_notice(escape_markdown(str(error)))
