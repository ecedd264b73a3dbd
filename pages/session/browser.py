"""Browser scripts of the session: exchange a sign-in ticket, refresh cookies, read a link's secret, redirect.

The scripts in `scripts/` run in the page itself. A ticket or secret is sent to our own server only, in the body of a
request: it never appears in a URL, a log or an element of the page.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import streamlit as st

from core.auth.identity import Identity
from core.auth.session_cache import LiveSession
from core.settings import settings
from pages.components import navigation
from pages.session import current

SCRIPTS_DIR = Path(__file__).parent / "scripts"
TICKET_REFUSED_KEY = "session-ticket-refused"
SIGN_IN_KEY, REFRESH_KEY = "script-sign-in", "script-refresh-session"
LINK_SECRET_KEY = "script-link-secret"  # noqa: S105 - the name of a session state key
SCRIPTS_WITH_THEME = ("sign_in", "keep_session", "apply_theme")


@cache
def script_source(name: str) -> str:
    """Return the script *name*, after the functions of `theme.js` where it calls them."""
    parts = ([SCRIPTS_DIR / "theme.js"] if name in SCRIPTS_WITH_THEME else []) + [SCRIPTS_DIR / f"{name}.js"]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def mount_script(name: str, *, key: str, data: dict[str, Any], css: str = "", **on_change: Any) -> None:
    """Run the script *name* in the page; page.css hides the elements of scripts whose key begins with `script-`."""
    component = st.components.v2.component(f"almanac_{name}", js=script_source(name), css=css or None)
    component(key=key, data=data, **on_change)


def exchange_ticket(ticket: str, theme: str | None, path: str = "") -> None:
    """Exchange *ticket* for session cookies, then load *path*, by default the page that was requested."""

    def on_refused() -> None:
        st.session_state[TICKET_REFUSED_KEY] = str(st.session_state[SIGN_IN_KEY].get("refused"))

    data = {"ticket": ticket, "attempt": uuid4().hex, "next": path, **theme_data(theme)}
    mount_script("sign_in", key=SIGN_IN_KEY, data=data, on_refused_change=on_refused)


def ticket_error_message() -> str:
    """Return once why the server refused the last ticket, as a sentence; empty when it did not."""
    status = st.session_state.pop(TICKET_REFUSED_KEY, None)
    if status is None:
        return ""
    if status == "403":
        return f"This page was opened under another URL. Open {settings().base_url} and sign in there"
    if status == "401":
        return "Your browser blocks the cookies of this site, so you cannot stay signed in. Allow them and try again"
    return "The server did not respond. Try again in a moment"


def renew_cookies() -> None:
    """Refresh expired cookies, then load the page again, under its URL; a refused refresh leads to the sign-in.

    A reload, because this page never sees new cookies, and its widgets have been removed from it meanwhile.
    """

    def on_outcome() -> None:
        if st.session_state[REFRESH_KEY].get("outcome") == "refused":
            current.forget_session()

    mount_script("refresh_session", key=REFRESH_KEY, data={"attempt": uuid4().hex}, on_outcome_change=on_outcome)
    st.caption(":material/hourglass_empty: One moment: your session is being renewed.")


def keep_cookies_fresh(live: LiveSession) -> None:
    """Refresh the cookies of an open page before they expire."""
    seconds_left = (live.access_expires_at - datetime.now(UTC)).total_seconds()
    data = {
        "seconds_left": seconds_left,
        "lifetime_seconds": settings().access_token_minutes * 60,
        **theme_data(preferred_theme(live.identity)),
    }
    mount_script("keep_session", key="script-keep-session", data=data, on_refused_change=lambda: None)


def link_secret() -> str | None:
    """Return the fragment of the URL; None until the browser has reported it."""
    secret: str | None = st.session_state.get(LINK_SECRET_KEY, {}).get("secret")
    mount_script("link_secret", key=LINK_SECRET_KEY, data={"reported": secret}, on_secret_change=lambda: None)
    return secret


def redirect_to(path: str) -> None:
    """Load another page of ours, as a new document."""
    mount_script("redirect", key="script-redirect", data={"path": path})


def focus_search_on_key(key: str) -> None:
    """Make `/` and Ctrl+K put the cursor into the text input *key*."""
    mount_script("focus_search", key="script-focus-search", data={"key": key})


def keep_cell_in_view() -> None:
    """Keep the cell that the URL names in view until the reader moves: Streamlit scrolls to it once, too early."""
    mount_script("keep_cell_in_view", key="script-keep-cell-in-view", data={})


def apply_theme(theme: str) -> None:
    """Store *theme* in this browser and reload the page with it."""
    mount_script("apply_theme", key="script-apply-theme", data=theme_data(theme))


def theme_data(theme: str | None) -> dict[str, Any]:
    """Return what `storeTheme` in theme.js takes: the theme by Streamlit's name, and the paths of all pages."""
    paths = [f"/{entry.path}" for entry in navigation.MENU]
    return {"theme": theme.capitalize() if theme else None, "paths": paths}


def preferred_theme(identity: Identity) -> str | None:
    """Return the theme stored with the person: system, light or dark; None before they chose one."""
    theme = identity.preferences.get("theme")
    return theme if theme in {"system", "light", "dark"} else None
