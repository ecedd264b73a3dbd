"""Escape text from GitHub and from people before it meets Markdown."""

import re

MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")
# Markdown turns these into links even where every special character is escaped.
AUTOLINK = re.compile(r"(?<=://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
WORD_JOINER = "\N{WORD JOINER}"


def escape_markdown(text: str) -> str:
    """Return *text* so that Markdown shows it literally: no formatting, no emoji shortcode, no link."""
    return MARKDOWN_SPECIAL.sub(r"\\\1", AUTOLINK.sub(WORD_JOINER, text))
