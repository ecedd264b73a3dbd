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
from core.auth.sessions import Live
from core.settings import settings
from pages.components import navigation
from pages.session import current

SCRIPTS = Path(__file__).parent / "scripts"
REFUSED = "door-refused"
RENEWALS = "door-renewals"
LINK = "door-link"
WITH_THEME = ("enter", "keep", "choose_theme")


@cache
def script(name: str) -> str:
    parts = ([SCRIPTS / "theme.js"] if name in WITH_THEME else []) + [SCRIPTS / f"{name}.js"]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def mount(name: str, *, key: str, data: dict[str, Any], css: str = "", **on_change: Any) -> Any:
    """Let *name*'s script run in the page; it takes no room unless it draws something."""
    component = st.components.v2.component(f"almanac_{name}", js=script(name), css=css or None)
    return component(key=key, data=data, **on_change)


def enter(ticket: str, identity_theme: str | None, to: str = "") -> None:
    """Trade *ticket* for a session and show *to*, or the page asked for, as a new page."""

    def refused() -> None:
        st.session_state[REFUSED] = str(st.session_state["door-enter"].get("refused"))

    data = {"ticket": ticket, "attempt": uuid4().hex, "next": to, **theme_told(identity_theme)}
    mount("enter", key="door-enter", data=data, on_refused_change=refused)


def refusal() -> str:
    """Why the last ticket was of no use, in a sentence; empty when it was, or when there was none."""
    status = st.session_state.pop(REFUSED, None)
    if status is None:
        return ""
    if status == "403":
        return f"This page was opened under another address. Open {settings().address} and sign in there"
    if status == "401":
        return "Your browser does not keep the cookies of this site, so nobody can stay signed in. Allow them and try again"
    return "The server did not answer. Try again in a moment"


def renew(live: Live | None) -> None:
    """Get fresh cookies, then run the page again; who cannot get any signs in."""
    tried = st.session_state.get(RENEWALS) == _state_of(live)

    def told() -> None:
        answer = st.session_state["door-renew"].get("told")
        if answer == "refused":
            current.end()
        elif answer == "renewed":
            st.session_state[RENEWALS] = _state_of(live)

    # Of another session's cookies only a new page knows, and of the first ones too.
    data = {"attempt": uuid4().hex, "reload": live is None or tried}
    mount("renew", key="door-renew", data=data, on_told_change=told)
    st.caption(":material/hourglass_empty: One moment: your session is being renewed.")


def keep(live: Live) -> None:
    """Keep the cookies of a page that is left open fresh."""
    left = (live.access_until - datetime.now(UTC)).total_seconds()
    data = {"left": left, "good": settings().access_token_minutes * 60, **theme_told(theme_of(live.identity))}
    mount("keep", key="door-keep", data=data, on_refused_change=lambda: None)


def link_secret() -> str | None:
    """What follows the # in the address; None before the browser has told."""
    told = st.session_state.get(LINK, {}).get("secret")
    mount("link_secret", key=LINK, data={"told": told}, on_secret_change=lambda: None)
    return told


def leave(to: str) -> None:
    """Go to another page of ours, by its address."""
    mount("leave", key="door-leave", data={"to": to})


def choose_theme(theme: str) -> None:
    """Show *theme* from now on in this browser."""
    mount("choose_theme", key="door-theme", data=theme_told(theme))


def theme_told(theme: str | None) -> dict[str, Any]:
    paths = [f"/{entry.path}" for entry in navigation.all_entries()]
    return {"theme": theme.capitalize() if theme else None, "paths": paths}


def theme_of(identity: Identity) -> str | None:
    theme = identity.preferences.get("theme")
    return theme if theme in {"system", "light", "dark"} else None


def _state_of(live: Live | None) -> str:
    return live.access_until.isoformat() if live else "none"
