"""Where a list goes on: the place of the last row that was given, sealed so that nobody can read or make one up."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from core.auth.signing_key import secret_key
from core.errors import BadInput

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

CursorPosition = tuple[str | int | bool | None, ...]
MAX_CURSOR_LENGTH = 2_000


def encode_cursor(question: str, place: Sequence[object]) -> str:
    """A cursor for the rows of *question* that come after *place*."""
    written = json.dumps([_digest(question), *place], separators=(",", ":"))
    return _fernet().encrypt(written.encode()).decode().rstrip("=")


def decode_cursor(question: str, cursor: str) -> CursorPosition:
    """The place that *cursor* names. Raises BadInput when it is none of ours or of another question."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - with the rest of it

    try:
        padded = cursor[:MAX_CURSOR_LENGTH] + "=" * (-len(cursor[:MAX_CURSOR_LENGTH]) % 4)
        found = json.loads(_fernet().decrypt(padded.encode("ascii")))
    except (InvalidToken, ValueError) as error:
        raise BadInput("cursor is none of ours; take next_cursor as it was given") from error
    if found[0] != _digest(question):
        raise BadInput("cursor belongs to another question; ask it with the same parameters as before")
    return tuple(found[1:])


def _fernet() -> "Fernet":
    from cryptography.fernet import Fernet  # noqa: PLC0415 - only who pages through a list needs it

    # Named, so that nothing else that is sealed with our key can pass for a cursor.
    return Fernet(urlsafe_b64encode(sha256(b"cursor:" + secret_key()).digest()))


def _digest(question: str) -> str:
    return sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:16]
