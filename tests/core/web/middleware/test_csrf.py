"""What changes something, and websockets, come from our own pages."""

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
    return PlainTextResponse("reached", headers={"x-heard": request.headers.get("origin", "")})


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
    "said",
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
def test_a_change_with_our_cookies_is_refused_unless_a_page_of_ours_sent_it(web, method, said):
    answer = web.request(method, "/api/v1/tracked", headers=COOKIE | said)
    assert answer.status_code == 403
    assert answer.json()["error"] == "unknown_origin"


@pytest.mark.parametrize("site", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}])
def test_our_own_pages_may(web, site):
    assert web.post("/api/v1/tracked", headers=COOKIE | {"origin": PUBLIC_URL} | site).text == "reached"


def test_programs_without_cookies_need_no_origin(web):
    assert web.post("/api/v1/auth/login").text == "reached"
    assert web.post("/api/v1/tracked", headers={"authorization": "Bearer alm_x"}).text == "reached"


def test_a_bearer_token_does_not_excuse_cookies(web):
    assert web.post("/api/v1/tracked", headers=COOKIE | {"authorization": "Bearer alm_x"}).status_code == 403


def test_signing_in_needs_it_even_without_cookies(web):
    assert web.post("/auth/session").status_code == 403
    assert web.post("/auth/session", headers={"origin": PUBLIC_URL}).text == "reached"


def test_two_origins_are_none(web):
    headers = [("cookie", COOKIE["cookie"]), ("origin", PUBLIC_URL), ("origin", "https://evil.example")]
    assert web.post("/auth/refresh", headers=headers).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_origin(web, method):
    assert web.request(method, "/", headers=COOKIE).status_code == 200


@pytest.mark.parametrize("origin", [PUBLIC_URL, "https://evil.example"])
def test_nobody_behind_hears_of_an_origin(web, origin):
    """Streamlit would ask an outside host whether a strange one is its own, and keep everybody waiting meanwhile."""
    assert web.get("/app/static/logo.svg", headers={"origin": origin}).headers["x-heard"] == ""


@pytest.mark.parametrize("said", [{}, {"origin": "https://evil.example"}, {"origin": "null"}])
def test_a_websocket_of_another_site_or_of_no_page_is_refused(web, said):
    with (
        pytest.raises(WebSocketDisconnect),
        web.websocket_connect("wss://almanac.example/_stcore/stream", headers=COOKIE | said),
    ):
        pass


def test_a_websocket_of_ours_is_opened(web):
    with web.websocket_connect("wss://almanac.example/_stcore/stream", headers={"origin": PUBLIC_URL}):
        pass


def test_without_public_url_every_name_of_this_machine_is_ours_at_our_port():
    assert allowed_origins(Settings(_env_file=None)) == {
        "http://localhost:8501",
        "http://127.0.0.1:8501",
        "http://[::1]:8501",
    }


def test_public_url_alone_is_ours_where_it_is_set():
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
def test_an_origin_is_written_as_browsers_do(url, origin):
    assert url_origin(url) == origin
