"""`/auth/…`: exchange a one-time ticket for session cookies, refresh them, and sign out.

Cross-site requests are refused before they get here: see core/web/middleware/csrf.py.
"""

from typing import TYPE_CHECKING, Annotated

import structlog
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.auth.identity import Origin
from core.db.errors import is_server_unavailable, unavailable_reason
from core.ratelimit import limiter
from core.settings import settings
from core.web import cookies
from core.web.middleware.error_responses import (
    RETRY_AFTER_SECONDS,
    error_response,
    not_signed_in_response,
    unknown_path_response,
)

if TYPE_CHECKING:
    from core.auth.sessions import SessionTokens

log = structlog.get_logger()
MAX_BODY_BYTES = 4096
# Values of Sec-Fetch-Site; `same-site` is another host of the same domain, which need not be ours.
OTHER_SITES = frozenset({"cross-site", "same-site"})
# Shown in a browser, so not JSON; the reader must not believe to be signed out.
STILL_SIGNED_IN_HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Almanac</title>
<body style="font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;color-scheme:light dark">
<h1>You are still signed in</h1>
<p>The database is unavailable, so your session could not be ended. Try again in a moment.</p>
<p><a href="/auth/logout">Sign out</a> · <a href="/">Back</a></p></body></html>"""
INVALID_SIGN_IN = "This sign-in expired or was already used; sign in again."


class SessionRequest(BaseModel):
    """The body that the page posts after a successful sign-in form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticket: Annotated[str, Field(min_length=1, max_length=200)]


async def start_session(request: Request) -> Response:
    """Exchange a ticket for a session, once, in the browser that it was issued for."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return error_response(415, "unsupported_media_type", "Send JSON.")
    body = await read_body(request)
    if body is None:
        return error_response(413, "too_large", f"Send at most {MAX_BODY_BYTES:,} bytes.")
    try:
        session_request = SessionRequest.model_validate_json(body)
    except ValidationError:
        return error_response(422, "bad_input", 'Send {"ticket": "…"}.')
    jar = cookies.CookieWriter(settings())
    nonce = request.cookies.get(jar.names.nonce)
    origin, given = request.state.origin, request.cookies
    if nonce is None or not cookies.is_nonce(nonce):
        return await refusal(request, INVALID_SIGN_IN)
    await to_thread.run_sync(limiter.require_remaining, "api", limiter.anonymous_client(origin.address))
    tokens = await to_thread.run_sync(lambda: redeem_ticket(session_request.ticket, nonce, given, origin))
    if tokens is None:
        return await refusal(request, INVALID_SIGN_IN)
    return no_content([*jar.tokens(tokens), *jar.nonce()])


async def refusal(request: Request, message: str) -> Response:
    """Count a request without a valid ticket or token for its IP address, and return 401. Raises RateLimitExceeded."""
    who = limiter.anonymous_client(request.state.origin.address)
    return not_signed_in_response(message, await to_thread.run_sync(limiter.check, "api", who))


def redeem_ticket(ticket: str, nonce: str, given: dict[str, str], origin: Origin) -> "SessionTokens | None":
    """Start the session and revoke the browser's previous one, even another person's; None for an invalid ticket."""
    from core.auth import sessions, tickets  # noqa: PLC0415 - the server listens before the libraries have loaded
    from core.web import identify  # noqa: PLC0415 - as above

    try:
        person_id = tickets.redeem_sign_in(ticket, nonce)
    except tickets.InvalidTicket:
        return None
    if before := identify.session_id_in_cookies(given, cookies.cookie_names(settings())):
        sessions.revoke(before, "replaced", origin=origin)
    return sessions.start(person_id, origin)


async def refresh(request: Request) -> Response:
    """Set the next pair of tokens; without a valid refresh token the cookies are cleared."""
    jar = cookies.CookieWriter(settings())
    token, origin = request.cookies.get(jar.names.refresh, ""), request.state.origin
    tokens = await to_thread.run_sync(lambda: refreshed_tokens(token, origin)) if token else None
    if tokens is None:
        response = await refusal(request, "Your session expired; sign in again.")
        return with_cookies(response, clearing_cookies(request, jar))
    return no_content(jar.tokens(tokens))


def refreshed_tokens(token: str, origin: Origin) -> "SessionTokens | None":
    from core.auth import sessions  # noqa: PLC0415 - as above
    from core.auth.tokens import InvalidToken  # noqa: PLC0415 - as above

    try:
        return sessions.refresh(token, origin)
    except InvalidToken:
        return None


async def sign_out(request: Request) -> Response:
    """End the session. A link or image of another site, or of a neighbour under our domain, does not sign out."""
    is_link = request.method in {"GET", "HEAD"}
    if is_link and request.headers.get("sec-fetch-site") in OTHER_SITES:
        return error_response(403, "unknown_origin", "Only pages of this server can sign you out.")
    jar = cookies.CookieWriter(settings())
    given, origin = request.cookies, request.state.origin
    try:
        await to_thread.run_sync(lambda: end_session(given, origin))
    except Exception as error:
        if not is_link or not is_server_unavailable(error):
            raise
        log.warning("server unavailable", path=request.url.path, reason=unavailable_reason(error))
        return HTMLResponse(STILL_SIGNED_IN_HTML, status_code=503, headers={"retry-after": str(RETRY_AFTER_SECONDS)})
    if is_link:
        return with_cookies(RedirectResponse("/", status_code=303), clearing_cookies(request, jar))
    return no_content(clearing_cookies(request, jar))


def clearing_cookies(request: Request, jar: cookies.CookieWriter) -> list[str]:
    """Return Set-Cookie values that delete the session's cookies, if any were sent.

    A cross-site form post comes without them, and its response must not sign the browser out.
    """
    sent = {jar.names.access, jar.names.refresh} & set(request.cookies)
    return jar.clearing_cookies() if sent else []


def end_session(given: dict[str, str], origin: Origin) -> None:
    from core.auth import sessions  # noqa: PLC0415 - as above
    from core.web import identify  # noqa: PLC0415 - as above

    if session_id := identify.session_id_in_cookies(given, cookies.cookie_names(settings())):
        sessions.revoke(session_id, "sign_out", origin=origin)


async def read_body(request: Request) -> bytes | None:
    """Return the body, or None if it exceeds MAX_BODY_BYTES."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return body


def no_content(lines: list[str]) -> Response:
    return with_cookies(Response(status_code=204), lines)


def with_cookies(response: Response, lines: list[str]) -> Response:
    for line in lines:
        response.headers.append("set-cookie", line)
    response.headers["cache-control"] = "no-store"
    return response


async def method_not_allowed(request: Request) -> Response:
    methods = "GET, POST" if request.scope["path"] == "/auth/logout" else "POST"
    return error_response(405, "method_not_allowed", f"Use {methods}.", {"allow": methods})


ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
routes: list[BaseRoute] = [
    Route("/auth/session", start_session, methods=["POST"]),
    Route("/auth/refresh", refresh, methods=["POST"]),
    Route("/auth/logout", sign_out, methods=["GET", "POST"]),
    *(Route(f"/auth/{name}", method_not_allowed, methods=ALL_METHODS) for name in ("session", "refresh", "logout")),
    # Streamlit's own sign-in routes stay closed.
    Route("/auth/{path:path}", unknown_path_response, methods=ALL_METHODS),
    Route("/oauth2callback", unknown_path_response, methods=ALL_METHODS),
]
