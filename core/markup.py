"""Text from GitHub and from people, made literal for the language it is written into.

One function per language: `plotly` and `slack` here, `escape_markdown` (Streamlit's Markdown) in `pages`, `html.escape`
from the standard library for HTML. All others build on `single_line`.
"""

import re
import unicodedata
from html import escape

WORD_JOINER = "\N{WORD JOINER}"
# Where an invisible character keeps a receiver from making a link or an emoji of the text around it.
AUTOLINK = re.compile(r"(?<=://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
SHORTCODE = re.compile(r"(?<=:)(?=[\w+-])")
# Embeddings, overrides and isolates change the order of the text around them.
BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
UNSAFE_IN_A_LINE = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff{BIDI_CONTROLS}]")
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


def single_line(text: str) -> str:
    """Return *text* in one line without control characters; what is written from right to left is isolated."""
    line = " ".join(UNSAFE_IN_A_LINE.sub(_space_or_nothing, text).split())
    if line.isascii() or not any(unicodedata.bidirectional(character) in RIGHT_TO_LEFT for character in line):
        return line
    return f"{FIRST_STRONG_ISOLATE}{line}{POP_ISOLATE}"


def _space_or_nothing(found: re.Match[str]) -> str:
    return " " if found[0].isspace() else ""


def without_links_and_emoji(text: str) -> str:
    """Break what receivers of text replace on their own, such as URLs and `:zap:`, by an invisible character."""
    return SHORTCODE.sub(WORD_JOINER, AUTOLINK.sub(WORD_JOINER, text))


def plotly(text: str) -> str:
    """Return *text* so that Plotly, whose texts and templates know some HTML, shows it literally."""
    # A template also replaces %{…}; an entity is resolved after that.
    return escape(single_line(text), quote=False).replace("%{", "%&#123;")


def slack(text: str) -> str:
    """Return *text* so that Slack shows it literally where Markdown is off (`"mrkdwn": false`): no link, no mention."""
    return without_links_and_emoji(escape(single_line(text), quote=False))


def escape_controls(text: str, *, keep: str = "") -> str:
    """Return *text* with control characters as `\\x1b`, for terminals and logs; those in *keep* stay."""
    return UNSAFE_IN_A_LINE.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def is_storable(text: str) -> bool:
    """Return False for text that Postgres cannot hold, and so cannot search for: NUL and unpaired surrogates."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
