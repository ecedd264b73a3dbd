"""What the pages for who is not signed in have in common."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import streamlit as st

from core.errors import AlmanacError, BadInput, RateLimitExceeded, ServerUnavailable
from pages.components import remaining_quota
from pages.components.markdown import escape_markdown
from pages.session import browser

REQUIREMENTS_CSS = """
:host { font: 0.85rem var(--st-font); color: var(--st-text-color); }
ul { list-style: none; display: inline-flex; flex-wrap: wrap; gap: 0 0.9rem; margin: 0 0 0 0.6rem; padding: 0; }
li { opacity: 0.75; }
li::before { content: "○ "; }
li[data-met="true"] { opacity: 1; }
li[data-met="true"]::before { content: "✓ "; color: var(--st-green-text-color, #059669); }
"""


def show_notice(sentence: str) -> None:
    """Say *sentence* calmly; nothing when there is none."""
    if sentence:
        st.warning(f"{sentence}.", icon=":material/info:")


@contextmanager
def errors_as_notices() -> Iterator[None]:
    """Let a refusal in this block be one calm sentence; a limit counts down to its end."""
    try:
        yield
    except RateLimitExceeded as full:
        remaining_quota.show_limit_reached(full, goes_on_by_itself=False)
    except ServerUnavailable:
        raise
    except AlmanacError as refused:
        show_notice(escape_markdown(str(refused)))


def check_passwords_match(new: str, repeated: str) -> None:
    """Raises BadInput."""
    if new != repeated:
        raise BadInput("The two passwords differ")


def secret_from_link(pasted: str) -> str:
    """The secret in what was pasted: a whole link, or what follows its #."""
    return pasted.strip().rpartition("#")[2]


def annotate_fields(fill: Mapping[str, str], *, focus: str = "", rules_of: str = "", asks_again: bool = False) -> bool:
    """Tell password managers what the fields are, and mark the rules of a new password as they are met.

    Returns whether the page was loaded anew because its sign-in had become too old.
    """
    key = f"typing-{rules_of or focus}"
    data = {"fill": dict(fill), "focus": focus, "rules_of": rules_of, "asks_again": asks_again}
    browser.mount_script("typing", key=key, data=data, css=REQUIREMENTS_CSS, on_again_change=lambda: None)
    return bool(st.session_state.get(key, {}).get("again"))
