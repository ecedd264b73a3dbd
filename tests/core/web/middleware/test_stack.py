"""Every response has a request id and security headers, and unknown hosts are refused."""

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.settings import Settings
from core.web.middleware.error_responses import ErrorResponses, unknown_path_response
from core.web.middleware.request_ids import RequestIds, current_request_id
from core.web.middleware.security_headers import SecurityHeaders, content_security_policy
from core.web.middleware.trusted_hosts import TrustedHosts, allowed_hosts

ROOT = Path(__file__).resolve().parents[4]


async def echo(request: Request) -> PlainTextResponse:
    received = {name: request.headers.getlist(name) for name in ("x-request-id", "x-auth-person")}
    return PlainTextResponse(f"{received['x-request-id']} {received['x-auth-person']} {current_request_id()}")


async def open_to_all(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("open", headers={"access-control-allow-origin": "*"})


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.headers["x-request-id"])
    await websocket.close()


async def failing_endpoint(_request: Request) -> PlainTextResponse:
    raise RuntimeError("boom")


@pytest.fixture
def web() -> TestClient:
    application = Starlette(
        routes=[
            Route("/echo", echo),
            Route("/broken", failing_endpoint),
            Route("/open", open_to_all),
            WebSocketRoute("/socket", socket),
            Route("/_stcore/agent/openapi.json", echo),
            Route("/api/{path:path}", unknown_path_response),
        ],
        middleware=[
            Middleware(RequestIds),
            Middleware(SecurityHeaders, policy="default-src 'self'"),
            Middleware(TrustedHosts, hosts=("localhost", "::1")),
            Middleware(ErrorResponses),
        ],
    )
    return TestClient(application, base_url="http://localhost:8501", raise_server_exceptions=False)


def test_the_request_id_is_never_taken_from_the_client(web):
    response = web.get("/echo", headers={"x-request-id": "theirs", "X-Auth-Person": "admin"})
    ours = response.headers["x-request-id"]
    assert ours != "theirs"
    assert response.text == f"['{ours}'] [] {ours}"


def test_no_two_requests_share_an_id(web):
    assert web.get("/echo").headers["x-request-id"] != web.get("/echo").headers["x-request-id"]


def test_a_websocket_has_an_id_too(web):
    with web.websocket_connect("ws://localhost:8501/socket") as opened:
        received = opened.receive_text()
    assert len(received) == 16


def test_each_response_is_logged_with_its_id(web):
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        ours = web.get("/echo?token=abc").headers["x-request-id"]
    (line,) = logged
    assert (line["event"], line["path"], line["status"], line["request_id"]) == ("request finished", "/echo", 200, ours)


def test_a_path_cannot_inject_log_lines(web):
    with structlog.testing.capture_logs() as logged:
        web.get("/%00%1b%5b31m%0aline")
    assert logged[0]["path"] == r"'/\x00\x1b[31m\nline'"


def test_the_log_does_not_contain_streamlit_session_ids(web):
    with structlog.testing.capture_logs() as logged:
        web.put("/_stcore/upload_file/3f0c6a1e-9b7d/7")
    assert logged[0]["path"] == "/_stcore/upload_file/…"


def test_an_unknown_api_path_has_the_error_format(web):
    response = web.get("/api/v1/nothing")
    assert response.status_code == 404
    assert response.json() == {
        "error": "not_found",
        "message": "There is nothing at /api/v1/nothing.",
        "request_id": response.headers["x-request-id"],
    }


def test_an_exception_has_the_error_format_and_is_logged(web):
    with structlog.testing.capture_logs() as logged:
        response = web.get("/broken")
    assert response.status_code == 500
    assert response.json()["error"] == "failed"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert "boom" not in response.text
    assert "content-security-policy" in response.headers
    assert [line["event"] for line in logged] == ["request failed", "request finished"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8501", "localhost:1", "[::1]:8501"])
def test_configured_hosts_are_accepted(web, host):
    assert web.get("/echo", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "[::1", "10.0.0.1"])
def test_other_hosts_are_refused_on_every_path(web, host):
    for path in ("/echo", "/api/v1/x", "/nothing"):
        response = web.get(path, headers={"host": host})
        assert response.status_code == 421
        assert response.json()["error"] == "unknown_host"


def test_a_websocket_with_another_host_is_refused(web):
    with (
        pytest.raises(WebSocketDisconnect),
        web.websocket_connect("ws://localhost:8501/socket", headers={"host": "evil.example"}),
    ):
        pass


def test_the_host_of_public_url_is_accepted():
    hosts = allowed_hosts(Settings(public_url="https://Almanac.example:8443/", _env_file=None))
    assert "almanac.example" in hosts
    assert "127.0.0.1" in hosts


@pytest.mark.parametrize("path", ["/echo", "/api/x", "/nothing", "/_stcore/agent/openapi.json"])
def test_every_response_has_security_headers(web, path):
    headers = web.get(path).headers
    assert headers["content-security-policy"] == "default-src 'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


def test_no_response_has_cors_headers(web):
    assert web.get("/open").text == "open"
    assert "access-control-allow-origin" not in web.get("/open").headers


@pytest.mark.parametrize("path", ["/_stcore/agent", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp"])
def test_the_agent_interface_of_streamlit_is_disabled(web, path):
    assert web.get(path).status_code == 404


def test_the_policy_allows_only_the_inline_script_of_the_page():
    script = "\n window.ready = false\n"
    policy = content_security_policy(f"<html><script>{script}</script><script src='x.js'></script></html>")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert "unsafe-eval'" not in policy.replace("wasm-unsafe-eval", "")
    assert "http" not in policy


def test_the_server_listens_before_the_libraries_have_loaded():
    """Libraries that only pages or lookups need are loaded in parallel with the first responses."""
    heavy = ("sqlalchemy", "jwt", "bcrypt", "fastapi", "limits", "pandas", "streamlit")
    code = "import sys, core.web.middleware.stack, core.web.routes.table"
    code += f"; print([one for one in {heavy} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
