"""Browser programs of allowed origins use the API with a key; nobody else reads anything across origins."""

import pytest

from core.auth import api_keys, sessions
from core.settings import Settings, settings
from core.web.middleware.cross_origin import cross_origins
from tests.core.web.middleware_client import CLIENT_ORIGIN, browser_client, sign_in

TOOL = "https://tools.example"
OTHER_ORIGINS = ["https://evil.example", "https://tools.example.evil.example", "http://tools.example", "null", ""]


@pytest.fixture
def shared(web, monkeypatch):
    """A browser in front of a server that allows TOOL."""
    monkeypatch.setenv("ALLOWED_ORIGINS", f"{TOOL}/, HTTPS://Other.Example:443")
    settings.cache_clear()
    return browser_client()


def preflight(browser, origin=TOOL, path="/api/v1/people/me", method="PUT", headers="authorization,content-type"):
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    return browser.options(path, headers=asked)


def test_origins_are_compared_as_browsers_write_them():
    given = Settings(
        allowed_origins="https://tools.example/, HTTPS://Other.Example:443,http://[::1]:80", _env_file=None
    )
    assert cross_origins(given) == {"https://tools.example", "https://other.example", "http://[::1]"}


def test_a_preflight_needs_no_key(shared):
    response = preflight(shared)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == TOOL
    assert "PUT" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in response.headers
    assert "origin" in response.headers["vary"].lower()


def test_a_program_with_a_key_reads_the_response_and_its_limit(shared, person):
    identity = sessions.identity_of(sessions.start(person("ada"), CLIENT_ORIGIN).session_id)
    _, key = api_keys.create(identity, "tool", 1, CLIENT_ORIGIN)
    for headers, status in ({"authorization": f"Bearer {key}"}, 200), ({"authorization": "Bearer alm_no"}, 401):
        response = shared.post("/api/v1/x", headers={"origin": TOOL, **headers})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == TOOL
        assert "x-ratelimit-remaining" in response.headers["access-control-expose-headers"].lower()
        assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize("origin", OTHER_ORIGINS)
def test_other_origins_get_no_permission(shared, origin):
    for response in (preflight(shared, origin), shared.get("/api/v1/x", headers={"origin": origin})):
        assert response.status_code == 401
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("path", ["/", "/auth/session", "/media/x.csv", "/_stcore/health", "/metrics", "/apiary"])
def test_only_the_api_is_shared(shared, path):
    for response in (preflight(shared, path=path), shared.get(path, headers={"origin": TOOL})):
        assert "access-control-allow-origin" not in response.headers


def test_the_cookies_of_a_session_change_nothing_from_an_allowed_origin(shared, person):
    sign_in(shared, person("ada"))
    response = shared.post("/api/v1/x", headers={"origin": TOOL})
    assert (response.status_code, response.json()["error"]) == (403, "unknown_origin")


def test_by_default_nothing_is_shared(web):
    for response in (preflight(web), web.get("/api/v1/x", headers={"origin": TOOL})):
        assert response.status_code == 401
        assert "access-control-allow-origin" not in response.headers
