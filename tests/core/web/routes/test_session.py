"""`/auth/…`: a ticket is exchanged for cookies once, in the browser that requested it."""

from http.cookies import SimpleCookie

import pytest
from sqlalchemy import text

from core.auth import sessions, tickets
from core.auth.signing_key import secret_key
from core.auth.tokens import decode_refresh_token
from core.web import cookies
from tests.core.web.middleware_client import CLIENT_ORIGIN, DOCUMENT_HEADERS, PUBLIC_URL, browser_client, sign_in

SAME_ORIGIN = {"origin": PUBLIC_URL}


def sign_in_ticket(web, person_id: int) -> str:
    web.get("/", headers=DOCUMENT_HEADERS)
    return tickets.issue_sign_in(person_id, web.cookies["almanac_nonce"])


def post_ticket(web, given: str, **more):
    return web.post("/auth/session", json={"ticket": given}, headers=SAME_ORIGIN | more)


def session_id_of(web):
    return decode_refresh_token(secret_key(), web.cookies["almanac_refresh"])[0]


def test_a_ticket_starts_a_session_with_http_only_cookies(web, person):
    response = post_ticket(web, sign_in_ticket(web, person("ada")))
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["cache-control"] == "no-store"
    lines = response.headers.get_list("set-cookie")
    held = {name: SimpleCookie(line)[name] for line in lines for name in SimpleCookie(line)}
    assert set(held) == {"almanac_access", "almanac_refresh", "almanac_nonce"}
    assert all("HttpOnly; SameSite=Lax" in line for line in lines)
    assert int(held["almanac_access"]["max-age"]) == 30 * 60
    assert int(held["almanac_refresh"]["max-age"]) == 7 * 24 * 3600
    assert web.get("/api/v1/x").json()["person"] == "ada"


def test_a_session_stores_its_origin(web, person, database):
    given = sign_in_ticket(web, person())
    post_ticket(web, given, **{"user-agent": "Browser 1"})
    row = database.execute(text("SELECT host(ip_address) AS ip_address, user_agent FROM session")).one()
    assert tuple(row) == ("127.0.0.1", "Browser 1")


def test_the_nonce_is_replaced_after_a_sign_in(web, person):
    given = sign_in_ticket(web, person())
    before = web.cookies["almanac_nonce"]
    post_ticket(web, given)
    assert web.cookies["almanac_nonce"] != before


def test_invalid_tickets_and_tokens_are_counted_per_address(web, person, redis):
    given = sign_in_ticket(web, person())
    responses = [post_ticket(web, f"{number:043}") for number in range(40)]
    web.cookies.set("almanac_refresh", "forged")
    responses += [web.post("/auth/refresh", headers=SAME_ORIGIN) for _ in range(21)]
    assert [response.status_code for response in responses] == [401] * 60 + [429]
    assert responses[0].headers["x-ratelimit-remaining"] == "59"
    assert post_ticket(web, given).status_code == 429


def test_a_ticket_is_single_use(web, person):
    given = sign_in_ticket(web, person())
    nonce = web.cookies["almanac_nonce"]
    assert post_ticket(web, given).status_code == 204
    again = browser_client()
    again.cookies.set("almanac_nonce", nonce)
    assert post_ticket(again, given).status_code == 401


def test_wrong_tickets_and_wrong_nonces_get_the_same_response(web, person):
    """A ticket presented by another browser is used up."""
    given = sign_in_ticket(web, person())
    stranger = browser_client()
    without = post_ticket(stranger, given)
    stranger.get("/", headers=DOCUMENT_HEADERS)
    with_another = post_ticket(stranger, given)
    unknown = post_ticket(web, "x" * 43)
    late = post_ticket(web, given)
    responses = [without, with_another, unknown, late]
    assert [response.status_code for response in responses] == [401] * 4
    assert len({(response.json()["error"], response.json()["message"]) for response in responses}) == 1
    assert all("set-cookie" not in response.headers for response in responses)


def test_a_ticket_of_a_deactivated_person_is_refused(web, person, database):
    given = sign_in_ticket(web, person())
    database.execute(text("UPDATE person SET active = false"))
    assert post_ticket(web, given).status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type", "status", "error"),
    [
        (b'{"ticket": "x"}', "text/plain", 415, "unsupported_media_type"),
        (b"ticket=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"ticket": "x"}', "", 415, "unsupported_media_type"),
        (b"", "application/json", 422, "bad_input"),
        (b"{", "application/json", 422, "bad_input"),
        (b"\xff\x00", "application/json", 422, "bad_input"),
        (b"[]", "application/json", 422, "bad_input"),
        (b"{}", "application/json", 422, "bad_input"),
        (b'{"ticket": ""}', "application/json", 422, "bad_input"),
        (b'{"ticket": 7}', "application/json", 422, "bad_input"),
        (b'{"ticket": "x", "more": 1}', "application/json", 422, "bad_input"),
        (b'{"ticket": "' + b"x" * 1000 + b'"}', "application/json", 422, "bad_input"),
        (b'{"ticket": "' + b"x" * 5000 + b'"}', "application/json", 413, "too_large"),
        ('{"ticket": "’; DROP TABLE person; --"}'.encode(), "application/json; charset=utf-8", 401, "not_signed_in"),
        (b'{"ticket": "\\u0000<script>"}', "application/json", 401, "not_signed_in"),
        (b'{"ticket": "\\ud800"}', "application/json", 422, "bad_input"),
    ],
)
def test_an_invalid_body_is_refused_in_the_error_format(web, body, content_type, status, error):
    web.get("/", headers=DOCUMENT_HEADERS)
    response = web.post("/auth/session", content=body, headers=SAME_ORIGIN | {"content-type": content_type})
    assert response.status_code == status
    assert set(response.json()) == {"error", "message", "request_id"}
    assert response.json()["error"] == error


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/auth/session", "POST"),
        ("PUT", "/auth/session", "POST"),
        ("GET", "/auth/refresh", "POST"),
        ("DELETE", "/auth/logout", "GET, POST"),
    ],
)
def test_a_405_names_the_allowed_method(web, method, path, allowed):
    response = web.request(method, path, headers=SAME_ORIGIN)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert response.json()["error"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/", "/auth/session/x"])
def test_other_sign_in_paths_are_not_found(web, path):
    assert web.get(path).status_code == 404


def test_a_refresh_returns_the_next_pair_of_tokens(web, person):
    sign_in(web, person("ada"))
    before = dict(web.cookies)
    assert web.post("/auth/refresh", headers=SAME_ORIGIN).status_code == 204
    assert web.cookies["almanac_refresh"] != before["almanac_refresh"]
    assert web.cookies["almanac_nonce"] == before["almanac_nonce"]
    assert web.get("/api/v1/x").json()["person"] == "ada"


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_a_refused_refresh_deletes_the_cookies(web, token):
    response = web.post("/auth/refresh", headers=SAME_ORIGIN | {"cookie": f"almanac_refresh={token}"})
    assert response.status_code == 401
    assert [line.split("; ")[:2] for line in response.headers.get_list("set-cookie")] == [
        ["almanac_access=", "Max-Age=0"],
        ["almanac_refresh=", "Max-Age=0"],
    ]


def test_sign_out_ends_the_session_and_deletes_the_cookies(web, person, database):
    sign_in(web, person())
    held = dict(web.cookies)
    assert web.post("/auth/logout", headers=SAME_ORIGIN).status_code == 204
    assert set(web.cookies) == {"almanac_nonce"}
    copied = browser_client()
    copied.cookies.update(held)
    assert copied.get("/api/v1/x").status_code == 401
    assert copied.post("/auth/refresh", headers=SAME_ORIGIN).status_code == 401
    assert "sign_out" in database.scalars(text("SELECT action FROM audit_event")).all()


def test_a_sign_out_link_redirects_to_the_first_page(web, person):
    sign_in(web, person())
    session_id = session_id_of(web)
    response = web.get("/auth/logout", headers={"sec-fetch-site": "same-origin"})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert sessions.get_live(session_id) is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_sign_out_link_on_another_site_is_refused(web, person, method, site):
    sign_in(web, person())
    response = web.request(method, "/auth/logout", headers={"sec-fetch-site": site})
    assert response.status_code == 403
    assert sessions.get_live(session_id_of(web)) is not None


@pytest.mark.parametrize("kept", ["almanac_access", "almanac_refresh"])
def test_either_cookie_is_enough_to_sign_out(web, person, kept):
    sign_in(web, person())
    session_id = session_id_of(web)
    for name in {"almanac_access", "almanac_refresh"} - {kept}:
        web.cookies.delete(name)
    web.post("/auth/logout", headers=SAME_ORIGIN)
    assert sessions.get_live(session_id) is None


def test_sign_out_without_a_session_succeeds(web):
    assert web.post("/auth/logout", headers=SAME_ORIGIN).status_code == 204
    assert web.get("/auth/logout").status_code == 303


def test_a_browser_has_one_session(web, person):
    """A new sign-in, as any person, ends the previous session of the browser."""
    sign_in(web, person("ada"))
    before = session_id_of(web)
    sign_in(web, person("grace"))
    assert sessions.get_live(before) is None
    assert web.get("/api/v1/x").json()["person"] == "grace"


def test_sign_out_keeps_other_sessions_of_the_person(web, person):
    somebody = person()
    elsewhere = sessions.start(somebody, CLIENT_ORIGIN)
    sign_in(web, somebody)
    assert sessions.get_live(elsewhere.session_id) is not None


def test_cookie_headers_are_parsed_back_unchanged():
    scope = {"headers": [(b"cookie", b"almanac_nonce=a; other=b"), (b"cookie", b"almanac_access=c")]}
    assert cookies.request_cookies(scope) == {"almanac_nonce": "a", "other": "b", "almanac_access": "c"}
    changed = cookies.with_replaced_cookies(scope, {"almanac_access": "", "almanac_refresh": "d"})
    assert cookies.request_cookies(changed) == {"almanac_nonce": "a", "other": "b", "almanac_refresh": "d"}
