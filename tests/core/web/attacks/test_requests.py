"""Cross-site requests and forged headers have no effect."""

import pytest
from sqlalchemy import text
from starlette.websockets import WebSocketDisconnect

from core.auth import sessions, tickets
from core.auth.signing_key import secret_key
from core.auth.tokens import decode_refresh_token
from core.settings import settings
from tests.core.web.middleware_client import CLIENT_ORIGIN, DOCUMENT_HEADERS, PUBLIC_URL, browser_client, sign_in

FOREIGN_ORIGIN = "https://evil.example"
CHANGING_REQUESTS = [
    ("POST", "/auth/session"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("POST", "/api/v1/ingestions"),
    ("DELETE", "/api/v1/tracked/x"),
    ("PUT", "/_stcore/upload_file/a/b"),
]


@pytest.mark.parametrize(("method", "path"), CHANGING_REQUESTS)
@pytest.mark.parametrize("headers", [{"origin": FOREIGN_ORIGIN}, {"origin": "null"}, {}, {"referer": f"{PUBLIC_URL}/"}])
def test_a_change_from_another_site_or_without_an_origin_is_refused(web, person, method, path, headers):
    sign_in(web, person())
    before = dict(web.cookies)
    response = web.request(method, path, headers=headers, json={"ticket": "x"})
    assert response.status_code == 403
    assert response.json()["error"] == "unknown_origin"
    assert dict(web.cookies) == before
    assert web.get("/api/v1/x").status_code == 200


def test_a_form_of_another_site_cannot_sign_a_browser_in_as_another_person(web, person):
    """The attacker has a valid ticket, but neither the browser's nonce nor our origin."""
    theirs = browser_client()
    theirs.get("/", headers=DOCUMENT_HEADERS)
    ticket = tickets.issue_sign_in(person("mallory"), theirs.cookies["almanac_nonce"])
    web.get("/", headers=DOCUMENT_HEADERS)
    assert web.post("/auth/session", json={"ticket": ticket}, headers={"origin": FOREIGN_ORIGIN}).status_code == 403
    assert web.post("/auth/session", json={"ticket": ticket}, headers={"origin": PUBLIC_URL}).status_code == 401
    assert "almanac_access" not in web.cookies


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/refresh"])
def test_a_form_of_another_site_cannot_sign_a_browser_out(web, person, path):
    """The browser withholds our cookies from such a request, but would apply the cookies of the response."""
    sign_in(web, person())
    held = dict(web.cookies)
    web.cookies.clear()
    response = web.post(path, headers={"origin": FOREIGN_ORIGIN, "sec-fetch-site": "cross-site"})
    assert "set-cookie" not in response.headers
    web.cookies.update(held)
    assert web.get("/api/v1/x").status_code == 200


def test_a_planted_session_is_ended_by_the_sign_in(web, person):
    """Session fixation: cookies from before a sign-in are invalid afterwards."""
    planted = sessions.start(person("mallory"), CLIENT_ORIGIN)
    web.cookies.set("almanac_access", planted.access, domain="127.0.0.1", path="/")
    web.cookies.set("almanac_refresh", planted.refresh, domain="127.0.0.1", path="/")
    sign_in(web, person("victim"))
    session_id, _ = decode_refresh_token(secret_key(), web.cookies["almanac_refresh"])
    assert session_id != planted.session_id
    assert web.get("/api/v1/x").json()["person"] == "victim"
    assert sessions.get_live(planted.session_id) is None


def test_a_planted_nonce_is_valid_for_one_sign_in_at_most(web, person):
    web.cookies.set("almanac_nonce", "A" * 43, domain="127.0.0.1", path="/")
    sign_in(web, person())
    assert web.cookies["almanac_nonce"] != "A" * 43


@pytest.mark.parametrize(
    "headers", [{}, {"origin": FOREIGN_ORIGIN}, {"origin": "null"}, {"origin": f"{PUBLIC_URL}.evil.example"}]
)
def test_a_websocket_of_another_site_is_refused_even_with_cookies(web, person, headers):
    sign_in(web, person())
    address = PUBLIC_URL.replace("http", "ws")
    with pytest.raises(WebSocketDisconnect), web.websocket_connect(f"{address}/_stcore/stream", headers=headers):
        pass


@pytest.mark.parametrize(
    "host",
    [
        *["evil.example", "127.0.0.1.evil.example", "evil.example:8501", "evil.example@127.0.0.1"],
        *["127.0.0.1#evil.example", "127.0.0.1/evil.example", "[::1]evil.example", "[::1", ""],
    ],
)
def test_a_rebound_host_name_is_refused(web, person, host):
    """DNS rebinding: the browser believes that it talks to the attacker's site."""
    sign_in(web, person())
    headers = {"host": host, "origin": f"http://{host}"}
    assert web.post("/auth/refresh", headers=headers).status_code == 421
    assert web.get("/api/v1/x", headers={"host": host}).status_code == 421


def test_no_cors_headers_are_sent(web, person):
    sign_in(web, person())
    for path in ("/", "/api/v1/x", "/media/x"):
        response = web.get(path, headers={"origin": FOREIGN_ORIGIN})
        assert not [name for name in response.headers if name.startswith("access-control-")]
        assert response.headers["cross-origin-resource-policy"] == "same-origin"


FORGED_HEADERS = {
    "x-auth-address": "6.6.6.6",
    "x-auth-person": "admin",
    "x-auth-identity": '{"role": "admin"}',
    "x-request-id": "mine",
    "x-forwarded-for": "6.6.6.6",
    "x-forwarded-user": "admin",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "https",
    "x-real-ip": "6.6.6.6",
    "forwarded": "for=6.6.6.6;host=evil.example",
}


def test_forged_internal_headers_grant_no_access(web):
    assert web.get("/api/v1/x", headers=FORGED_HEADERS).status_code == 401
    assert web.get("/metrics", headers=FORGED_HEADERS).status_code == 401


@pytest.mark.parametrize("peer", ["203.0.113.7", "127.0.0.1"])
def test_clients_cannot_forge_the_audited_address(web, person, database, peer):
    browser = browser_client((peer, 1))
    browser.headers.update(FORGED_HEADERS)
    sign_in(browser, person())
    browser.post("/auth/logout", headers={"origin": PUBLIC_URL})
    events = database.execute(text("SELECT host(ip_address) AS ip_address, request_id FROM audit_event")).all()
    assert events
    assert {row.ip_address for row in events} == {peer}
    assert "mine" not in {row.request_id for row in events}


def test_a_trusted_proxy_sets_the_client_address(web, person, database, monkeypatch):
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1")
    settings.cache_clear()
    browser = browser_client(("10.0.0.1", 1))
    browser.headers.update({"x-forwarded-for": "6.6.6.6, 203.0.113.7"})
    sign_in(browser, person())
    assert database.scalar(text("SELECT host(ip_address) FROM session")) == "203.0.113.7"


@pytest.mark.parametrize("address", ["..%2f..%2fetc", "%ff", "'%20OR%201=1", "%e2%80%ae", "a" * 5000])
def test_unusual_paths_get_an_ordinary_response(web, address):
    for folder in ("api/v1/", "media/", "_stcore/upload_file/"):
        assert web.get(f"/{folder}{address}").status_code in {401, 404}
    assert web.get(f"/auth/{address}").status_code == 404


@pytest.mark.parametrize("end", ["%0a", "%0d%0aset-cookie:x=1", "%00"])
def test_a_line_break_in_a_path_grants_no_access(web, person, end):
    """The access check and the router must agree on `/metrics%0a`."""
    far = sign_in(browser_client(("203.0.113.7", 1)), person())
    for path in ("/metrics", "/api/v1/x", "/media/x", "/", "/auth/logout"):
        response = far.get(f"{path}{end}")
        assert response.status_code == 404
        assert "set-cookie" not in response.headers
