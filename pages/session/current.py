"""Who is signed in: the session that this page holds, asked anew in every run of the script and of a fragment.

What a script sees of cookies is a picture of the moment its page was opened, and never changes. So the session is
bound on the first run, and whether it lasts is asked from then on.
"""

from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core.auth import sessions, tokens
from core.auth.identity import Identity, Origin, Role, require
from core.auth.sessions import Live
from core.auth.signing_key import secret_key
from core.errors import NotSignedIn
from core.queries.sessions import why_ended
from core.settings import settings
from core.web import cookies

SESSION = "session-held"
FAREWELL = "session-farewell"
OVER = "session-over"
ELSEWHERE = "signed_out_elsewhere"
# A new key, and the page that shows it: let go of when it was copied, or when another page is read.
SHOWN_ONCE = "session-shown-once"
WEBHOOK_KEY = "session-webhook-key"
SHOWN_ONCE_ON = {SHOWN_ONCE: "profile", WEBHOOK_KEY: "alerts"}
ENDED = "Your session has ended. Sign in to go on"
WHY = {
    "sign_out": "You have signed out in another tab",
    ELSEWHERE: "You were signed out elsewhere. Sign in to go on",
    "password_changed": "Your password was changed, which ended all sessions. Sign in with the new one",
    "password_reset": "A new password was set, which ended all sessions. Sign in with it",
    "role_changed": "Your role was changed. Sign in again to go on",
    "deactivated": "Your account was deactivated. Ask an admin",
    "refresh_reused": "A copy of your session was used, so it was ended to be safe. Sign in again",
    "replaced": "Somebody signed in anew in this browser. Load the page again to go on as them",
}


def cookie(name: str) -> str | None:
    """What the browser sent as cookie *name* when the page was opened."""
    value = st.context.cookies.get(name)
    # Anything else is a stand-in of a test and would be true.
    return value if isinstance(value, str) else None


def nonce() -> str:
    """What binds a sign-in to this browser; empty where it keeps no cookies."""
    return cookie(cookies.names(settings()).nonce) or ""


def origin() -> Origin:
    """Where this page is read, for the audit trail."""
    named = (st.context.headers.get(name) for name in ("x-auth-address", "user-agent", "x-request-id"))
    return Origin(*(value if isinstance(value, str) else None for value in named))


def held() -> Live | None:
    """The session of this page as it is now; None when there is none, or when it has ended."""
    session_id = st.session_state.get(SESSION) or _in_cookie()
    if session_id is None:
        return None
    live = sessions.live(session_id)
    if live is not None:
        st.session_state[SESSION] = session_id
    elif SESSION in st.session_state:
        end(_farewell(session_id))
    return live


def end(sentence: str = ENDED) -> None:
    """Let go of the session; who signs in next is told why."""
    st.session_state.pop(SESSION, None)
    st.session_state[OVER] = True
    st.session_state[FAREWELL] = sentence


def farewell() -> str:
    """Why the session of this page ended, once; empty when it did not."""
    return str(st.session_state.pop(FAREWELL, ""))


def to_be_renewed(live: Live | None) -> bool:
    """Whether the browser has to ask for a fresh access token before anything is shown."""
    if live is not None:
        return live.access_until <= datetime.now(UTC)
    return OVER not in st.session_state and cookie(cookies.names(settings()).refresh) is not None


def signed_in() -> Identity:
    """The person who reads this page. Raises NotSignedIn once their session has ended."""
    live = held()
    if live is None:
        raise NotSignedIn(ENDED)
    return live.identity


def required(role: Role = "analyst") -> Identity:
    """The person who reads this page. Raises Forbidden where an admin is needed."""
    return require(signed_in(), role)


def _in_cookie() -> UUID | None:
    token = cookie(cookies.names(settings()).access)
    if token is None:
        return None
    try:
        return tokens.read_access(secret_key(), token, datetime.now(UTC)).sid
    except tokens.InvalidToken:
        return None


def _farewell(session_id: UUID) -> str:
    reason = why_ended(session_id)
    return WHY.get(reason, ENDED) if reason else ENDED
