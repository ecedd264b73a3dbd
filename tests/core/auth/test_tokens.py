"""Only tokens signed by this installation are accepted."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.auth import tokens
from core.auth.tokens import InvalidToken
from core.errors import NotSignedIn

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SESSION_ID = UUID("8c4a1a35-0f4b-4f9a-9d3f-0a5f6f3b1c2d")


def valid_token(minutes: float = 30, now: datetime = NOW) -> str:
    return tokens.access_token(KEY, person_id=7, session_id=SESSION_ID, role="analyst", now=now, minutes=minutes)


def altered_token(key: bytes | str = KEY, algorithm: str = "HS256", without: str = "", **changed: Any) -> str:
    """Return a valid token with some parts changed."""
    claims = jwt.decode(valid_token(), options={"verify_signature": False}) | changed
    claims.pop(without, None)
    return jwt.encode(claims, key, algorithm=algorithm)


def with_forged_header(token: str, header: dict[str, Any]) -> str:
    _, body, signature = token.split(".")
    written = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{written}.{body}.{signature}"


def test_a_signed_token_is_read_back() -> None:
    claims = tokens.decode_access_token(KEY, valid_token(), NOW)
    assert (claims.sub, claims.sid, claims.role) == (7, SESSION_ID, "analyst")
    assert claims.exp - claims.iat == 30 * 60
    assert claims.jti != tokens.decode_access_token(KEY, valid_token(), NOW).jti


def test_a_token_is_valid_until_its_last_second() -> None:
    tokens.decode_access_token(KEY, valid_token(), NOW + timedelta(minutes=30, microseconds=-1))
    with pytest.raises(InvalidToken):
        tokens.decode_access_token(KEY, valid_token(), NOW + timedelta(minutes=30))


@pytest.mark.parametrize(
    "forged",
    [
        altered_token(key=OTHER_KEY),
        altered_token(key="", algorithm="none"),
        with_forged_header(valid_token(), {"alg": "none", "typ": "JWT"}),
        with_forged_header(valid_token(), {"alg": "None"}),
        with_forged_header(valid_token(), {"alg": "HS512"}),
        with_forged_header(valid_token(), {"alg": "RS256"}),
        with_forged_header(valid_token(), {"alg": "HS256", "crit": ["b64"], "b64": False}),
        valid_token().rpartition(".")[0] + ".",
        altered_token(key=KEY * 2, algorithm="HS512"),
        altered_token(aud="somebody-else"),
        altered_token(aud=["somebody-else"]),
        *(altered_token(without=claim) for claim in ("sub", "sid", "role", "iat", "exp", "jti", "aud")),
        altered_token(exp=int(NOW.timestamp()) - 1),
        altered_token(exp="never"),
        altered_token(exp=9e99),
        altered_token(exp=None),
        altered_token(iat="now"),
        altered_token(sub="ada"),
        altered_token(sub=""),
        altered_token(sid="no session"),
        altered_token(sid=5),
        altered_token(sid=None),
        "",
        ".",
        "..",
        "\0",
        "🎉.🎉.🎉",
        "\ud800",
        "x" * 10_000,
        valid_token() + "x" * 10_000,
        valid_token() + "\n",
        " " + valid_token(),
        valid_token() + ".x",
        tokens.refresh_token(KEY, SESSION_ID, 0),
        "null",
        "bnVsbA.bnVsbA.bnVsbA",
    ],
    ids=lambda forged: f"{len(forged)} characters",  # tokens differ from process to process
)
def test_invalid_tokens_are_refused_with_one_sentence(forged: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        tokens.decode_access_token(KEY, forged, NOW)
    assert str(refused.value) == "Your session expired or is invalid; sign in again"
    assert isinstance(refused.value, NotSignedIn)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(st.text(max_size=300))
def test_any_text_is_refused_without_another_error(text: str) -> None:
    for read in (lambda: tokens.decode_access_token(KEY, text, NOW), lambda: tokens.decode_refresh_token(KEY, text)):
        with pytest.raises(InvalidToken):
            read()


@given(st.integers(0), st.integers(0, 255))
def test_a_token_with_one_changed_character_is_refused(place: int, other: int) -> None:
    for token, read in (
        (valid_token(), lambda changed: tokens.decode_access_token(KEY, changed, NOW)),
        (tokens.refresh_token(KEY, SESSION_ID, 3), lambda changed: tokens.decode_refresh_token(KEY, changed)),
    ):
        place %= len(token)
        changed = token[:place] + chr(other) + token[place + 1 :]
        # The last character of 43 in base64 has bits that mean nothing; ours is compared as text, a JWT is decoded.
        if changed != token and not (place == len(token) - 1 and token.count(".") == 2 and token.startswith("ey")):
            with pytest.raises(InvalidToken):
                read(changed)


@given(st.uuids(), st.integers(0, tokens.MAX_GENERATION))
def test_a_refresh_token_contains_its_session_and_generation(session_id: UUID, generation: int) -> None:
    token = tokens.refresh_token(KEY, session_id, generation)
    assert tokens.decode_refresh_token(KEY, token) == (session_id, generation)
    with pytest.raises(InvalidToken):
        tokens.decode_refresh_token(OTHER_KEY, token)


def refresh_signature() -> str:
    return tokens.refresh_token(KEY, SESSION_ID, 5).rpartition(".")[2]


@pytest.mark.parametrize(
    "forged",
    [
        f"{SESSION_ID}.6.{refresh_signature()}",
        f"{SESSION_ID}.05.{refresh_signature()}",
        f"{SESSION_ID}.٥.{refresh_signature()}",
        f"{SESSION_ID}.-5.{refresh_signature()}",
        f"{str(SESSION_ID).upper()}.5.{refresh_signature()}",
        f"{SESSION_ID.hex}.5.{refresh_signature()}",
        f"{{{SESSION_ID}}}.5.{refresh_signature()}",
        f"{SESSION_ID}.5.{refresh_signature()}=",
        f"{SESSION_ID}.5.",
        f"{SESSION_ID}.5",
        f"{SESSION_ID}.5.{refresh_signature()}.x",
        f"{SESSION_ID}.{'9' * 1900}.{refresh_signature()}",
        tokens.refresh_token(KEY, SESSION_ID, 2**40),
        valid_token(),
    ],
    ids=lambda forged: f"{len(forged)} characters",  # tokens differ from process to process
)
def test_a_refresh_token_has_one_spelling(forged: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.decode_refresh_token(KEY, forged)
