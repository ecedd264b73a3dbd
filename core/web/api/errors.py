"""Error responses of the API and their OpenAPI description.

Handles what FastAPI raises; our own errors are handled by `core.web.middleware.error_responses`, as in the whole web
process.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from core.errors import BadInput, ServerUnavailable
from core.web.middleware.error_responses import as_sentence, error_response, known_error_response

MAX_REPORTED_ERRORS = 5
MAX_BODY_BYTES = 64 * 1024
"""The largest valid body has a few hundred bytes."""
MAX_NAME_LENGTH = 40


class Error(BaseModel):
    """The body of every error response."""

    error: str = Field(description="Stable error code, for programs.", examples=["not_found"])
    message: str = Field(description="One sentence, for people.", examples=["No data is stored about octocat."])
    request_id: str = Field(description="Identifies this request in the logs.", examples=["5f0c6a1e9b7d4c32"])


STATUS_DESCRIPTIONS = {
    301: "Renamed: Location has the same path under the present name.",
    304: "Not modified since the response whose ETag was sent as If-None-Match.",
    401: "Not signed in: send an API key or an access token.",
    403: "Not allowed for this person, or a cross-site request by a browser.",
    404: "Not stored; `not_created_yet`: younger than as_of.",
    409: "Conflicts with the current state.",
    410: "Deleted on GitHub, or private there.",
    413: "The request body is too large.",
    415: "The request body is not announced as JSON.",
    422: "Invalid parameter or body; the message says which and why.",
    429: "Rate limit exceeded; retry after Retry-After seconds.",
    503: "The database or Redis is unavailable; retry after Retry-After seconds.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for these statuses and for those of every request (401, 422, 429, 503).

    With 413 comes 415: both are about a body.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    of_body = {415} if 413 in statuses else set()
    for status in sorted({*statuses, *of_body, 401, 422, 429, 503}):
        responses[status] = {"description": STATUS_DESCRIPTIONS[status]}
        if status != 304:
            responses[status]["model"] = Error
    return responses


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _validation_error_response)
    app.add_exception_handler(HTTPException, _http_error_response)
    app.add_exception_handler(PoolTimeout, _pool_timeout_response)


def _validation_error_response(_request: Request, error: Exception) -> Response:
    """Name each invalid parameter and the reason, without echoing the client's value."""
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    if any(one["type"] == "json_invalid" for one in errors):
        return _unreadable_body_response()
    if any(one["loc"] == ("body",) and isinstance(one["input"], bytes) for one in errors):  # FastAPI did not parse it
        message = "Send JSON, with the header Content-Type: application/json."
        return error_response(415, "unsupported_media_type", message)
    messages = [f"{_error_location(one['loc'])}: {_reason(one)}" for one in errors[:MAX_REPORTED_ERRORS]]
    return error_response(422, BadInput.code, as_sentence("; ".join(messages)))


def _reason(error: Mapping[str, Any]) -> str:
    """Return why a value is invalid; of a pattern what it means: all of ours exclude one character."""
    if error["type"] == "string_pattern_mismatch":
        return "must not contain a NUL character"
    return str(error["msg"]).removeprefix("Value error, ")


def _error_location(location: tuple[int | str, ...]) -> str:
    """Return the parameter's name or the body field's path; names come from the client and are truncated."""
    path = [_printable(str(part)[:MAX_NAME_LENGTH]) for part in location[1:]]
    return ".".join(path) or str(location[0])


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _http_error_response(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return error_response(
            404, "not_found", f"There is nothing at {_printable(request.url.path[:200])}.", error.headers
        )
    if error.status_code == 413:
        return too_large_response()
    if error.status_code == 405:
        headers = {"allow": _allowed_methods(request)}
        return error_response(405, "method_not_allowed", "This path does not support that method.", headers)
    # FastAPI raises 400 for a body that it cannot decode.
    return _unreadable_body_response(error.headers)


def _allowed_methods(request: Request) -> str:
    """Return all methods of the path: FastAPI names those of its first route alone, and not HEAD."""
    found = [
        method
        for method in ("GET", "POST", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return ", ".join(["GET", "HEAD", *found[1:]] if "GET" in found else found)


def _unreadable_body_response(headers: Mapping[str, str] | None = None) -> Response:
    return error_response(422, BadInput.code, "The body is not valid JSON in UTF-8.", headers)


def too_large_response() -> Response:
    return error_response(413, "too_large", f"Send at most {MAX_BODY_BYTES:,} bytes.")


def _pool_timeout_response(_request: Request, error: Exception) -> Response:
    """Handle a timeout while waiting for a free Postgres connection."""
    response = known_error_response(ServerUnavailable("The database is busy"))
    if response is None:
        raise error
    return response
