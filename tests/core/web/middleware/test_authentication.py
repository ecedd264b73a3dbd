"""Requests without valid credentials are refused; valid credentials identify the person."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from redis.connection import AbstractConnection
from sqlalchemy import Connection, event, text
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from structlog.testing import capture_logs

from core.auth import api_keys, sessions, tickets, tokens
from core.auth.signing_key import secret_key
from core.settings import settings
from core.web import cookies, identify
from core.web.middleware import authentication
from tests.core.web.middleware_client import CLIENT_ORIGIN, DOCUMENT_HEADERS, PUBLIC_URL, browser_client, sign_in

ANONYMOUS_IDENTITY = {"person": None, "role": None}
PROTECTED_PATHS = [
    "/api",
    "/api/v1/people/me",
    "/api/v1/nothing",
    "/api/docs",
    "/media/x.csv",
    "/_stcore/upload_file/a/b",
]


@pytest.mark.parametrize("path", PROTECTED_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_requests_without_a_session_get_the_same_response(web, method, path):
    response = web.request(method, path)
    assert response.status_code == 401
    assert set(response.json()) == {"error", "message", "request_id"}
    assert response.json()["error"] == "not_signed_in"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_refusal_of_an_invalid_key_says_so_instead_of_asking_for_a_key(web):
    def message(path: str, **headers: str) -> str:
        response = web.get(path, headers=headers)
        assert (response.status_code, response.json()["error"]) == (401, "not_signed_in")
        return str(response.json()["message"])

    invalid = message("/api/v1/x", authorization="Bearer alm_wrong")
    assert "not valid" in invalid
    assert message("/api/v1/changes.atom?token=wrong") == invalid
    assert message("/api/v1/x") == message("/api/v1/x", authorization="Basic eA==") != invalid


@pytest.mark.parametrize("path", ["/api/v1/people/me", "/media/x.csv", "/_stcore/upload_file/a/b"])
def test_a_session_authenticates_its_person(web, person, path):
    sign_in(web, person("ada", "admin"))
    assert web.get(path).json() == {"person": "ada", "role": "admin"}


@pytest.mark.parametrize("path", ["/api/v1/x", "/media/x.csv"])
def test_authenticated_responses_are_not_stored_by_caches(web, person, path):
    sign_in(web, person())
    assert web.get(path).headers["cache-control"] == "private"


def test_an_access_token_authenticates_without_cookies(web, person):
    started = sessions.start(person("ada"), CLIENT_ORIGIN)
    response = web.get("/api/v1/x", headers={"authorization": f"Bearer {started.access}"})
    assert response.json()["person"] == "ada"


def test_an_api_key_authenticates_its_owner(web, person):
    session = sessions.start(person("ada"), CLIENT_ORIGIN)
    identity = sessions.identity_of(session.session_id)
    assert identity is not None
    _, key = api_keys.create(identity, "script", 1, CLIENT_ORIGIN)
    assert web.get("/api/v1/x", headers={"authorization": f"Bearer {key}"}).json()["person"] == "ada"
    assert web.get("/api/v1/x", headers={"authorization": f"bearer  {key} "}).json()["person"] == "ada"


@pytest.fixture
def feed_token(person):
    session = sessions.start(person("ada"), CLIENT_ORIGIN)
    identity = sessions.identity_of(session.session_id)
    assert identity is not None
    return identity, *api_keys.create(identity, "reader", None, CLIENT_ORIGIN, kind="feed")


def test_a_feed_token_in_the_url_reads_the_feed_and_nothing_else(web, feed_token):
    identity, row, token = feed_token
    assert web.get(f"/api/v1/changes.atom?token={token}").json()["person"] == "ada"
    assert web.get(f"/api/v1/x?token={token}").status_code == 401
    assert web.post(f"/api/v1/changes.atom?token={token}").status_code == 401
    assert web.get("/api/v1/x", headers={"authorization": f"Bearer {token}"}).status_code == 401
    api_keys.revoke(identity, row.id, CLIENT_ORIGIN, kind="feed")
    assert web.get(f"/api/v1/changes.atom?token={token}").status_code == 401


def test_an_api_key_is_no_feed_token_and_a_wrong_token_hides_the_cookie(web, person):
    sign_in(web, person("ada"))
    assert web.get("/api/v1/changes.atom").json()["person"] == "ada"
    for token in ("", "almfeed_no", f"{api_keys.API_KEY_PREFIX}{'x' * 43}"):
        assert web.get("/api/v1/changes.atom", params={"token": token}).status_code == 401


def test_a_feed_token_is_stored_hashed_and_logged_nowhere(web, feed_token, database):
    _, _, token = feed_token
    with capture_logs() as logged:
        web.get(f"/api/v1/changes.atom?token={token}")
    assert token not in repr(logged)
    secret = token.removeprefix(api_keys.FEED_TOKEN_PREFIX)
    rows = repr(
        database.execute(text("SELECT * FROM api_key")).all()
        + database.execute(text("SELECT * FROM audit_event")).all()
    )
    assert secret not in rows
    assert "feed_token_created" in rows


def test_an_invalid_bearer_token_is_refused_despite_a_valid_cookie(web, person):
    sign_in(web, person())
    assert web.get("/api/v1/x", headers={"authorization": "Bearer alm_no"}).status_code == 401
    assert web.get("/api/v1/x", headers={"authorization": "Bearer "}).status_code == 401


def test_basic_authorization_of_a_proxy_does_not_hide_the_cookie(web, person):
    sign_in(web, person("ada"))
    assert web.get("/api/v1/x", headers={"authorization": "Basic dTpw"}).json()["person"] == "ada"


@pytest.mark.parametrize("name", ["register", "login", "refresh", "logout"])
def test_the_api_sign_in_needs_no_session(web, name):
    assert web.post(f"/api/v1/auth/{name}").json() == ANONYMOUS_IDENTITY


def test_the_api_sign_out_identifies_the_caller_by_token(web, person):
    started = sessions.start(person("ada"), CLIENT_ORIGIN)
    response = web.post("/api/v1/auth/logout", headers={"authorization": f"Bearer {started.access}"})
    assert response.json()["person"] == "ada"
    assert web.post("/api/v1/auth/logout", headers={"authorization": "Bearer no"}).json() == ANONYMOUS_IDENTITY


def test_a_session_that_expired_early_is_refused_despite_a_valid_token(web, person, database, redis):
    started = sessions.start(person(), CLIENT_ORIGIN)
    database.execute(text("UPDATE session SET access_expires_at = now() - interval '1 second'"))
    redis.flushdb()
    assert web.get("/api/v1/x", headers={"authorization": f"Bearer {started.access}"}).status_code == 401


RANDOM_KEYS = [f"{api_keys.API_KEY_PREFIX}{number:043}" for number in range(130)]


def test_invalid_keys_are_counted_and_limited_per_address(web, database, redis):
    """Of 130 keys, 60 are looked up; the rest is refused without a query. Another address is not affected."""
    looked_up = []
    event.listen(database, "before_cursor_execute", lambda *given: looked_up.append(given[2]))
    with capture_logs() as lines:
        responses = [web.get("/api/v1/x", headers={"authorization": f"Bearer {key}"}) for key in RANDOM_KEYS]
    assert [response.status_code for response in responses] == [401] * 60 + [429] * 70
    assert [response.headers["x-ratelimit-remaining"] for response in responses[:3]] == ["59", "58", "57"]
    assert {response.headers["x-ratelimit-limit"] for response in responses} == {"60"}
    assert all(int(response.headers["retry-after"]) > 0 for response in responses[60:])
    assert len([sql for sql in looked_up if "api_key" in sql]) == 60
    refusals = [line for line in lines if line["event"] == "rate limit exceeded"]
    assert [(line["limit"], line["who"]) for line in refusals] == [("api", "address 127.0.0.1")] * 70
    assert browser_client(("203.0.113.9", 1)).get("/api/v1/x").status_code == 401


def test_requests_without_credentials_count_for_their_address(web, redis):
    responses = [web.get(PROTECTED_PATHS[number % len(PROTECTED_PATHS)]).status_code for number in range(62)]
    assert responses == [401] * 60 + [429] * 2


def test_a_stranger_at_the_same_address_stops_nobody_who_is_known(web, person, redis):
    ada = person("ada")
    identity = sessions.identity_of(sessions.start(ada, CLIENT_ORIGIN).session_id)
    _, key = api_keys.create(identity, "script", 1, CLIENT_ORIGIN)
    with_key = {"authorization": f"Bearer {key}"}
    assert web.get("/api/v1/x", headers=with_key).status_code == 200
    for number in range(61):
        web.get("/api/v1/x", headers={"authorization": f"Bearer {RANDOM_KEYS[number]}"})
    assert web.get("/api/v1/x").status_code == 429
    assert web.get("/api/v1/x", headers=with_key).status_code == 200
    assert sign_in_elsewhere_and_ask(ada) == 429  # a ticket cannot be distinguished from a guessed one
    web.cookies.set("almanac_access", sessions.start(ada, CLIENT_ORIGIN).access)
    assert web.get("/api/v1/x").status_code == 200


def sign_in_elsewhere_and_ask(person_id: int) -> int:
    """Return the status of a ticket's exchange in another browser at the same address."""
    other = browser_client()
    other.get("/", headers=DOCUMENT_HEADERS)
    ticket = tickets.issue_sign_in(person_id, other.cookies["almanac_nonce"])
    return other.post("/auth/session", json={"ticket": ticket}, headers={"origin": PUBLIC_URL}).status_code


def test_log_lines_of_requests_have_user_and_address(web, person, redis):
    sign_in(web, person("ada"))
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        web.get("/api/v1/x")
        web.get("/", headers=DOCUMENT_HEADERS)
        web.cookies.delete("almanac_access")
        web.get("/", headers=DOCUMENT_HEADERS)  # renews the session
        browser_client(("203.0.113.9", 1)).get("/api/v1/x")
    finished = [line for line in lines if line["event"] == "request finished"]
    assert [(line.get("user"), line["address"]) for line in finished] == [
        ("ada", "127.0.0.1"),
        ("ada", "127.0.0.1"),
        ("ada", "127.0.0.1"),
        (None, "203.0.113.9"),
    ]
    assert not {"user", "address"} & set(structlog.contextvars.get_contextvars())


def test_an_empty_limit_counts_nobody(web, redis, monkeypatch):
    monkeypatch.setenv("LIMIT_API", "")
    settings.cache_clear()
    responses = [web.get("/api/v1/x", headers={"authorization": f"Bearer {key}"}) for key in RANDOM_KEYS[:70]]
    assert {response.status_code for response in responses} == {401}
    assert "x-ratelimit-limit" not in responses[0].headers


@pytest.mark.parametrize("path", ["/", "/account?login=x", "/people", "/nothing"])
def test_every_page_url_returns_the_same_empty_page(web, path):
    assert web.get(path).text == "<html>page</html>"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/account/", "/account"),
        ("/account/octocat?as_of=2026-01-01", "/account?login=octocat&as_of=2026-01-01"),
        ("/account/octocat?login=hooli", "/account?login=hooli"),
        ("/repository/octocat/hello/", "/repository?name=octocat/hello"),
        ("/repository/a%26b%3Fc/%C3%B6", "/repository?name=a%26b%3Fc/%C3%B6"),
        ("/movers/octocat", "/movers"),
        ("//example.org/x", "/example.org"),
        ("/\\example.org/x", "/%5Cexample.org"),
        ("///example.org//x", "/example.org"),
    ],
)
def test_below_a_page_is_that_page_and_never_another_host(web, path, page):
    """The page's files are named relative to its URL: anywhere else it would stay blank."""
    response = web.get(f"{PUBLIC_URL}{path}", headers=DOCUMENT_HEADERS)
    assert (response.status_code, response.headers["location"]) == (307, page)
    # What the page fetches itself, relative to its URL, is not redirected.
    assert web.get(f"{PUBLIC_URL}{path}").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_pages_are_read_only(web, method):
    assert web.request(method, "/account").status_code == 401


def test_a_page_sets_the_sign_in_nonce_once(web):
    first = web.get("/", headers=DOCUMENT_HEADERS)
    line = first.headers["set-cookie"]
    assert line.startswith("almanac_nonce=")
    assert line.endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert first.headers["cache-control"] == "no-store"
    assert len(web.cookies["almanac_nonce"]) == 43
    assert "set-cookie" not in web.get("/account", headers=DOCUMENT_HEADERS).headers


@pytest.mark.parametrize("nonce", ["", "short", "x" * 500, "!" * 43])
def test_an_invalid_nonce_is_replaced(web, nonce):
    headers = {**DOCUMENT_HEADERS, "cookie": f"almanac_nonce={nonce}"}
    assert "almanac_nonce=" in web.get("/", headers=headers).headers["set-cookie"]


@pytest.mark.parametrize(
    ("headers", "is_page"),
    [
        ({"accept": "text/html,*/*"}, True),
        ({"accept": "*/*"}, False),
        ({"accept": "text/html", "sec-fetch-dest": "empty"}, False),
        ({"accept": "*/*", "sec-fetch-dest": "document"}, True),
        ({"accept": "text/html", "sec-fetch-dest": "iframe"}, False),
    ],
)
def test_only_a_browser_that_opens_a_page_gets_cookies(web, headers, is_page):
    assert ("set-cookie" in web.get("/", headers=headers).headers) is is_page


def test_a_page_request_with_an_old_access_token_refreshes_the_session(web, person):
    sign_in(web, person("ada"))
    before = web.cookies["almanac_refresh"]
    web.cookies.delete("almanac_access")
    response = web.get("/", headers=DOCUMENT_HEADERS)
    assert web.cookies["almanac_refresh"] != before
    assert f"almanac_access={web.cookies['almanac_access']}" in response.headers["x-received"]
    assert web.get("/api/v1/x").json()["person"] == "ada"


def test_a_page_request_with_a_valid_access_token_changes_nothing(web, person):
    sign_in(web, person("ada"))
    assert "set-cookie" not in web.get("/", headers=DOCUMENT_HEADERS).headers


def test_a_page_request_with_an_expired_access_token_refreshes_the_session(web, person):
    sign_in(web, person("ada"))
    session_id, _ = tokens.decode_refresh_token(secret_key(), web.cookies["almanac_refresh"])
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    old = tokens.access_token(
        secret_key(), person_id=1, session_id=session_id, role="analyst", now=an_hour_ago, minutes=30
    )
    web.cookies.set("almanac_access", old, domain="127.0.0.1", path="/")
    web.get("/", headers=DOCUMENT_HEADERS)
    assert web.cookies["almanac_access"] != old


def test_cookies_of_an_ended_session_are_deleted(web, person):
    somebody = person()
    sign_in(web, somebody)
    sessions.revoke_all(somebody, "deactivated")
    response = web.get("/", headers=DOCUMENT_HEADERS)
    assert response.status_code == 200
    assert "almanac_access" not in web.cookies
    assert "almanac_refresh" not in web.cookies
    assert "almanac_access" not in response.headers["x-received"]


def test_only_the_websocket_of_streamlit_is_accepted(web):
    ours = PUBLIC_URL.replace("http", "ws")
    with web.websocket_connect(f"{ours}/_stcore/stream", headers={"origin": PUBLIC_URL}):
        pass
    with pytest.raises(WebSocketDisconnect), web.websocket_connect(f"{ours}/elsewhere", headers={"origin": PUBLIC_URL}):
        pass


@pytest.fixture
def hanging(web, monkeypatch):
    """Return a client whose session lookups block until the test ends."""
    release = threading.Event()

    def hang(*_: object) -> None:
        release.wait(60)

    monkeypatch.setattr(identify, "identify", hang)
    monkeypatch.setattr(identify, "renew_session", hang)
    monkeypatch.setattr(authentication, "LOOKUP_TIMEOUT_SECONDS", 0.05)
    yield web
    release.set()


def test_a_hanging_look_up_is_answered_with_503(hanging):
    response = hanging.get("/api/v1/x", headers={"authorization": "Bearer x"})
    assert (response.status_code, response.json()["error"]) == (503, "server_unavailable")


def test_a_page_does_not_wait_for_a_hanging_look_up_and_keeps_its_cookies(hanging):
    hanging.cookies.update({"almanac_refresh": "x", "almanac_nonce": "A" * 43})
    response = hanging.get("/", headers=DOCUMENT_HEADERS)
    assert response.status_code == 200
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("path", ["/static/js/a.js", "/app/static/logo.svg", "/component/x/y.js", "/_stcore/health"])
def test_static_files_need_no_look_up(web, person, database, path):
    """Neither Postgres nor Redis is queried, whoever asks."""
    sign_in(web, person())
    assert query_counts(web, database, path) == (0, 0)


def test_an_authenticated_request_reads_redis_once(web, person, database):
    started = sessions.start(person(), CLIENT_ORIGIN)
    web.cookies.set("almanac_access", started.access)
    first, again = (query_counts(web, database, "/api/v1/x") for _ in range(2))
    assert first[0] > 0  # read from Postgres, then cached in Redis
    assert again == (0, 1)


def test_a_page_without_cookies_needs_no_look_up(web, database):
    assert query_counts(web, database, "/") == (0, 0)


def query_counts(web: TestClient, database: Connection, path: str) -> tuple[int, int]:
    """Return how often Postgres and Redis were queried for one request."""
    statements: list[str] = []
    sent: list[object] = []
    send = AbstractConnection.send_packed_command

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    def count(connection, command, *rest, **options):
        sent.append(command)
        return send(connection, command, *rest, **options)

    event.listen(database, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", count)
        web.get(path, headers=DOCUMENT_HEADERS)
    event.remove(database, "before_cursor_execute", note)
    return len(statements), len(sent)


def metrics_status(client: TestClient, **headers: str) -> int:
    return client.get(
        "/metrics", headers={name.replace("_", "-"): value for name, value in headers.items()}
    ).status_code


def test_metrics_are_served_to_this_machine_only(web):
    assert metrics_status(web) == 200
    assert metrics_status(browser_client(("::1", 1))) == 200
    assert metrics_status(browser_client(("203.0.113.7", 1))) == 401


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "via", "x_real_ip"])
def test_metrics_are_refused_through_a_local_proxy(web, header):
    assert metrics_status(web, **{header: "127.0.0.1"}) == 401


def test_metrics_are_refused_through_a_local_proxy_without_forwarding_headers(web, monkeypatch):
    monkeypatch.setenv("PUBLIC_URL", "https://almanac.example")
    settings.cache_clear()
    assert metrics_status(browser_client(), host="almanac.example") == 401


def test_metrics_of_streamlit_have_the_same_protection(web):
    assert browser_client(("203.0.113.7", 1)).get("/_stcore/metrics").status_code == 401


def test_a_metrics_token_grants_remote_access(web, monkeypatch):
    monkeypatch.setenv("METRICS_TOKEN", "let-me-measure")
    settings.cache_clear()
    far = browser_client(("203.0.113.7", 1))
    assert metrics_status(far, authorization="Bearer let-me-measure") == 200
    for wrong in ("Bearer let-me-measur", "Bearer ", "Basic let-me-measure", "Bearer ümlaut"):
        assert far.get("/metrics", headers={"authorization": wrong.encode()}).status_code == 401


def test_an_empty_metrics_token_grants_no_access(web):
    assert metrics_status(browser_client(("203.0.113.7", 1)), authorization="Bearer ") == 401


def test_over_https_cookies_are_secure_and_bound_to_the_host(web, person, monkeypatch):
    monkeypatch.setenv("PUBLIC_URL", "https://almanac.example")
    settings.cache_clear()
    secure = browser_client()
    response = secure.get("/", headers=DOCUMENT_HEADERS)
    assert response.headers["set-cookie"].startswith("__Host-almanac_nonce=")
    assert "; Secure" in response.headers["set-cookie"]
    assert "max-age=31536000" in response.headers["strict-transport-security"]
    sign_in(secure, person("ada"))
    assert secure.get("/api/v1/x").json()["person"] == "ada"
    assert {cookie.name for cookie in secure.cookies.jar} == set(vars(cookies.cookie_names(settings())).values())
