"""State-changing requests and websockets are accepted only from our own pages."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.settings import Settings
from core.web.cookies import cookie_names
from core.web.middleware.csrf import CsrfProtection, allowed_origins, url_origin

PUBLIC_URL = "https://almanac.example"
COOKIE = {"cookie": "__Host-almanac_access=x"}
ALL_METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]


async def reached_endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse("reached", headers={"x-received": request.headers.get("origin", "")})


async def websocket_endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


@pytest.fixture
def web() -> TestClient:
    wanted = Settings(public_url=PUBLIC_URL, _env_file=None)
    application = Starlette(
        routes=[
            WebSocketRoute("/_stcore/stream", websocket_endpoint),
            Route("/{path:path}", reached_endpoint, methods=ALL_METHODS),
        ],
        middleware=[Middleware(CsrfProtection, origins=allowed_origins(wanted), names=cookie_names(wanted))],
    )
    return TestClient(application, base_url=PUBLIC_URL)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://almanac.example"},
        {"origin": "https://almanac.example:8443"},
        {"origin": "https://almanac.example.evil.example"},
        {"origin": PUBLIC_URL, "sec-fetch-site": "cross-site"},
        {"origin": PUBLIC_URL, "sec-fetch-site": "same-site"},
    ],
)
def test_a_change_with_cookies_is_refused_from_other_origins(web, method, headers):
    response = web.request(method, "/api/v1/tracked", headers=COOKIE | headers)
    assert response.status_code == 403
    assert response.json()["error"] == "unknown_origin"


@pytest.mark.parametrize("site", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}])
def test_a_change_from_our_own_pages_is_accepted(web, site):
    assert web.post("/api/v1/tracked", headers=COOKIE | {"origin": PUBLIC_URL} | site).text == "reached"


def test_requests_without_cookies_need_no_origin(web):
    assert web.post("/api/v1/auth/login").text == "reached"
    assert web.post("/api/v1/tracked", headers={"authorization": "Bearer alm_x"}).text == "reached"


def test_a_bearer_token_does_not_exempt_requests_with_cookies(web):
    assert web.post("/api/v1/tracked", headers=COOKIE | {"authorization": "Bearer alm_x"}).status_code == 403


def test_sign_in_needs_an_origin_even_without_cookies(web):
    assert web.post("/auth/session").status_code == 403
    assert web.post("/auth/session", headers={"origin": PUBLIC_URL}).text == "reached"


def test_two_origin_headers_are_refused(web):
    headers = [("cookie", COOKIE["cookie"]), ("origin", PUBLIC_URL), ("origin", "https://evil.example")]
    assert web.post("/auth/refresh", headers=headers).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_origin(web, method):
    assert web.request(method, "/", headers=COOKIE).status_code == 200


@pytest.mark.parametrize("origin", [PUBLIC_URL, "https://evil.example"])
def test_the_origin_is_not_forwarded_to_streamlit(web, origin):
    """Streamlit would ask an external host whether an unknown origin is its own, which delays all requests."""
    assert web.get("/app/static/logo.svg", headers={"origin": origin}).headers["x-received"] == ""


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.example"}, {"origin": "null"}])
def test_a_websocket_of_another_or_no_origin_is_refused(web, headers):
    with (
        pytest.raises(WebSocketDisconnect),
        web.websocket_connect("wss://almanac.example/_stcore/stream", headers=COOKIE | headers),
    ):
        pass


def test_a_websocket_of_our_origin_is_accepted(web):
    with web.websocket_connect("wss://almanac.example/_stcore/stream", headers={"origin": PUBLIC_URL}):
        pass


def test_without_public_url_loopback_origins_at_our_port_are_accepted():
    assert allowed_origins(Settings(_env_file=None)) == {
        "http://localhost:8501",
        "http://127.0.0.1:8501",
        "http://[::1]:8501",
    }


def test_a_public_url_is_the_only_accepted_origin():
    assert allowed_origins(Settings(public_url="https://Almanac.Example/", _env_file=None)) == {PUBLIC_URL}


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example:443/almanac", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://[::1]:8501", "http://[::1]:8501"),
    ],
)
def test_origins_are_normalized_as_in_browsers(url, origin):
    assert url_origin(url) == origin
