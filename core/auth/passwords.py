"""Password rules and bcrypt hashing.

A password is NFC-normalised UTF-8, so that it is the same typed on another keyboard; nothing is stripped.
"""

import unicodedata
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256

from core.errors import BadInput

ROUNDS = 12
MIN_LENGTH, MAX_LENGTH = 8, 128
# Before normalisation a letter can be several characters; longer text cannot become a valid password.
MAX_TYPED_LENGTH = 8 * MAX_LENGTH


def check_strength(password: str) -> None:
    """Raise BadInput, naming the violated rule, unless *password* is acceptable as a new password."""
    composed = unicodedata.normalize("NFC", password[: MAX_TYPED_LENGTH + 1])
    if len(composed) < MIN_LENGTH:
        raise BadInput(f"A password has at least {MIN_LENGTH} characters")
    if len(composed) > MAX_LENGTH or len(password) > MAX_TYPED_LENGTH:
        raise BadInput(f"A password has at most {MAX_LENGTH} characters")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in composed):
        raise BadInput("A password contains a character that cannot be used")
    if not any(character.isupper() for character in composed):
        raise BadInput("A password needs at least one capital letter")
    if not any(character.isdecimal() for character in composed):
        raise BadInput("A password needs at least one digit")


def hash_password(password: str) -> str:
    """Return the bcrypt hash to store for *password*."""
    import bcrypt  # noqa: PLC0415 - loaded by the first sign-in

    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(ROUNDS)).decode()


def verify_password(password: str, stored: str | None) -> bool:
    """Return True if *stored* is the hash of *password*; without a hash, False after the same time."""
    import bcrypt  # noqa: PLC0415 - as above

    same = bcrypt.checkpw(_digest(password), (stored or _dummy_hash(ROUNDS)).encode())
    return same and stored is not None and len(password) <= MAX_TYPED_LENGTH


def _digest(password: str) -> bytes:
    """Return 44 characters for any length: bcrypt ignores what follows 72 bytes or a NUL."""
    composed = unicodedata.normalize("NFC", password[:MAX_TYPED_LENGTH])
    return b64encode(sha256(composed.encode("utf-8", "surrogatepass")).digest())


@lru_cache(maxsize=4)
def _dummy_hash(rounds: int) -> str:
    """Return a bcrypt hash that costs as much to verify as any, and that no known password has."""
    return f"$2b${rounds:02d}${'.' * 22}{'.' * 31}"
