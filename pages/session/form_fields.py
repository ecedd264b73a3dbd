"""Fields of the sign-in forms: new passwords, pasted links, and what password managers need to know."""

from collections.abc import Mapping

import streamlit as st

from core.errors import BadInput
from pages.session import browser

REQUIREMENTS_CSS = """
:host { font: 0.85rem var(--st-font); color: var(--st-text-color); }
ul { list-style: none; display: inline-flex; flex-wrap: wrap; gap: 0 0.9rem; margin: 0 0 0 0.6rem; padding: 0; }
li { opacity: 0.75; }
li::before { content: "○ "; }
li[data-met="true"] { opacity: 1; }
li[data-met="true"]::before { content: "✓ "; color: var(--st-green-text-color, #059669); }
"""


def check_passwords_match(new: str, repeated: str) -> None:
    """Raise BadInput when the two differ."""
    if new != repeated:
        raise BadInput("The two passwords differ")


def secret_from_link(pasted: str) -> str:
    """Return the secret in pasted text: the fragment of a link, or the text itself."""
    return pasted.strip().rpartition("#")[2]


def annotate_fields(
    autocomplete: Mapping[str, str], *, focus: str = "", rules_for: str = "", checks_reload: bool = False
) -> bool:
    """Set autocomplete attributes and focus, and mark the rules of a new password as it is typed.

    autocomplete   label of a field -> value of its attribute, for password managers
    focus          label of the field that gets the focus
    rules_for      label of the field whose rules are shown
    checks_reload  whether to check if the sign-in reloaded the page because its nonce was outdated; returns that
    """
    key = f"fields-{rules_for or focus}"
    data = {
        "autocomplete": dict(autocomplete),
        "focus": focus,
        "rules_for": rules_for,
        "checks_reload": checks_reload,
    }
    browser.mount_script("annotate_fields", key=key, data=data, css=REQUIREMENTS_CSS, on_reloaded_change=lambda: None)
    return bool(st.session_state.get(key, {}).get("reloaded"))
