"""Tokens: ours are read, and nothing else is, whatever it looks like."""

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
SID = UUID("8c4a1a35-0f4b-4f9a-9d3f-0a5f6f3b1c2d")


def ours(minutes: float = 30, now: datetime = NOW) -> str:
    return tokens.access_token(KEY, person_id=7, session_id=SID, role="analyst", now=now, minutes=minutes)


def made(key: bytes | str = KEY, algorithm: str = "HS256", without: str = "", **changed: Any) -> str:
    """A token like ours, with something changed."""
    claims = jwt.decode(ours(), options={"verify_signature": False}) | changed
    claims.pop(without, None)
    return jwt.encode(claims, key, algorithm=algorithm)


def unsigned(token: str, header: dict[str, Any]) -> str:
    _, body, signature = token.split(".")
    written = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{written}.{body}.{signature}"


def test_what_we_signed_is_read_again() -> None:
    claims = tokens.read_access(KEY, ours(), NOW)
    assert (claims.sub, claims.sid, claims.role) == (7, SID, "analyst")
    assert claims.exp - claims.iat == 30 * 60
    assert claims.jti != tokens.read_access(KEY, ours(), NOW).jti


def test_it_is_good_until_its_last_second_and_not_longer() -> None:
    tokens.read_access(KEY, ours(), NOW + timedelta(minutes=30, microseconds=-1))
    with pytest.raises(InvalidToken):
        tokens.read_access(KEY, ours(), NOW + timedelta(minutes=30))


@pytest.mark.parametrize(
    "forged",
    [
        made(key=OTHER_KEY),
        made(key="", algorithm="none"),
        unsigned(ours(), {"alg": "none", "typ": "JWT"}),
        unsigned(ours(), {"alg": "None"}),
        unsigned(ours(), {"alg": "HS512"}),
        unsigned(ours(), {"alg": "RS256"}),
        unsigned(ours(), {"alg": "HS256", "crit": ["b64"], "b64": False}),
        ours().rpartition(".")[0] + ".",
        made(key=KEY * 2, algorithm="HS512"),
        made(aud="somebody-else"),
        made(aud=["somebody-else"]),
        *(made(without=claim) for claim in ("sub", "sid", "role", "iat", "exp", "jti", "aud")),
        made(exp=int(NOW.timestamp()) - 1),
        made(exp="never"),
        made(exp=9e99),
        made(exp=None),
        made(iat="now"),
        made(sub="ada"),
        made(sub=""),
        made(sid="no session"),
        made(sid=5),
        made(sid=None),
        "",
        ".",
        "..",
        "\0",
        "🎉.🎉.🎉",
        "\ud800",
        "x" * 10_000,
        ours() + "x" * 10_000,
        ours() + "\n",
        " " + ours(),
        ours() + ".x",
        tokens.refresh_token(KEY, SID, 0),
        "null",
        "bnVsbA.bnVsbA.bnVsbA",
    ],
    ids=lambda forged: f"{len(forged)} characters",  # tokens differ from process to process
)
def test_everything_else_is_refused_with_one_sentence(forged: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        tokens.read_access(KEY, forged, NOW)
    assert str(refused.value) == "Your session cannot be continued; sign in again"
    assert isinstance(refused.value, NotSignedIn)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(st.text(max_size=300))
def test_no_text_makes_the_readers_stumble(text: str) -> None:
    for read in (lambda: tokens.read_access(KEY, text, NOW), lambda: tokens.read_refresh(KEY, text)):
        with pytest.raises(InvalidToken):
            read()


@given(st.integers(0), st.integers(0, 255))
def test_a_token_with_one_character_changed_is_none(place: int, other: int) -> None:
    for token, read in (
        (ours(), lambda changed: tokens.read_access(KEY, changed, NOW)),
        (tokens.refresh_token(KEY, SID, 3), lambda changed: tokens.read_refresh(KEY, changed)),
    ):
        place %= len(token)
        changed = token[:place] + chr(other) + token[place + 1 :]
        # The last character of 43 in base64 has bits that mean nothing; ours is compared as text, a JWT is decoded.
        if changed != token and not (place == len(token) - 1 and token.count(".") == 2 and token.startswith("ey")):
            with pytest.raises(InvalidToken):
                read(changed)


@given(st.uuids(), st.integers(0, tokens.NEWEST_GENERATION))
def test_a_refresh_token_tells_its_session_and_generation(session_id: UUID, generation: int) -> None:
    token = tokens.refresh_token(KEY, session_id, generation)
    assert tokens.read_refresh(KEY, token) == (session_id, generation)
    with pytest.raises(InvalidToken):
        tokens.read_refresh(OTHER_KEY, token)


def seal() -> str:
    return tokens.refresh_token(KEY, SID, 5).rpartition(".")[2]


@pytest.mark.parametrize(
    "forged",
    [
        f"{SID}.6.{seal()}",
        f"{SID}.05.{seal()}",
        f"{SID}.٥.{seal()}",
        f"{SID}.-5.{seal()}",
        f"{str(SID).upper()}.5.{seal()}",
        f"{SID.hex}.5.{seal()}",
        f"{{{SID}}}.5.{seal()}",
        f"{SID}.5.{seal()}=",
        f"{SID}.5.",
        f"{SID}.5",
        f"{SID}.5.{seal()}.x",
        f"{SID}.{'9' * 1900}.{seal()}",
        tokens.refresh_token(KEY, SID, 2**40),
        ours(),
    ],
    ids=lambda forged: f"{len(forged)} characters",  # tokens differ from process to process
)
def test_a_refresh_token_is_written_in_one_way_only(forged: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.read_refresh(KEY, forged)
