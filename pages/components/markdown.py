"""Escape text from GitHub and from people before it meets Streamlit's Markdown."""

import re

from core.markup import WORD_JOINER, single_line, without_links_and_emoji

SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=^])")
# Streamlit draws arrows and dashes for these, backslashes or not.
TYPOGRAPHIC = re.compile(r"(?<!\S)(<|<?-|>|~)(->|>|-|=)(?!\S)")


def code_span(text: str) -> str:
    """Return *text* in the font of code, literally but for backticks, which it cannot hold."""
    return f"`{without_links_and_emoji(single_line(text.replace('`', ' '))) or ' '}`"


def escape_markdown(text: str) -> str:
    """Return *text* so that Markdown shows it literally, in one line: no formatting, no emoji or icon, no link.

    Icons, emoji shortcodes, arrows and URLs are replaced after backslashes are resolved: an invisible character keeps
    them from being recognized.
    """
    joined = TYPOGRAPHIC.sub(rf"\1{WORD_JOINER}\2", without_links_and_emoji(single_line(text)))
    return SPECIAL.sub(r"\\\1", joined)
