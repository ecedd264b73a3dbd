"""Authenticate requests by session cookies, access token or API key.

These functions block on Redis and Postgres: call them in a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from core.auth import api_keys, sessions, signing_key, tokens
from core.auth.identity import Identity, Origin
from core.auth.session_cache import LiveSession
from core.ratelimit import limiter
from core.web.cookies import CookieNames
from core.web.websocket_owner import WebsocketOwner


@dataclass(frozen=True)
class Renewal:
    """The effect of a page request on the browser's cookies, and who sent it if the session is valid."""

    cookies: Literal["kept", "new", "cleared"] = "kept"
    tokens: sessions.SessionTokens | None = None
    username: str | None = None


def identify(
    authorization: str, cookies: Mapping[str, str], names: CookieNames, address: str | None = None
) -> Identity | None:
    """Return the authenticated person or None. If a bearer token is sent, cookies are ignored.

    Raises RateLimitExceeded for an API key that was not valid lately, from an IP address whose limit for requests
    without a valid session or key is spent: each such key costs a query. Sessions cost none unless their signature is
    valid, and keys in use go on working.
    """
    scheme, _, bearer = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return identity_by_access_token(cookies.get(names.access, ""))
    bearer = bearer.strip()
    if not bearer.startswith(api_keys.API_KEY_PREFIX):
        return identity_by_access_token(bearer)
    if not api_keys.was_valid_recently(bearer):
        limiter.require_remaining("api", limiter.anonymous_client(address))
    return api_keys.identify(bearer)


def identify_by_feed_token(token: str, address: str | None = None) -> Identity | None:
    """Return the person of a feed token; only requests for a feed may be authenticated so. Raises as `identify`."""
    if not api_keys.was_valid_recently(token):
        limiter.require_remaining("api", limiter.anonymous_client(address))
    return api_keys.identify(token, kind="feed")


def identity_by_access_token(token: str) -> Identity | None:
    live = live_session(token)
    return live.identity if live else None


def live_session(token: str) -> LiveSession | None:
    """Return the session of a valid access token, unless the session ended."""
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
    """Refresh the session of a browser whose access token expired; invalid cookies are cleared."""
    access, refresh = cookies.get(names.access, ""), cookies.get(names.refresh, "")
    if live := live_session(access):
        return Renewal(username=live.identity.username)
    if not refresh:
        return Renewal("cleared" if names.access in cookies else "kept")
    try:
        renewed = sessions.refresh(refresh, origin)
    except tokens.InvalidToken:
        return Renewal("cleared")
    identity = sessions.identity_of(renewed.session_id)
    return Renewal("new", renewed, identity.username if identity else None)


def websocket_owner(cookies: Mapping[str, str], names: CookieNames) -> WebsocketOwner:
    """Return the session in the cookies and its person, unless it ended; its access token may have expired."""
    session_id = session_id_in_cookies(cookies, names)
    live = sessions.get_live(session_id) if session_id else None
    return WebsocketOwner(session_id, live.identity.person_id) if live else WebsocketOwner()


def session_id_in_cookies(cookies: Mapping[str, str], names: CookieNames) -> UUID | None:
    """Return the session id in the cookies, active or not; None if their tokens are invalid."""
    key = signing_key.secret_key()
    try:
        return tokens.decode_refresh_token(key, cookies.get(names.refresh, ""))[0]
    except tokens.InvalidToken:
        pass
    try:
        return tokens.decode_access_token(key, cookies.get(names.access, ""), datetime.now(UTC)).sid
    except tokens.InvalidToken:
        return None
