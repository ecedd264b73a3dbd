"""Validation of usernames, display names and e-mail addresses (pure)."""

import re
import unicodedata

from core.errors import BadInput

MAX_USERNAME_LENGTH = 64
MAX_DISPLAY_NAME_LENGTH = 100
MAX_EMAIL_LENGTH = 254
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
# Emoji and several scripts join characters with these; other invisible characters are refused.
JOINERS = "\u200c\u200d"


def check_username(username: str) -> str:
    """Return the username, NFC-normalised. Raises BadInput, naming the violated rule."""
    normalized = _checked_text(username, "A username", MAX_USERNAME_LENGTH)
    if "/" in normalized:
        raise BadInput("A username cannot contain a slash")
    return normalized


def check_display_name(name: str | None) -> str | None:
    """Return the name, NFC-normalised; None if empty. Raises BadInput."""
    return _checked_text(name, "A name", MAX_DISPLAY_NAME_LENGTH) if name else None


def check_email(email: str | None) -> str | None:
    """Return the e-mail address, NFC-normalised; None if empty. Raises BadInput unless it has the form of one."""
    if not email:
        return None
    normalized = _checked_text(email, "An e-mail address", MAX_EMAIL_LENGTH)
    if not EMAIL.fullmatch(normalized):
        raise BadInput("Not an e-mail address; write it like name@example.org")
    return normalized


def _checked_text(given: str, what: str, max_length: int) -> str:
    # Truncate before normalising: a huge text must not cost more than a valid one.
    normalized = unicodedata.normalize("NFC", given[: 4 * max_length + 1])
    if not normalized.strip():
        raise BadInput(f"{what} needs at least one character")
    if len(normalized) > max_length or len(given) > 4 * max_length:
        raise BadInput(f"{what} has at most {max_length} characters")
    if normalized != normalized.strip() or normalized[0] in JOINERS or normalized[-1] in JOINERS:
        raise BadInput(f"{what} cannot begin or end with a space")
    if not all(character.isprintable() or character in JOINERS for character in normalized):
        raise BadInput(f"{what} cannot contain invisible characters")
    return normalized
