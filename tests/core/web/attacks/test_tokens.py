"""Forged and expired tokens grant no access: neither to the API, nor to files, nor to a refresh."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import text

from core.auth import sessions
from core.auth.signing_key import secret_key
from core.auth.tokens import decode_refresh_token, refresh_token
from core.settings import settings
from tests.core.web.middleware_client import CLIENT_ORIGIN, DOCUMENT_HEADERS, PUBLIC_URL, browser_client, sign_in

PATHS = ("/api/v1/people/me", "/media/x.csv", "/_stcore/upload_file/a/b")


def token_part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def valid_claims(session_id: object, **other: Any) -> dict[str, Any]:
    """Return the claims of a valid token of the session, with changes; None removes a claim."""
    now = int(datetime.now(UTC).timestamp())
    claims = {"sub": "1", "sid": str(session_id), "role": "admin", "iat": now, "exp": now + 600, "jti": "j"}
    return {name: value for name, value in ({**claims, "aud": "almanac"} | other).items() if value is not None}


FORGED_TOKENS = {
    "signed by somebody else": lambda sid: jwt.encode(valid_claims(sid), b"k" * 32, "HS256"),
    "signed with an empty key": lambda sid: jwt.encode(valid_claims(sid), b"\0" * 32, "HS256"),
    "another algorithm of the same key": lambda sid: jwt.encode(valid_claims(sid), secret_key() * 2, "HS512"),
    "alg none": lambda sid: f"{token_part({'alg': 'none', 'typ': 'JWT'})}.{token_part(valid_claims(sid))}.",
    "alg None, spelt otherwise": lambda sid: f"{token_part({'alg': 'nOnE'})}.{token_part(valid_claims(sid))}.AA",
    "no signature": lambda sid: f"{token_part({'alg': 'HS256'})}.{token_part(valid_claims(sid))}.",
    "expired": lambda sid: jwt.encode(valid_claims(sid, exp=int(datetime.now(UTC).timestamp()) - 1), secret_key()),
    "no expiry": lambda sid: jwt.encode(valid_claims(sid, exp=None), secret_key()),
    "an expiry that is no number": lambda sid: (
        f"{token_part({'alg': 'HS256'})}.{token_part(valid_claims(sid, exp='never'))}.AA"
    ),
    "for another audience": lambda sid: jwt.encode(valid_claims(sid, aud="elsewhere"), secret_key()),
    "for no audience": lambda sid: jwt.encode(valid_claims(sid, aud=None), secret_key()),
    "of a session that never was": lambda _sid: jwt.encode(valid_claims(uuid4()), secret_key()),
    "of a session that is no id": lambda _sid: jwt.encode(valid_claims("1 OR 1=1"), secret_key()),
    "of no session": lambda sid: jwt.encode(valid_claims(None), secret_key()),
    "a key in its own header": lambda sid: jwt.encode(valid_claims(sid), b"k" * 32, headers={"jwk": {"k": "a2tr"}}),
    "a refresh token": lambda sid: refresh_token(secret_key(), sid, 0),
    "text": lambda _sid: "Bearer",
    "very long": lambda _sid: "a" * 100_000,
}


@pytest.mark.parametrize("kind", FORGED_TOKENS)
def test_a_forged_token_grants_no_access(web, person, kind):
    started = sessions.start(person("ada", "admin"), CLIENT_ORIGIN)
    token = FORGED_TOKENS[kind](started.session_id)
    for path in PATHS:
        assert web.get(path, headers={"authorization": f"Bearer {token}"}).status_code == 401
        assert web.get(path, headers={"cookie": f"almanac_access={token}"}).status_code == 401


def test_a_valid_token_identifies_but_does_not_authorize(web, person, database):
    """The role in the token is a hint; permissions come from the person's row."""
    started = sessions.start(person("ada", "analyst"), CLIENT_ORIGIN)
    token = jwt.encode(valid_claims(started.session_id), secret_key())
    body = web.get("/api/v1/x", headers={"authorization": f"Bearer {token}"}).json()
    assert body == {"person": "ada", "role": "analyst"}


@pytest.mark.parametrize("reason", ["sign_out", "password_changed", "role_changed", "deactivated"])
def test_a_token_of_an_ended_session_is_refused_at_once(web, person, reason):
    somebody = person()
    sign_in(web, somebody)
    assert web.get("/api/v1/x").status_code == 200  # Redis caches the session now
    sessions.revoke_all(somebody, reason)
    for path in PATHS:
        assert web.get(path).status_code == 401


def test_old_cookies_in_a_fresh_browser_are_refused_and_deleted(web, person):
    sign_in(web, person())
    copied = dict(web.cookies)
    web.post("/auth/logout", headers={"origin": PUBLIC_URL})
    fresh = browser_client()
    fresh.cookies.update(copied)
    for path in PATHS:
        assert fresh.get(path).status_code == 401
    page = fresh.get("/", headers=DOCUMENT_HEADERS)
    assert page.status_code == 200
    assert page.headers.get_list("set-cookie") == [
        "almanac_access=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
        "almanac_refresh=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    ]


def refresh(token: str) -> tuple[int, str]:
    """Refresh in a fresh browser with only that refresh token; return the status and the token it holds then."""
    browser = browser_client()
    browser.cookies.set("almanac_refresh", token)
    response = browser.post("/auth/refresh", headers={"origin": PUBLIC_URL})
    got = [line for line in response.headers.get_list("set-cookie") if line.startswith("almanac_refresh=")]
    return response.status_code, got[0].partition(";")[0].removeprefix("almanac_refresh=")


def test_reuse_of_a_refresh_token_ends_the_session_of_both_holders(web, person, database):
    first = sessions.start(person("ada"), CLIENT_ORIGIN)
    status, second = refresh(first.refresh)
    assert status == 204
    _, third = refresh(second)
    assert refresh(first.refresh)[0] == 401  # the owner and the thief cannot be distinguished
    assert refresh(third)[0] == 401
    assert sessions.get_live(first.session_id) is None
    assert "refresh_token_reused" in database.scalars(text("SELECT action FROM audit_event")).all()


def test_a_page_request_with_a_stolen_refresh_token_ends_the_session(web, person):
    first = sessions.start(person(), CLIENT_ORIGIN)
    newest = sessions.refresh(sessions.refresh(first.refresh, CLIENT_ORIGIN).refresh, CLIENT_ORIGIN).refresh
    thief = browser_client()
    page = thief.get("/", headers={**DOCUMENT_HEADERS, "cookie": f"almanac_refresh={first.refresh}"})
    assert "almanac_refresh=; Max-Age=0" in str(page.headers.get_list("set-cookie"))
    assert refresh(newest)[0] == 401


def test_two_tabs_that_refresh_simultaneously_stay_signed_in(web, person):
    first = sessions.start(person(), CLIENT_ORIGIN)
    responses = [refresh(first.refresh) for _ in range(3)]
    assert [status for status, _ in responses] == [204] * 3
    assert len({token for _, token in responses}) == 1


@pytest.mark.parametrize("change", ["generation", "session", "seal", "spelling"])
def test_a_refresh_token_cannot_be_altered(web, person, change):
    first = sessions.start(person(), CLIENT_ORIGIN)
    session_id, generation = decode_refresh_token(secret_key(), first.refresh)
    _, _, seal = first.refresh.split(".")
    altered = {
        "generation": f"{session_id}.{generation + 1}.{seal}",
        "session": f"{uuid4()}.{generation}.{seal}",
        "seal": f"{session_id}.{generation}.{seal[:-2]}AA",
        "spelling": f"{str(session_id).upper()}.0{generation}.{seal}",
    }[change]
    assert refresh(altered)[0] == 401
    assert sessions.get_live(session_id) is not None


def test_a_refresh_token_signed_with_another_key_is_refused(web, person):
    first = sessions.start(person(), CLIENT_ORIGIN)
    assert refresh(refresh_token(b"k" * 32, first.session_id, 0))[0] == 401


@pytest.fixture
def without_limits(web, monkeypatch):
    """An address may send any number of invalid tokens."""
    monkeypatch.setenv("LIMIT_API", "")
    settings.cache_clear()


@examples(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shown=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200))
def test_any_text_as_a_token_is_refused_without_a_failure(web, without_limits, shown):
    for headers in (
        {"authorization": f"Bearer {shown}"},
        {"authorization": shown},
        {"cookie": f"almanac_access={shown}"},
    ):
        assert web.get("/api/v1/x", headers=headers).status_code == 401
    assert web.get("/", headers={**DOCUMENT_HEADERS, "cookie": f"almanac_refresh={shown}"}).status_code == 200


def test_no_token_is_logged(web, person):
    """Neither accepted nor refused tokens are logged."""
    with structlog.testing.capture_logs() as logged:
        sign_in(web, person())
        held = dict(web.cookies)
        web.get("/api/v1/x")
        web.post("/auth/refresh", headers={"origin": PUBLIC_URL})
        web.get("/api/v1/x", headers={"authorization": f"Bearer {held['almanac_access']}x"})
        web.get("/", headers={**DOCUMENT_HEADERS, "cookie": f"almanac_refresh={held['almanac_refresh']}x"})
    assert logged
    for value in {**held, **web.cookies}.values():
        assert value not in str(logged)


def test_a_token_expires_within_an_hour(web, person):
    sign_in(web, person())
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    old = valid_claims(uuid4(), iat=int(an_hour_ago.timestamp()), exp=int(an_hour_ago.timestamp()) + 1800)
    response = browser_client().get("/api/v1/x", headers={"authorization": f"Bearer {jwt.encode(old, secret_key())}"})
    assert response.status_code == 401
