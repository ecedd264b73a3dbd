"""Validation of usernames, display names and e-mail addresses (pure)."""

import re
import string
import unicodedata

from core.errors import BadInput

USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,31}")
ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
MAX_DISPLAY_NAME_LENGTH = 100
MAX_EMAIL_LENGTH = 254
# Without the characters that only a quoted local part may have, which nobody does.
_EMAIL_PART = r"[^@\s()<>\[\]\\,;:\".]+"
EMAIL = re.compile(rf"{_EMAIL_PART}(\.{_EMAIL_PART})*@{_EMAIL_PART}(\.{_EMAIL_PART})+")
# Emoji and several scripts join characters with these; other invisible characters are refused.
JOINERS = "\u200c\u200d"


def check_username(username: str) -> str:
    """Return the username. Raises BadInput, naming the rules: without them a name could look like another one."""
    if not USERNAME.fullmatch(username):
        raise BadInput(
            "A username has 3 to 32 characters: the letters A to Z, digits, dots, hyphens and underscores;"
            " the first is a letter or a digit"
        )
    return username


def fold_username(username: str) -> str:
    """Return the form in which usernames are compared: A to Z in lower case, anything else as it is.

    Uniqueness and lookups in the database use the same folding: `lower(username COLLATE "C")`.
    """
    return username.translate(ASCII_LOWER)


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
