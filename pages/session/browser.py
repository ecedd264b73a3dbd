"""What only the browser can do for a session: take its cookies, renew them, read the secret of a link, leave.

The scripts beside this file run in the page itself. A ticket or a secret is told to our own server alone, in the
body of a request: no address, log or element holds it.
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
TICKET_REFUSED_KEY = "door-refused"
RENEWAL_TRIED_KEY = "door-renewals"
LINK_SECRET_KEY = "door-link"  # noqa: S105 - the name of a session state key
SCRIPTS_WITH_THEME = ("enter", "keep", "choose_theme")


@cache
def script_source(name: str) -> str:
    parts = ([SCRIPTS_DIR / "theme.js"] if name in SCRIPTS_WITH_THEME else []) + [SCRIPTS_DIR / f"{name}.js"]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def mount_script(name: str, *, key: str, data: dict[str, Any], css: str = "", **on_change: Any) -> Any:
    """Let *name*'s script run in the page; it takes no room unless it draws something."""
    component = st.components.v2.component(f"almanac_{name}", js=script_source(name), css=css or None)
    return component(key=key, data=data, **on_change)


def exchange_ticket(ticket: str, identity_theme: str | None, to: str = "") -> None:
    """Trade *ticket* for a session and show *to*, or the page asked for, as a new page."""

    def refused() -> None:
        st.session_state[TICKET_REFUSED_KEY] = str(st.session_state["door-enter"].get("refused"))

    data = {"ticket": ticket, "attempt": uuid4().hex, "next": to, **theme_data(identity_theme)}
    mount_script("enter", key="door-enter", data=data, on_refused_change=refused)


def ticket_error_message() -> str:
    """Why the last ticket was of no use, in a sentence; empty when it was, or when there was none."""
    status = st.session_state.pop(TICKET_REFUSED_KEY, None)
    if status is None:
        return ""
    if status == "403":
        return f"This page was opened under another address. Open {settings().address} and sign in there"
    if status == "401":
        return "Your browser does not keep the cookies of this site, so nobody can stay signed in. Allow them and try again"
    return "The server did not answer. Try again in a moment"


def renew_cookies(live: LiveSession | None) -> None:
    """Get fresh cookies, then run the page again; who cannot get any signs in."""
    tried = st.session_state.get(RENEWAL_TRIED_KEY) == _access_expiry(live)

    def told() -> None:
        answer = st.session_state["door-renew"].get("told")
        if answer == "refused":
            current.forget_session()
        elif answer == "renewed":
            st.session_state[RENEWAL_TRIED_KEY] = _access_expiry(live)

    # Of another session's cookies only a new page knows, and of the first ones too.
    data = {"attempt": uuid4().hex, "reload": live is None or tried}
    mount_script("renew", key="door-renew", data=data, on_told_change=told)
    st.caption(":material/hourglass_empty: One moment: your session is being renewed.")


def keep_cookies_fresh(live: LiveSession) -> None:
    """Keep the cookies of a page that is left open fresh."""
    left = (live.access_expires_at - datetime.now(UTC)).total_seconds()
    data = {"left": left, "good": settings().access_token_minutes * 60, **theme_data(preferred_theme(live.identity))}
    mount_script("keep", key="door-keep", data=data, on_refused_change=lambda: None)


def link_secret() -> str | None:
    """What follows the # in the address; None before the browser has told."""
    told = st.session_state.get(LINK_SECRET_KEY, {}).get("secret")
    mount_script("link_secret", key=LINK_SECRET_KEY, data={"told": told}, on_secret_change=lambda: None)
    return told


def redirect_to(to: str) -> None:
    """Go to another page of ours, by its address."""
    mount_script("leave", key="door-leave", data={"to": to})


def apply_theme(theme: str) -> None:
    """Show *theme* from now on in this browser."""
    mount_script("choose_theme", key="door-theme", data=theme_data(theme))


def theme_data(theme: str | None) -> dict[str, Any]:
    paths = [f"/{entry.path}" for entry in navigation.all_entries()]
    return {"theme": theme.capitalize() if theme else None, "paths": paths}


def preferred_theme(identity: Identity) -> str | None:
    theme = identity.preferences.get("theme")
    return theme if theme in {"system", "light", "dark"} else None


def _access_expiry(live: LiveSession | None) -> str:
    return live.access_expires_at.isoformat() if live else "none"
