"""Who is signed in: the session that this page holds, asked anew in every run of the script and of a fragment.

What a script sees of cookies is a picture of the moment its page was opened, and never changes. So the session is
bound on the first run, and whether it lasts is asked from then on.
"""

from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core.auth import sessions, tokens
from core.auth.identity import Identity, Origin, Role, require_role
from core.auth.session_cache import LiveSession
from core.auth.signing_key import secret_key
from core.errors import NotSignedIn
from core.queries.sessions import session_end_reason
from core.settings import settings
from core.web import cookies

SESSION_KEY = "session-held"
END_MESSAGE_KEY = "session-farewell"
ENDED_KEY = "session-over"
SIGNED_OUT_ELSEWHERE = "signed_out_elsewhere"
# A new key, and the page that shows it: let go of when it was copied, or when another page is read.
API_KEY_SHOWN_ONCE = "session-shown-once"
WEBHOOK_KEY_SHOWN_ONCE = "session-webhook-key"
SHOWN_ONCE_PAGES = {API_KEY_SHOWN_ONCE: "profile", WEBHOOK_KEY_SHOWN_ONCE: "alerts"}
SESSION_ENDED_MESSAGE = "Your session has ended. Sign in to go on"
END_REASON_MESSAGES = {
    "sign_out": "You have signed out in another tab",
    SIGNED_OUT_ELSEWHERE: "You were signed out elsewhere. Sign in to go on",
    "password_changed": "Your password was changed, which ended all sessions. Sign in with the new one",
    "password_reset": "A new password was set, which ended all sessions. Sign in with it",
    "role_changed": "Your role was changed. Sign in again to go on",
    "deactivated": "Your account was deactivated. Ask an admin",
    "refresh_token_reused": "A copy of your session was used, so it was ended to be safe. Sign in again",
    "replaced": "Somebody signed in anew in this browser. Load the page again to go on as them",
}


def read_cookie(name: str) -> str | None:
    """What the browser sent as cookie *name* when the page was opened."""
    value = st.context.cookies.get(name)
    # Anything else is a stand-in of a test and would be true.
    return value if isinstance(value, str) else None


def nonce() -> str:
    """What binds a sign-in to this browser; empty where it keeps no cookies."""
    return read_cookie(cookies.cookie_names(settings()).nonce) or ""


def origin() -> Origin:
    """Where this page is read, for the audit trail."""
    named = (st.context.headers.get(name) for name in ("x-auth-address", "user-agent", "x-request-id"))
    return Origin(*(value if isinstance(value, str) else None for value in named))


def current_session() -> LiveSession | None:
    """The session of this page as it is now; None when there is none, or when it has ended."""
    session_id = st.session_state.get(SESSION_KEY) or _session_id_from_cookie()
    if session_id is None:
        return None
    live = sessions.get_live(session_id)
    if live is not None:
        st.session_state[SESSION_KEY] = session_id
    elif SESSION_KEY in st.session_state:
        forget_session(_end_message(session_id))
    return live


def forget_session(sentence: str = SESSION_ENDED_MESSAGE) -> None:
    """Let go of the session; who signs in next is told why."""
    st.session_state.pop(SESSION_KEY, None)
    st.session_state[ENDED_KEY] = True
    st.session_state[END_MESSAGE_KEY] = sentence


def pop_end_message() -> str:
    """Why the session of this page ended, once; empty when it did not."""
    return str(st.session_state.pop(END_MESSAGE_KEY, ""))


def is_renewal_needed(live: LiveSession | None) -> bool:
    """Whether the browser has to ask for a fresh access token before anything is shown."""
    if live is not None:
        return live.access_expires_at <= datetime.now(UTC)
    return ENDED_KEY not in st.session_state and read_cookie(cookies.cookie_names(settings()).refresh) is not None


def current_identity() -> Identity:
    """The person who reads this page. Raises NotSignedIn once their session has ended."""
    live = current_session()
    if live is None:
        raise NotSignedIn(SESSION_ENDED_MESSAGE)
    return live.identity


def require_identity(role: Role = "analyst") -> Identity:
    """The person who reads this page. Raises Forbidden where an admin is needed."""
    return require_role(current_identity(), role)


def _session_id_from_cookie() -> UUID | None:
    token = read_cookie(cookies.cookie_names(settings()).access)
    if token is None:
        return None
    try:
        return tokens.decode_access_token(secret_key(), token, datetime.now(UTC)).sid
    except tokens.InvalidToken:
        return None


def _end_message(session_id: UUID) -> str:
    reason = session_end_reason(session_id)
    return END_REASON_MESSAGES.get(reason, SESSION_ENDED_MESSAGE) if reason else SESSION_ENDED_MESSAGE
