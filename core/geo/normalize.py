"""Location texts as names that can be compared (pure)."""

import unicodedata

# Accents have a combining class of 10 or more; below are vowel signs of scripts that would be unreadable without.
MIN_ACCENT_CLASS = 10
# Removed, not turned into a space: Xi'an is also written Xian, U.S.A. is also written USA.
JOINED_CHARACTERS = frozenset("'’‘ʼʻ`´.")
EMOJI_STYLES = frozenset(map(chr, range(0xFE00, 0xFE10)))


class _Unaccented(dict[int, str]):
    """The replacement of each character of decomposed text; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        is_dropped = (
            unicodedata.combining(character) >= MIN_ACCENT_CLASS
            or unicodedata.category(character) == "Cf"
            or character in EMOJI_STYLES
        )
        self[code] = "" if is_dropped else character
        return self[code]


class _Letters(dict[int, str]):
    """Letters, marks and digits as they are, other characters as a space."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in JOINED_CHARACTERS:
            self[code] = ""
        elif character == "&":
            self[code] = " and "
        else:
            self[code] = character if unicodedata.category(character)[0] in "LMN" else " "
        return self[code]


_unaccented = _Unaccented()
_letters = _Letters()


def normalize_name(text: str) -> str:
    """Remove case, accents and punctuation; `&` becomes `and`."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFKD", text).translate(_unaccented))
    return " ".join(text.translate(_letters).casefold().split())


def is_code(text: str) -> bool:
    """Tell whether *text*, as written, can be a code of a state or country."""
    return text.isascii() and text.isalpha() and 2 <= len(text) <= 3
