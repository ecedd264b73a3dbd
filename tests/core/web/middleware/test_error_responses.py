"""Every error has the common format and the right status, wherever it is raised."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import redis
import sqlalchemy.exc
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from core.auth.sign_in import SignInRefused
from core.auth.tickets import InvalidTicket
from core.auth.tokens import InvalidToken
from core.errors import (
    AlmanacError,
    BadInput,
    Conflict,
    Forbidden,
    NotFound,
    NotSignedIn,
    RateLimitExceeded,
    ServerUnavailable,
)
from core.tracking.login import BadLogin
from core.web.middleware.error_responses import STATUS_BY_CODE, ErrorResponses, http_exception_response, limit_headers


def database_unavailable_error() -> Exception:
    """Return the error as SQLAlchemy raises it, with the original error as its cause."""
    error = sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("x"))
    error.__cause__ = psycopg.OperationalError("connection refused, password=secret")
    return error


def response_to_error(error: Exception) -> Response:
    async def fail(_request: Request) -> Response:
        raise error

    return response_of(fail)


def response_of(endpoint, method: str = "GET") -> Response:
    application = Starlette(
        routes=[Route("/x", endpoint)],
        middleware=[Middleware(ErrorResponses)],
        exception_handlers={HTTPException: http_exception_response},
    )
    return TestClient(application, raise_server_exceptions=False).request(method, "/x")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadInput("No"), 422, "bad_input"),
        (BadLogin("x"), 422, "bad_login"),
        (NotSignedIn("No"), 401, "not_signed_in"),
        (InvalidToken(), 401, "not_signed_in"),
        (InvalidTicket("No"), 401, "not_signed_in"),
        (SignInRefused(), 401, "not_signed_in"),
        (Forbidden("No"), 403, "forbidden"),
        (NotFound("No"), 404, "not_found"),
        (Conflict("No"), 409, "conflict"),
        (ServerUnavailable("No"), 503, "server_unavailable"),
        (database_unavailable_error(), 503, "server_unavailable"),
        (psycopg.OperationalError("no"), 503, "server_unavailable"),
        (redis.exceptions.ConnectionError("no"), 503, "server_unavailable"),
        (redis.exceptions.TimeoutError("no"), 503, "server_unavailable"),
        (psycopg.errors.QueryCanceled("no"), 503, "server_unavailable"),
        (psycopg.errors.DiskFull("no"), 503, "server_unavailable"),
        (psycopg.errors.TooManyConnections("no"), 503, "server_unavailable"),
        (psycopg.errors.DeadlockDetected("no"), 503, "server_unavailable"),
        (psycopg.errors.SerializationFailure("no"), 503, "server_unavailable"),
        (psycopg.errors.UniqueViolation("no"), 500, "failed"),
        (psycopg.errors.UndefinedTable("no"), 500, "failed"),
        (RuntimeError("password=secret"), 500, "failed"),
        (HTTPException(404), 404, "not_found"),
        (HTTPException(405, headers={"allow": "GET"}), 405, "method_not_allowed"),
        (HTTPException(413), 413, "too_large"),
        (HTTPException(415), 415, "unsupported_media_type"),
        (HTTPException(418), 418, "refused"),
        (HTTPException(500), 500, "failed"),
    ],
)
def test_an_error_has_its_status_and_the_common_format(error, status, code):
    response = response_to_error(error)
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert set(response.json()) == {"error", "message", "request_id"}
    assert response.json()["message"].endswith(".")
    assert "secret" not in response.text


def test_the_log_names_what_the_database_lacks():
    full = sqlalchemy.exc.OperationalError("INSERT", {"password": "secret"}, Exception("x"), hide_parameters=True)
    full.__cause__ = psycopg.errors.DiskFull("could not extend file")
    with structlog.testing.capture_logs() as logs:
        response_to_error(full)
    assert [(line["event"], line["reason"]) for line in logs] == [("server unavailable", "disk full")]
    assert "secret" not in str(logs)


def test_every_almanac_error_class_has_a_status():
    codes = {kind.code for kind in subclasses_of(AlmanacError) if kind.__module__.startswith("core")}
    assert codes <= set(STATUS_BY_CODE)


def subclasses_of(kind: type[AlmanacError]) -> set[type[AlmanacError]]:
    below = set(kind.__subclasses__())
    return below.union(*(subclasses_of(one) for one in below))


def test_a_401_names_the_authentication_scheme():
    assert response_to_error(NotSignedIn("No")).headers["www-authenticate"] == "Bearer"


def test_a_429_has_the_limit_and_the_reset_time():
    ends = datetime.now(UTC) + timedelta(seconds=90)
    response = response_to_error(RateLimitExceeded("Slow down", amount=60, resets_at=ends))
    assert response.status_code == 429
    assert response.json()["error"] == "rate_limited"
    assert response.headers["x-ratelimit-limit"] == "60"
    assert response.headers["x-ratelimit-remaining"] == "0"
    assert 0 <= int(response.headers["x-ratelimit-reset"]) - ends.timestamp() < 1
    assert 88 <= int(response.headers["retry-after"]) <= 90


def test_a_remaining_limit_has_no_retry_after():
    headers = limit_headers(60, 3, datetime.now(UTC))
    assert headers["x-ratelimit-remaining"] == "3"
    assert "retry-after" not in headers
    assert limit_headers(60, 0, datetime.now(UTC) - timedelta(hours=1))["retry-after"] == "1"


def test_a_plain_text_error_gets_the_common_format():
    async def bare(_request: Request) -> Response:
        return PlainTextResponse("Bad Request", status_code=400)

    response = response_of(bare)
    assert (response.status_code, response.json()["error"]) == (400, "bad_request")
    assert response.json()["message"] == "Bad Request."


def test_an_error_page_stays_unchanged():
    async def page(_request: Request) -> Response:
        return Response("<p>no</p>", status_code=404, media_type="text/html")

    assert response_of(page).text == "<p>no</p>"


def test_a_405_has_the_common_format():
    async def fine(_request: Request) -> Response:
        return Response("fine")

    response = response_of(fine, "DELETE")
    assert (response.status_code, response.json()["error"]) == (405, "method_not_allowed")
    assert "GET" in response.headers["allow"]
