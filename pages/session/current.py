"""The page's current session and identity, checked again in every run of the script and of a fragment.

`st.context.cookies` holds the cookies of the moment the page was opened and never changes. So the first run stores
the session id, and every later run checks that session.
"""

from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core.auth import api_keys, sessions, tokens
from core.auth.identity import Identity, Origin, Role, require_role
from core.auth.session_cache import LiveSession
from core.auth.signing_key import secret_key
from core.errors import NotSignedIn
from core.queries.sessions import session_end_reason
from core.settings import settings
from core.web import cookies
from pages.session.state_keys import SESSION_KEY

END_MESSAGE_KEY = "session-end-message"
ENDED_KEY = "session-ended"
LAST_VISIT_KEY = "session-last-visit"  # when the person's visit before this one ended, for the pages
SIGNED_OUT_ELSEWHERE = "signed_out_elsewhere"
# A new secret, shown once: dropped when the reader confirms the copy or opens another page than the one listed here.
API_KEY_SHOWN_ONCE, FEED_TOKEN_SHOWN_ONCE = "session-new-api-key", "session-new-feed-token"
WEBHOOK_KEY_SHOWN_ONCE = "session-new-webhook-key"
SHOWN_ONCE_KEYS: dict[api_keys.Kind, str] = {"api": API_KEY_SHOWN_ONCE, "feed": FEED_TOKEN_SHOWN_ONCE}
SHOWN_ONCE_PAGES = {**dict.fromkeys(SHOWN_ONCE_KEYS.values(), "profile"), WEBHOOK_KEY_SHOWN_ONCE: "alerts"}
SESSION_ENDED_MESSAGE = "Your session has ended. Sign in to continue"
END_REASON_MESSAGES = {
    "sign_out": "You signed out in another tab",
    SIGNED_OUT_ELSEWHERE: "You were signed out elsewhere. Sign in to continue",
    "password_changed": "Your password was changed, which ended all sessions. Sign in with the new one",
    "password_reset": "A new password was set, which ended all sessions. Sign in with it",
    "role_changed": "Your role was changed. Sign in again to continue",
    "deactivated": "Your account was deactivated. Ask an admin",
    "refresh_token_reused": "A copy of your session was used, so it was ended to be safe. Sign in again",
    "replaced": "Someone signed in again in this browser. Reload the page to continue as them",
}


def read_cookie(name: str) -> str | None:
    """Return the cookie *name* as the browser sent it when the page was opened."""
    value = st.context.cookies.get(name)
    # In AppTest cookies are a mock, which would be true.
    return value if isinstance(value, str) else None


def nonce() -> str:
    """Return the nonce that binds a sign-in to this browser; empty where the browser blocks cookies."""
    return read_cookie(cookies.cookie_names(settings()).nonce) or ""


def origin() -> Origin:
    """Return client address, user agent and request id of this page, for the audit trail."""
    values = (st.context.headers.get(name) for name in ("x-auth-address", "user-agent", "x-request-id"))
    return Origin(*(value if isinstance(value, str) else None for value in values))


def current_session() -> LiveSession | None:
    """Check the session of this page and return it; None when there is none, or when it has ended."""
    # Signing in again loads a new page with new cookies; this page's belong to the session that has ended.
    if ENDED_KEY in st.session_state:
        return None
    session_id = st.session_state.get(SESSION_KEY) or _session_id_from_cookie()
    if session_id is None:
        return None
    live = sessions.get_live(session_id)
    if live is not None:
        st.session_state[SESSION_KEY] = session_id
    elif SESSION_KEY in st.session_state:
        forget_session(_end_message(session_id))
    return live


def forget_session(message: str = SESSION_ENDED_MESSAGE) -> None:
    """Drop the page's session; the sign-in page then shows *message*."""
    st.session_state.pop(SESSION_KEY, None)
    st.session_state[ENDED_KEY] = True
    st.session_state[END_MESSAGE_KEY] = message


def end_message() -> str:
    """Return why the page's session ended, as a sentence, in each run until the next sign-in; empty if it did not."""
    return str(st.session_state.get(END_MESSAGE_KEY, ""))


def is_renewal_needed(live: LiveSession | None) -> bool:
    """Return whether the browser has to refresh its access token before anything is shown."""
    if live is not None:
        return live.access_expires_at <= datetime.now(UTC)
    return ENDED_KEY not in st.session_state and read_cookie(cookies.cookie_names(settings()).refresh) is not None


def current_identity() -> Identity:
    """Return the signed-in person. Raises NotSignedIn once their session has ended or its access token expired."""
    live = current_session()
    if live is None or is_renewal_needed(live):
        raise NotSignedIn(SESSION_ENDED_MESSAGE)
    return live.identity


def require_identity(role: Role = "analyst") -> Identity:
    """Return the signed-in person. Raises NotSignedIn, or Forbidden where they lack *role*."""
    return require_role(current_identity(), role)


def last_visit() -> datetime | None:
    """Return when the person's visit before this one ended, as the page's main script recorded it; None without one."""
    ended = st.session_state.get(LAST_VISIT_KEY)
    return ended if isinstance(ended, datetime) else None


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
