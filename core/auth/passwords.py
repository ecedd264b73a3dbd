"""Passwords: which are good enough, and how one is kept so that nobody can read it.

A password is its UTF-8 after NFC, so that one typed on another keyboard is still the same; nothing is stripped.
"""

import unicodedata
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256

from core.errors import BadInput

ROUNDS = 12
MIN_LENGTH, MAX_LENGTH = 8, 128
# Composed letters can come as several characters; more than this cannot become a password.
MAX_TYPED_LENGTH = 8 * MAX_LENGTH


def check_strength(password: str) -> None:
    """Raise BadInput, saying what is missing, unless *password* may be used from now on."""
    composed = unicodedata.normalize("NFC", password[: MAX_TYPED_LENGTH + 1])
    if len(composed) < MIN_LENGTH:
        raise BadInput(f"A password has at least {MIN_LENGTH} characters")
    if len(composed) > MAX_LENGTH or len(password) > MAX_TYPED_LENGTH:
        raise BadInput(f"A password has at most {MAX_LENGTH} characters")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in composed):
        raise BadInput("A password cannot hold a NUL or half a character")
    if not any(character.isupper() for character in composed):
        raise BadInput("A password needs at least one capital letter")
    if not any(character.isdecimal() for character in composed):
        raise BadInput("A password needs at least one digit")


def hash_password(password: str) -> str:
    """What is stored of *password*."""
    import bcrypt  # noqa: PLC0415 - not before somebody signs in

    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(ROUNDS)).decode()


def verify_password(password: str, stored: str | None) -> bool:
    """Whether *stored* was made of *password*. Without one the answer is no and takes just as long."""
    import bcrypt  # noqa: PLC0415 - as above

    same = bcrypt.checkpw(_digest(password), (stored or _dummy_hash(ROUNDS)).encode())
    return same and stored is not None and len(password) <= MAX_TYPED_LENGTH


def _digest(password: str) -> bytes:
    """Forty-four characters however long the password: bcrypt reads no more than 72 bytes, and none after a NUL."""
    composed = unicodedata.normalize("NFC", password[:MAX_TYPED_LENGTH])
    return b64encode(sha256(composed.encode("utf-8", "surrogatepass")).digest())


@lru_cache(maxsize=4)
def _dummy_hash(rounds: int) -> str:
    """A hash in bcrypt's form that costs as much as any and that no known password has."""
    return f"$2b${rounds:02d}${'.' * 22}{'.' * 31}"
