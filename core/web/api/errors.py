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
from core.web.middleware.error_responses import refusal, refused, sentence

MOST_TOLD = 5
MOST_BYTES = 64 * 1024
"""Of a body: the longest that can be meant has a few hundred."""
LONGEST_NAME = 40


class Error(BaseModel):
    """What every refusal looks like."""

    error: str = Field(description="For programs: a word that never changes its meaning.", examples=["not_found"])
    message: str = Field(description="For people: one sentence.", examples=["Nothing is held of octocat."])
    request_id: str = Field(description="Names this request in our logs.", examples=["5f0c6a1e9b7d4c32"])


MEANINGS = {
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


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these statuses, and of those that any request may meet."""
    told: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 401, 422, 429, 503}):
        told[status] = {"description": MEANINGS[status]}
        if status != 304:
            told[status]["model"] = Error
    return told


def install(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _by_status)
    app.add_exception_handler(NoConnectionFree, _busy)


def _unreadable(_request: Request, error: Exception) -> Response:
    """Say what is wrong with which parameter, without what was given: it comes from anybody."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    told = [f"{_where(one['loc'])}: {one['msg']}" for one in found[:MOST_TOLD]]
    return refusal(422, BadInput.code, sentence("; ".join(told)))


def _where(place: tuple[int | str, ...]) -> str:
    """The parameter, or the field of the body. Names that the asker made up are cut."""
    inside = [_printable(str(part)[:LONGEST_NAME]) for part in place[1:]]
    return ".".join(inside) or str(place[0])


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _by_status(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return refusal(404, "not_found", f"There is nothing at {_printable(request.url.path[:200])}.", error.headers)
    if error.status_code == 413:
        return too_large()
    if error.status_code == 405:
        return refusal(405, "method_not_allowed", "This address does not take that method.", error.headers)
    # FastAPI's word for a body that it could not read.
    return refusal(422, BadInput.code, "The body cannot be read; send JSON in UTF-8.", error.headers)


def too_large() -> Response:
    return refusal(413, "too_large", f"Send at most {MOST_BYTES:,} bytes.")


def _busy(_request: Request, error: Exception) -> Response:
    """All connections to Postgres are in use, and none came free in time."""
    answer = refused(ServerUnavailable("The database is busy"))
    if answer is None:
        raise error
    return answer
