"""Authentication middleware: identify each request and refuse those without the required access.

Starlette's AuthenticationMiddleware authenticates, but does not refuse, refresh cookies or bound the time.
"""

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import anyio
import structlog
from anyio.lowlevel import RunVar
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.auth.identity import Identity
from core.db.errors import is_server_unavailable, unavailable_reason
from core.errors import ServerUnavailable
from core.ratelimit import limiter
from core.settings import Settings
from core.web import cookies, websocket_owner
from core.web.middleware.error_responses import (
    INVALID_CREDENTIALS_MESSAGE,
    SIGN_IN_MESSAGE,
    error_response,
    not_signed_in_response,
    refuse_websocket,
)
from core.web.middleware.request_ids import log_as_caller
from core.web.middleware.trusted_hosts import LOOPBACK_HOSTS, host_name
from core.web.route_access import FEED_PATH, FEED_TOKEN_PARAM, STREAM_PATH, Access, route_access
from core.web.websocket_owner import WebsocketOwner

if TYPE_CHECKING:
    from core.web.identify import Renewal

log = structlog.get_logger()
# When a server hangs, a page is sent without refreshing the session; other requests get 503.
LOOKUP_TIMEOUT_SECONDS = 3.0
MAX_LOOKUP_THREADS = 16
Result = TypeVar("Result")
_lookup_limiter: RunVar[anyio.CapacityLimiter] = RunVar("lookup_limiter")


class Authentication:
    """Apply the access rule of each route and set `state["identity"]`, None if not authenticated."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.jar = cookies.CookieWriter(settings)
        self.metrics_token = settings.metrics_token.get_secret_value()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        scope = {**scope, "state": {**scope.get("state", {}), "identity": None}}
        if scope["type"] == "websocket" and scope["path"] != STREAM_PATH:
            await refuse_websocket(receive, send, "unknown path")
        elif scope["type"] == "websocket":
            # The sign-in form uses it too: pages check the session themselves.
            await self.app(websocket_owner.bind(scope, await self._websocket_owner(scope)), receive, send)
        else:
            await self._authorize(route_access(scope["method"], scope["path"]), scope, receive, send)

    async def _authorize(self, access: Access, scope: Scope, receive: Receive, send: Send) -> None:
        if access is Access.NOT_FOUND:
            await error_response(404, "not_found", "There is nothing here.")(scope, receive, send)
            return
        if access is Access.PAGE and is_page_request(scope):
            await self._send_page(scope, receive, send)
            return
        if access is Access.SIGNED_IN or (access is Access.TOKENS and Headers(scope=scope).get("authorization")):
            identity = scope["state"]["identity"] = await self._identity(scope)
            log_as_caller(user=identity.username if identity else None)
        refused = (access is Access.SIGNED_IN and scope["state"]["identity"] is None) or (
            access is Access.METRICS and not self._may_read_metrics(scope)
        )
        responder = await refusal_response(scope) if refused else self.app
        await responder(scope, receive, with_private_cache(send) if access is Access.SIGNED_IN else send)

    async def _identity(self, scope: Scope) -> Identity | None:
        feed_token = _feed_token(scope)
        if feed_token is not None:

            def look_up_feed_token() -> Identity | None:
                from core.web import identify  # noqa: PLC0415 - as below

                return identify.identify_by_feed_token(feed_token, scope["state"]["origin"].address)

            return await call_with_timeout(look_up_feed_token)
        authorization = Headers(scope=scope).get("authorization", "")
        given = cookies.request_cookies(scope)
        if not authorization and self.jar.names.access not in given:
            return None

        def look_up() -> Identity | None:
            from core.web import identify  # noqa: PLC0415 - the server listens before the libraries have loaded

            return identify.identify(authorization, given, self.jar.names, scope["state"]["origin"].address)

        return await call_with_timeout(look_up)

    async def _websocket_owner(self, scope: Scope) -> WebsocketOwner:
        """Return whose cookies the handshake brought; nobody's while the servers are unavailable."""
        given = cookies.request_cookies(scope)
        if not {self.jar.names.access, self.jar.names.refresh} & set(given):
            return WebsocketOwner()

        def look_up() -> WebsocketOwner:
            from core.web import identify  # noqa: PLC0415 - as above

            return identify.websocket_owner(given, self.jar.names)

        try:
            return await call_with_timeout(look_up)
        except Exception as error:
            if not is_server_unavailable(error):
                raise
            log.warning("websocket not bound, backend unavailable", reason=unavailable_reason(error))
            return WebsocketOwner()

    async def _send_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page, refresh the session's cookies and set the nonce that a sign-in needs."""
        given = cookies.request_cookies(scope)
        lines = [] if cookies.is_nonce(given.get(self.jar.names.nonce)) else self.jar.nonce()
        renewal = await self._renew_session(scope)
        log_as_caller(user=renewal.username if renewal else None)
        if renewal and renewal.cookies != "kept":
            tokens = renewal.tokens
            lines += self.jar.tokens(tokens) if tokens else self.jar.clearing_cookies()
            names = self.jar.names
            changes = {names.access: tokens.access if tokens else "", names.refresh: tokens.refresh if tokens else ""}
            scope = cookies.with_replaced_cookies(scope, changes)
        await self.app(scope, receive, with_set_cookies(send, lines))

    async def _renew_session(self, scope: Scope) -> "Renewal | None":
        """Return the renewal of the session's cookies; None if there are none or the servers are unavailable."""
        given, names = cookies.request_cookies(scope), self.jar.names
        if names.access not in given and names.refresh not in given:
            return None

        def look_up() -> "Renewal":
            from core.web import identify  # noqa: PLC0415 - as above

            return identify.renew_session(given, names, scope["state"]["origin"])

        try:
            return await call_with_timeout(look_up)
        except Exception as error:
            if not is_server_unavailable(error):
                raise
            log.warning("session refresh skipped, backend unavailable", reason=unavailable_reason(error))
            return None

    def _may_read_metrics(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        # A local proxy that sends no forwarding headers still forwards the public host name.
        if scope["state"].get("is_local") and host_name(headers.get("host", "")) in LOOPBACK_HOSTS:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        is_bearer = bool(self.metrics_token) and scheme.lower() == "bearer"
        return is_bearer and hmac.compare_digest(token.strip().encode(), self.metrics_token.encode())


def _feed_token(scope: Scope) -> str | None:
    """Return the token in the URL of a feed; None elsewhere: in any other URL it has no meaning."""
    if scope["path"] != FEED_PATH or scope["method"] not in {"GET", "HEAD"}:
        return None
    tokens = QueryParams(scope.get("query_string", b"")).getlist(FEED_TOKEN_PARAM)
    return tokens[-1] if tokens else None


async def refusal_response(scope: Scope) -> Response:
    """Count a request without a valid session or key for its IP address, and return 401.

    Raises RateLimitExceeded, so that nobody can try keys without end.
    """
    who = limiter.anonymous_client(scope["state"]["origin"].address)
    is_bearer = Headers(scope=scope).get("authorization", "").lower().startswith("bearer ")
    is_given = is_bearer or _feed_token(scope) is not None
    message = INVALID_CREDENTIALS_MESSAGE if is_given else SIGN_IN_MESSAGE
    return not_signed_in_response(message, await call_with_timeout(lambda: limiter.check("api", who)))


async def call_with_timeout(call: Callable[[], Result]) -> Result:
    """Run *call* in a thread. Raises ServerUnavailable on timeout; the abandoned thread runs on."""
    with anyio.move_on_after(LOOKUP_TIMEOUT_SECONDS):
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=lookup_limiter())
    raise ServerUnavailable("The session lookup timed out")


def lookup_limiter() -> anyio.CapacityLimiter:
    """Return a separate thread limit: when a server hangs, threads that serve files are still free."""
    try:
        return _lookup_limiter.get()
    except LookupError:
        _lookup_limiter.set(anyio.CapacityLimiter(MAX_LOOKUP_THREADS))
        return _lookup_limiter.get()


def is_page_request(scope: Scope) -> bool:
    """Return True for a browser's navigation; over plain http, without Sec-Fetch-Dest, if it accepts HTML."""
    headers = Headers(scope=scope)
    if scope["method"] != "GET":
        return False
    if "sec-fetch-dest" in headers:
        return headers["sec-fetch-dest"] == "document"
    return "text/html" in headers.get("accept", "")


def with_private_cache(send: Send) -> Send:
    """Keep shared caches from storing the response to an authenticated request."""

    async def send_privately(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("cache-control", "private")
        await send(message)

    return send_privately


def with_set_cookies(send: Send, lines: list[str]) -> Send:
    """Add Set-Cookie headers to the response, and make it uncacheable."""

    async def send_with_cookies(message: Message) -> None:
        if message["type"] == "http.response.start" and lines:
            headers = MutableHeaders(scope=message)
            for line in lines:
                headers.append("set-cookie", line)
            headers["cache-control"] = "no-store"
        await send(message)

    return send_with_cookies
