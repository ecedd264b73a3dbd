"""Access tokens (short-lived JWTs) and refresh tokens (pure).

Neither is stored: the first is signed, the second is an HMAC over the session id and its generation.
"""

import hmac
import math
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NoReturn
from uuid import UUID, uuid4

from core.errors import NotSignedIn

ALGORITHM = "HS256"
AUDIENCE = "almanac"
REQUIRED_CLAIMS = ("sub", "sid", "role", "iat", "exp", "jti", "aud")
MAX_TOKEN_LENGTH = 2048
MAX_GENERATION = 2**31 - 1  # a Postgres integer
REFRESH_TOKEN_FIELDS = 3


class InvalidToken(NotSignedIn):
    """A token that is malformed, forged or expired; the message does not reveal which."""

    def __init__(self) -> None:
        super().__init__("Your session expired or is invalid; sign in again")


@dataclass(frozen=True)
class Claims:
    """The claims of an access token. `role` is for display only: permissions come from the person's row."""

    sub: int  # the person
    sid: UUID  # the session
    role: str
    iat: int  # Unix time, as is exp
    exp: int
    jti: str


def access_token(key: bytes, *, person_id: int, session_id: UUID, role: str, now: datetime, minutes: float) -> str:
    """Return a signed token that is valid for *minutes* from *now*."""
    import jwt  # noqa: PLC0415 - takes a tenth of a second; `/health` answers before

    claims = {
        "sub": str(person_id),
        "sid": str(session_id),
        "role": role,
        "iat": int(now.timestamp()),
        "exp": math.ceil((now + timedelta(minutes=minutes)).timestamp()),
        "jti": uuid4().hex,
        "aud": AUDIENCE,
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def decode_access_token(key: bytes, token: str, now: datetime) -> Claims:
    """Verify a token and return its claims. Raises InvalidToken unless we signed it and it is valid at *now*."""
    import jwt  # noqa: PLC0415 - as above

    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidToken
    # Expiry is checked below with the caller's clock instead of the library's.
    checks: Any = {"require": list(REQUIRED_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False}
    try:
        found = jwt.decode(token, key, algorithms=[ALGORITHM], audience=AUDIENCE, options=checks)
        claims = _claims(found)
    # Claims of a wrong type and text that cannot be encoded: not tokens of ours.
    except (jwt.PyJWTError, ValueError, TypeError):
        _raise_invalid_token()
    if claims.exp <= now.timestamp():
        raise InvalidToken
    return claims


def refresh_token(key: bytes, session_id: UUID, generation: int) -> str:
    return f"{session_id}.{generation}.{_signature(key, session_id, generation)}"


def decode_refresh_token(key: bytes, token: str) -> tuple[UUID, int]:
    """Verify a refresh token and return its session id and generation. Raises InvalidToken."""
    parts = token.split(".") if len(token) <= MAX_TOKEN_LENGTH and token.isascii() else []
    if len(parts) != REFRESH_TOKEN_FIELDS or not parts[1].isdecimal():
        raise InvalidToken
    try:
        session_id, generation = UUID(parts[0]), int(parts[1])
    except ValueError:
        _raise_invalid_token()
    # Compare the whole token, so that each has exactly one valid encoding.
    if generation > MAX_GENERATION or not hmac.compare_digest(token, refresh_token(key, session_id, generation)):
        raise InvalidToken
    return session_id, generation


def _signature(key: bytes, session_id: UUID, generation: int) -> str:
    # The prefix keeps other values signed with this key from being accepted.
    digest = hmac.digest(key, f"refresh:{session_id}:{generation}".encode(), sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _claims(found: dict[str, Any]) -> Claims:
    if type(found["exp"]) is not int or type(found["iat"]) is not int:
        raise TypeError
    return Claims(
        int(found["sub"]), UUID(str(found["sid"])), str(found["role"]), found["iat"], found["exp"], found["jti"]
    )


def _raise_invalid_token() -> NoReturn:
    raise InvalidToken from None
