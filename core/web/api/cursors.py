"""Pagination cursors: the sort key of the last row sent, encrypted so that clients can neither read nor forge one."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from core.auth.signing_key import secret_key
from core.errors import BadInput

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

CursorPosition = tuple[str | float | bool | None, ...]
MAX_CURSOR_LENGTH = 2_000


def encode_cursor(query_key: str, position: Sequence[object]) -> str:
    """Return a cursor for the rows of *query_key* that come after *position*."""
    plain = json.dumps([_digest(query_key), *position], separators=(",", ":"))
    return _fernet().encrypt(plain.encode()).decode().rstrip("=")


def decode_cursor(query_key: str, cursor: str) -> CursorPosition:
    """Return the position in *cursor*. Raises BadInput when it is invalid or belongs to another query."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - as in _fernet

    try:
        padded = cursor[:MAX_CURSOR_LENGTH] + "=" * (-len(cursor[:MAX_CURSOR_LENGTH]) % 4)
        values = json.loads(_fernet().decrypt(padded.encode("ascii")))
    except (InvalidToken, ValueError) as error:
        raise BadInput("cursor is invalid; send next_cursor unchanged") from error
    if values[0] != _digest(query_key):
        raise BadInput("cursor belongs to another query; send the same parameters as before")
    return tuple(values[1:])


def _fernet() -> "Fernet":
    from cryptography.fernet import Fernet  # noqa: PLC0415 - loaded by the first paginated request

    # A key for cursors only: nothing else encrypted with our secret is accepted as one.
    return Fernet(urlsafe_b64encode(sha256(b"cursor:" + secret_key()).digest()))


def _digest(query_key: str) -> str:
    return sha256(query_key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
