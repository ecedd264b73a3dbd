"""What people may be called, and how an e-mail address looks. Pure."""

import re
import unicodedata

from core.errors import BadInput

MAX_USERNAME_LENGTH = 64
MAX_DISPLAY_NAME_LENGTH = 100
MAX_EMAIL_LENGTH = 254
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
# Emoji and several scripts join characters with these; everything else that cannot be seen is refused.
JOINERS = "\u200c\u200d"


def check_username(username: str) -> str:
    """The name as it is kept (NFC). Raises BadInput, saying why, when nobody can be called that."""
    kept = _checked_text(username, "A username", MAX_USERNAME_LENGTH)
    if "/" in kept:
        raise BadInput("A username cannot hold a slash")
    return kept


def check_display_name(name: str | None) -> str | None:
    """The name as it is kept; None for none. Raises BadInput."""
    return _checked_text(name, "A name", MAX_DISPLAY_NAME_LENGTH) if name else None


def check_email(email: str | None) -> str | None:
    """The address as it is kept; None for none. Raises BadInput unless it looks like one."""
    if not email:
        return None
    kept = _checked_text(email, "An e-mail address", MAX_EMAIL_LENGTH)
    if not EMAIL.fullmatch(kept):
        raise BadInput("That is no e-mail address; it looks like name@example.org")
    return kept


def _checked_text(given: str, what: str, longest: int) -> str:
    # Cut before composing: a text of millions must not cost more than one that fits.
    kept = unicodedata.normalize("NFC", given[: 4 * longest + 1])
    if not kept.strip():
        raise BadInput(f"{what} needs at least one character")
    if len(kept) > longest or len(given) > 4 * longest:
        raise BadInput(f"{what} has at most {longest} characters")
    if kept != kept.strip() or kept[0] in JOINERS or kept[-1] in JOINERS:
        raise BadInput(f"{what} has no spaces at its ends")
    if not all(character.isprintable() or character in JOINERS for character in kept):
        raise BadInput(f"{what} cannot hold characters that nobody sees")
    return kept
