"""Who a request shows to come from: by a session's cookies, an access token or an API key.

These functions ask Redis and Postgres: call them from a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from core.auth import api_keys, sessions, signing_key, tokens
from core.auth.identity import Identity, Origin
from core.auth.session_cache import LiveSession
from core.web.cookies import CookieNames


@dataclass(frozen=True)
class Renewal:
    """What becomes of a browser's cookies when it asks for a page."""

    cookies: Literal["kept", "new", "cleared"] = "kept"
    tokens: sessions.SessionTokens | None = None


def identify(authorization: str, cookies: Mapping[str, str], names: CookieNames) -> Identity | None:
    """The person behind a request, None when nobody is. What is sent as a bearer token counts, and then it alone."""
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return identity_by_access_token(cookies.get(names.access, ""))
    shown = shown.strip()
    return api_keys.identify(shown) if shown.startswith(api_keys.API_KEY_PREFIX) else identity_by_access_token(shown)


def identity_by_access_token(token: str) -> Identity | None:
    live = live_session(token)
    return live.identity if live else None


def live_session(token: str) -> LiveSession | None:
    """The session behind an access token that is good now and was not ended meanwhile."""
    if not token:
        return None
    now = datetime.now(UTC)
    try:
        claims = tokens.decode_access_token(signing_key.secret_key(), token, now)
    except tokens.InvalidToken:
        return None
    live = sessions.get_live(claims.sid)
    return live if live and live.access_expires_at > now else None


def renew_session(cookies: Mapping[str, str], names: CookieNames, origin: Origin) -> Renewal:
    """Continue the session of a browser whose access token is over; cookies that are good for nothing are cleared."""
    access, refresh = cookies.get(names.access, ""), cookies.get(names.refresh, "")
    if live_session(access):
        return Renewal()
    if not refresh:
        return Renewal("cleared" if names.access in cookies else "kept")
    try:
        return Renewal("new", sessions.refresh(refresh, origin))
    except tokens.InvalidToken:
        return Renewal("cleared")


def session_id_in_cookies(cookies: Mapping[str, str], names: CookieNames) -> UUID | None:
    """The session that the cookies are of, whether it still lives or not; None when they are not ours."""
    key = signing_key.secret_key()
    try:
        return tokens.decode_refresh_token(key, cookies.get(names.refresh, ""))[0]
    except tokens.InvalidToken:
        pass
    try:
        return tokens.decode_access_token(key, cookies.get(names.access, ""), datetime.now(UTC)).sid
    except tokens.InvalidToken:
        return None
