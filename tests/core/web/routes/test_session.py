"""`/auth/…`: a ticket becomes cookies once, in the browser it was made for."""

from http.cookies import SimpleCookie

import pytest
from sqlalchemy import text

from core.auth import sessions, tickets
from core.auth.signing_key import secret_key
from core.auth.tokens import read_refresh
from core.web import cookies
from tests.core.web.browser import ANYWHERE, DOCUMENT, HERE, sign_in, stack

OURS = {"origin": HERE}


def ticket(web, person_id: int) -> str:
    web.get("/", headers=DOCUMENT)
    return tickets.issue_sign_in(person_id, web.cookies["almanac_nonce"])


def post(web, given: str, **more):
    return web.post("/auth/session", json={"ticket": given}, headers=OURS | more)


def session_of(web):
    return read_refresh(secret_key(), web.cookies["almanac_refresh"])[0]


def test_a_ticket_becomes_a_session_that_scripts_cannot_read(web, person):
    answer = post(web, ticket(web, person("ada")))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    lines = answer.headers.get_list("set-cookie")
    held = {name: SimpleCookie(line)[name] for line in lines for name in SimpleCookie(line)}
    assert set(held) == {"almanac_access", "almanac_refresh", "almanac_nonce"}
    assert all("HttpOnly; SameSite=Lax" in line for line in lines)
    assert int(held["almanac_access"]["max-age"]) == 30 * 60
    assert int(held["almanac_refresh"]["max-age"]) == 7 * 24 * 3600
    assert web.get("/api/v1/x").json()["person"] == "ada"


def test_the_session_knows_where_it_was_begun(web, person, database):
    given = ticket(web, person())
    post(web, given, **{"user-agent": "Browser 1"})
    row = database.execute(text("SELECT host(address) AS address, user_agent FROM session")).one()
    assert tuple(row) == ("127.0.0.1", "Browser 1")


def test_the_nonce_is_replaced_after_a_sign_in(web, person):
    given = ticket(web, person())
    before = web.cookies["almanac_nonce"]
    post(web, given)
    assert web.cookies["almanac_nonce"] != before


def test_a_ticket_is_good_once(web, person):
    given = ticket(web, person())
    nonce = web.cookies["almanac_nonce"]
    assert post(web, given).status_code == 204
    again = stack()
    again.cookies.set("almanac_nonce", nonce)
    assert post(again, given).status_code == 401


def test_wrong_tickets_and_wrong_nonces_get_the_same_answer(web, person):
    """And a ticket shown in another browser is used up."""
    given = ticket(web, person())
    stranger = stack()
    without = post(stranger, given)
    stranger.get("/", headers=DOCUMENT)
    with_another = post(stranger, given)
    unknown = post(web, "x" * 43)
    late = post(web, given)
    answers = [without, with_another, unknown, late]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert len({(answer.json()["error"], answer.json()["message"]) for answer in answers}) == 1
    assert all("set-cookie" not in answer.headers for answer in answers)


def test_who_was_deactivated_meanwhile_does_not_come_in(web, person, database):
    given = ticket(web, person())
    database.execute(text("UPDATE person SET active = false"))
    assert post(web, given).status_code == 401


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
def test_what_is_no_ticket_is_refused_in_the_one_shape(web, body, content_type, status, error):
    web.get("/", headers=DOCUMENT)
    answer = web.post("/auth/session", content=body, headers=OURS | {"content-type": content_type})
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message", "request_id"}
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/auth/session", "POST"),
        ("PUT", "/auth/session", "POST"),
        ("GET", "/auth/refresh", "POST"),
        ("DELETE", "/auth/logout", "GET, POST"),
    ],
)
def test_another_method_is_refused_by_name(web, method, path, allowed):
    answer = web.request(method, path, headers=OURS)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["error"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/", "/auth/session/x"])
def test_there_is_no_other_sign_in(web, path):
    assert web.get(path).status_code == 404


def test_a_refresh_gives_the_next_pair(web, person):
    sign_in(web, person("ada"))
    before = dict(web.cookies)
    assert web.post("/auth/refresh", headers=OURS).status_code == 204
    assert web.cookies["almanac_refresh"] != before["almanac_refresh"]
    assert web.cookies["almanac_nonce"] == before["almanac_nonce"]
    assert web.get("/api/v1/x").json()["person"] == "ada"


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_a_refresh_that_is_refused_takes_the_cookies_back(web, token):
    answer = web.post("/auth/refresh", headers=OURS | {"cookie": f"almanac_refresh={token}"})
    assert answer.status_code == 401
    assert [line.split("; ")[:2] for line in answer.headers.get_list("set-cookie")] == [
        ["almanac_access=", "Max-Age=0"],
        ["almanac_refresh=", "Max-Age=0"],
    ]


def test_signing_out_ends_the_session_not_only_the_cookies(web, person, database):
    sign_in(web, person())
    held = dict(web.cookies)
    assert web.post("/auth/logout", headers=OURS).status_code == 204
    assert set(web.cookies) == {"almanac_nonce"}
    copied = stack()
    copied.cookies.update(held)
    assert copied.get("/api/v1/x").status_code == 401
    assert copied.post("/auth/refresh", headers=OURS).status_code == 401
    assert "sign_out" in database.scalars(text("SELECT action FROM audit_event")).all()


def test_a_link_to_sign_out_leads_to_the_first_page(web, person):
    sign_in(web, person())
    session_id = session_of(web)
    answer = web.get("/auth/logout", headers={"sec-fetch-site": "same-origin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert sessions.live(session_id) is None


def test_a_link_on_another_site_signs_nobody_out(web, person):
    sign_in(web, person())
    answer = web.get("/auth/logout", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert sessions.live(session_of(web)) is not None


@pytest.mark.parametrize("kept", ["almanac_access", "almanac_refresh"])
def test_either_cookie_is_enough_to_sign_out(web, person, kept):
    sign_in(web, person())
    session_id = session_of(web)
    for name in {"almanac_access", "almanac_refresh"} - {kept}:
        web.cookies.delete(name)
    web.post("/auth/logout", headers=OURS)
    assert sessions.live(session_id) is None


def test_who_is_not_signed_in_can_sign_out(web):
    assert web.post("/auth/logout", headers=OURS).status_code == 204
    assert web.get("/auth/logout").status_code == 303


def test_one_browser_holds_one_session(web, person):
    """Signing in again, as whoever, ends what the browser held before."""
    sign_in(web, person("ada"))
    before = session_of(web)
    sign_in(web, person("grace"))
    assert sessions.live(before) is None
    assert web.get("/api/v1/x").json()["person"] == "grace"


def test_other_sessions_of_a_person_live_on(web, person):
    somebody = person()
    elsewhere = sessions.start(somebody, ANYWHERE)
    sign_in(web, somebody)
    assert sessions.live(elsewhere.session_id) is not None


def test_cookie_lines_are_read_back_as_they_were_written():
    scope = {"headers": [(b"cookie", b"almanac_nonce=a; other=b"), (b"cookie", b"almanac_access=c")]}
    assert cookies.given_in(scope) == {"almanac_nonce": "a", "other": "b", "almanac_access": "c"}
    changed = cookies.replaced(scope, {"almanac_access": "", "almanac_refresh": "d"})
    assert cookies.given_in(changed) == {"almanac_nonce": "a", "other": "b", "almanac_refresh": "d"}
