"""`/auth/…`: a one-time ticket becomes a session's cookies, they are renewed, and they are taken back.

Nothing here is answered to another site's page: see core/web/middleware/csrf.py.
"""

from typing import TYPE_CHECKING, Annotated

import structlog
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.auth.identity import Origin
from core.db.errors import is_server_unavailable
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
# Shown in a browser, so no JSON; who reads it must not think that they are out.
STILL_SIGNED_IN_HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Almanac</title>
<body style="font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;color-scheme:light dark">
<h1>You are still signed in</h1>
<p>The database does not answer right now, so your session could not be ended. Try again in a moment.</p>
<p><a href="/auth/logout">Sign out</a> · <a href="/">Back</a></p></body></html>"""
INVALID_SIGN_IN = "This sign-in is not good any more; try it again."


class SessionRequest(BaseModel):
    """What the page posts once the form was right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticket: Annotated[str, Field(min_length=1, max_length=200)]


async def start_session(request: Request) -> Response:
    """Exchange a ticket for a session, in the browser that it was made for and once."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return error_response(415, "unsupported_media_type", "Send JSON.")
    body = await read_body(request)
    if body is None:
        return error_response(413, "too_large", f"Send at most {MAX_BODY_BYTES:,} bytes.")
    try:
        wanted = SessionRequest.model_validate_json(body)
    except ValidationError:
        return error_response(422, "bad_input", 'Send {"ticket": "…"}.')
    jar = cookies.CookieWriter(settings())
    nonce = request.cookies.get(jar.names.nonce)
    origin, given = request.state.origin, request.cookies
    if nonce is None or not cookies.is_nonce(nonce):
        return not_signed_in_response(INVALID_SIGN_IN)
    tokens = await to_thread.run_sync(lambda: redeem_ticket(wanted.ticket, nonce, given, origin))
    if tokens is None:
        return not_signed_in_response(INVALID_SIGN_IN)
    return no_content([*jar.tokens(tokens), *jar.nonce()])


def redeem_ticket(ticket: str, nonce: str, given: dict[str, str], origin: Origin) -> "SessionTokens | None":
    """Start the session; the one that the browser held before ends, whoever's it was."""
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
    """Give the browser the next pair of tokens; one that holds none, or an old one, is signed out."""
    jar = cookies.CookieWriter(settings())
    token, origin = request.cookies.get(jar.names.refresh, ""), request.state.origin
    tokens = await to_thread.run_sync(lambda: refreshed_tokens(token, origin)) if token else None
    if tokens is None:
        return with_cookies(
            not_signed_in_response("Your session is over; sign in again."), clearing_cookies(request, jar)
        )
    return no_content(jar.tokens(tokens))


def refreshed_tokens(token: str, origin: Origin) -> "SessionTokens | None":
    from core.auth import sessions  # noqa: PLC0415 - as above
    from core.auth.tokens import InvalidToken  # noqa: PLC0415 - as above

    try:
        return sessions.refresh(token, origin)
    except InvalidToken:
        return None


async def sign_out(request: Request) -> Response:
    """End the session. A link on another site may not: who follows it stays signed in."""
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        return error_response(403, "unknown_origin", "Only this server's own pages can sign you out.")
    jar = cookies.CookieWriter(settings())
    given, origin = request.cookies, request.state.origin
    try:
        await to_thread.run_sync(lambda: end_session(given, origin))
    except Exception as error:
        if request.method != "GET" or not is_server_unavailable(error):
            raise
        log.warning("server away", path=request.url.path, error=type(error).__name__)
        return HTMLResponse(STILL_SIGNED_IN_HTML, status_code=503, headers={"retry-after": str(RETRY_AFTER_SECONDS)})
    if request.method == "GET":
        return with_cookies(RedirectResponse("/", status_code=303), clearing_cookies(request, jar))
    return no_content(clearing_cookies(request, jar))


def clearing_cookies(request: Request, jar: cookies.CookieWriter) -> list[str]:
    """Lines that take the session's cookies back, where they were sent.

    A form on another site makes the browser post without them, and would hear of cookies all the same: nobody is
    signed out by a stranger's page.
    """
    held = {jar.names.access, jar.names.refresh} & set(request.cookies)
    return jar.clearing_cookies() if held else []


def end_session(given: dict[str, str], origin: Origin) -> None:
    from core.auth import sessions  # noqa: PLC0415 - as above
    from core.web import identify  # noqa: PLC0415 - as above

    if held := identify.session_id_in_cookies(given, cookies.cookie_names(settings())):
        sessions.revoke(held, "sign_out", origin=origin)


async def read_body(request: Request) -> bytes | None:
    """The body, None when it is longer than anything we are asked with."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return body


def no_content(lines: list[str]) -> Response:
    return with_cookies(Response(status_code=204), lines)


def with_cookies(answer: Response, lines: list[str]) -> Response:
    for line in lines:
        answer.headers.append("set-cookie", line)
    answer.headers["cache-control"] = "no-store"
    return answer


async def method_not_allowed(request: Request) -> Response:
    methods = "GET, POST" if request.scope["path"] == "/auth/logout" else "POST"
    return error_response(405, "method_not_allowed", f"Ask with {methods}.", {"allow": methods})


ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
routes: list[BaseRoute] = [
    Route("/auth/session", start_session, methods=["POST"]),
    Route("/auth/refresh", refresh, methods=["POST"]),
    Route("/auth/logout", sign_out, methods=["GET", "POST"]),
    *(Route(f"/auth/{name}", method_not_allowed, methods=ALL_METHODS) for name in ("session", "refresh", "logout")),
    # Streamlit has a sign-in of its own under these names, which is not ours.
    Route("/auth/{path:path}", unknown_path_response, methods=ALL_METHODS),
    Route("/oauth2callback", unknown_path_response, methods=ALL_METHODS),
]
