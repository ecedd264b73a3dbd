"""Every error of the API in the one shape, and how OpenAPI describes them.

What FastAPI raises is answered here; our own errors and failures are answered by
`core.web.middleware.error_responses`, as everywhere in the web process.
"""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.responses import Response

from core.errors import BadInput, ServerUnavailable
from core.web.middleware.error_responses import as_sentence, error_response, known_error_response

MAX_REPORTED_ERRORS = 5
MAX_BODY_BYTES = 64 * 1024
"""Of a body: the longest that can be meant has a few hundred."""
MAX_NAME_LENGTH = 40


class Error(BaseModel):
    """What every refusal looks like."""

    error: str = Field(description="For programs: a word that never changes its meaning.", examples=["not_found"])
    message: str = Field(description="For people: one sentence.", examples=["Nothing is held of octocat."])
    request_id: str = Field(description="Names this request in our logs.", examples=["5f0c6a1e9b7d4c32"])


STATUS_DESCRIPTIONS = {
    304: "What the asker holds (If-None-Match) is still true.",
    401: "Nobody is signed in: send an API key or an access token.",
    403: "The person who asks may not, or a browser asks on behalf of another site.",
    404: "What was asked for is not held.",
    409: "It collides with what is there.",
    410: "It was on GitHub and no longer is.",
    413: "The body is longer than anything that is asked with.",
    422: "A parameter or the body cannot be meant; the message says which and why.",
    429: "A limit is reached; Retry-After says when to come back.",
    503: "A server that this needs does not answer; try again soon.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these statuses, and of those that any request may meet."""
    told: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 401, 422, 429, 503}):
        told[status] = {"description": STATUS_DESCRIPTIONS[status]}
        if status != 304:
            told[status]["model"] = Error
    return told


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _validation_error_response)
    app.add_exception_handler(HTTPException, _http_error_response)
    app.add_exception_handler(NoConnectionFree, _pool_timeout_response)


def _validation_error_response(_request: Request, error: Exception) -> Response:
    """Say what is wrong with which parameter, without what was given: it comes from anybody."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    told = [f"{_error_location(one['loc'])}: {one['msg']}" for one in found[:MAX_REPORTED_ERRORS]]
    return error_response(422, BadInput.code, as_sentence("; ".join(told)))


def _error_location(place: tuple[int | str, ...]) -> str:
    """The parameter, or the field of the body. Names that the asker made up are cut."""
    inside = [_printable(str(part)[:MAX_NAME_LENGTH]) for part in place[1:]]
    return ".".join(inside) or str(place[0])


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
        return error_response(405, "method_not_allowed", "This address does not take that method.", error.headers)
    # FastAPI's word for a body that it could not read.
    return error_response(422, BadInput.code, "The body cannot be read; send JSON in UTF-8.", error.headers)


def too_large_response() -> Response:
    return error_response(413, "too_large", f"Send at most {MAX_BODY_BYTES:,} bytes.")


def _pool_timeout_response(_request: Request, error: Exception) -> Response:
    """All connections to Postgres are in use, and none came free in time."""
    answer = known_error_response(ServerUnavailable("The database is busy"))
    if answer is None:
        raise error
    return answer
