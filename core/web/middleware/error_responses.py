"""HTTP error responses, all of the form {"error", "message", "request_id"}, and the status of each error code."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.db.errors import is_server_unavailable, unavailable_part, unavailable_reason
from core.errors import AlmanacError, RateLimitExceeded
from core.web.middleware.request_ids import current_request_id

if TYPE_CHECKING:
    from core.ratelimit.limiter import LimitState

log = structlog.get_logger()
STATUS_BY_CODE: Mapping[str, int] = {
    "bad_input": 422,
    "bad_login": 422,
    "not_signed_in": 401,
    "forbidden": 403,
    "not_found": 404,
    "not_created_yet": 404,
    "moved": 301,
    "conflict": 409,
    "rate_limited": 429,
    "server_unavailable": 503,
    "partitions_locked": 503,
    "incomplete_schema": 503,
    "coordinator_not_named": 503,
}
# Errors of Starlette and Streamlit, which have a status only.
CODE_BY_STATUS: Mapping[int, str] = {
    400: "bad_request",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "bad_input",
}
UNAVAILABLE = "The database or Redis is unavailable"
SIGN_IN_MESSAGE = "Sign in first, or send an API key as a bearer token."
INVALID_CREDENTIALS_MESSAGE = "This API key or token is not valid; it may have expired, or been revoked."
RETRY_AFTER_SECONDS = 5


def error_response(status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an error response: `error` is a stable code for programs, `message` a sentence for people."""
    return JSONResponse(
        {"error": error, "message": message, "request_id": current_request_id()}, status_code=status, headers=headers
    )


def not_signed_in_response(message: str = SIGN_IN_MESSAGE, state: "LimitState | None" = None) -> JSONResponse:
    """Return 401; *state* is what is left of the limit that this request was counted against."""
    headers = {"www-authenticate": "Bearer", "cache-control": "no-store"} | state_headers(state)
    return error_response(401, "not_signed_in", message, headers)


def known_error_response(error: Exception) -> JSONResponse | None:
    """Return the response to an AlmanacError or an unavailable server; None for other errors."""
    if isinstance(error, RateLimitExceeded):
        return error_response(429, error.code, as_sentence(error), limit_headers(error.amount, 0, error.resets_at))
    if is_server_unavailable(error):
        message = f"{unavailable_part(error) or UNAVAILABLE}; nothing is lost, try again in a moment."
        return error_response(503, "server_unavailable", message, {"retry-after": str(RETRY_AFTER_SECONDS)})
    if not isinstance(error, AlmanacError) or error.code not in STATUS_BY_CODE:
        return None
    if error.code == "not_signed_in":
        return not_signed_in_response(as_sentence(error))
    return error_response(STATUS_BY_CODE[error.code], error.code, as_sentence(error))


def as_sentence(error: Exception | str) -> str:
    text = str(error)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def limit_headers(amount: int, remaining: int, resets_at: datetime) -> dict[str, str]:
    """Return the X-RateLimit headers, with Retry-After if nothing remains; the reset is Unix time, as GitHub's."""
    headers = {
        "x-ratelimit-limit": str(amount),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(ceil(resets_at.timestamp())),
    }
    if not remaining:
        headers["retry-after"] = str(max(1, ceil((resets_at - datetime.now(UTC)).total_seconds())))
    return headers


def state_headers(state: "LimitState | None") -> dict[str, str]:
    """Return the X-RateLimit headers of a request that was counted and allowed."""
    if state is None or not state.is_limited:
        return {}
    headers = limit_headers(state.amount, state.remaining, state.resets_at)
    headers.pop("retry-after", None)  # the last allowed request: nothing to retry
    return headers


async def unknown_path_response(request: Request) -> JSONResponse:
    """Return 404 for paths that Streamlit would answer with its HTML page."""
    return error_response(404, "not_found", f"There is nothing at {request.url.path}.")


async def http_exception_response(_request: Request, error: Exception) -> Response:
    """Convert Starlette's and Streamlit's HTTPException."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    return error_response(error.status_code, error_code(error.status_code), as_sentence(error.detail), error.headers)


async def refuse_websocket(receive: Receive, send: Send, reason: str) -> None:
    """Refuse a handshake; the client gets 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": reason})


class ErrorResponses:
    """Convert exceptions and plain-text errors to error responses; details are logged with the request id.

    Starlette's exception handlers see neither errors of middleware nor plain-text responses.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        rewriter = PlainErrorRewriter(scope, receive, send)
        try:
            await self.app(scope, receive, rewriter.send)
        except Exception as error:
            if rewriter.started:
                raise
            await logged_error_response(error, scope["path"])(scope, receive, send)


def logged_error_response(error: Exception, path: str) -> JSONResponse:
    """Return the response to an error, which is logged unless it is the client's."""
    response = known_error_response(error)
    if response is None:
        log.exception("request failed", path=path)
        return error_response(500, "failed", "Internal error. It has been logged.")
    if response.status_code >= 500:
        log.warning("server unavailable", path=path, error=type(error).__name__, reason=unavailable_reason(error))
    return response


class PlainErrorRewriter:
    """Passes a response on; plain-text errors, such as those of Streamlit's own middleware, are rewritten."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self._send = scope, receive, send
        self.started = False
        self.is_replaced = False

    async def send(self, message: Message) -> None:
        self.started = True
        if message["type"] == "http.response.start" and is_plain_text_error(message):
            self.is_replaced = True
            status = message["status"]
            response = error_response(status, error_code(status), as_sentence(HTTPStatus(status).phrase))
            await response(self.scope, self.receive, self._send)
        elif not self.is_replaced:
            await self._send(message)


def is_plain_text_error(start: Message) -> bool:
    kind = Headers(raw=start.get("headers", [])).get("content-type", "text/plain")
    return bool(start["status"] >= 400 and kind.startswith("text/plain"))


def error_code(status: int) -> str:
    return CODE_BY_STATUS.get(status, "failed" if status >= 500 else "refused")
