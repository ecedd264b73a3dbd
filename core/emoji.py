"""Emoji shortcodes in text from GitHub, such as `:zap:` for ⚡."""

from emoji import emojize


def render_shortcodes(text: str) -> str:
    """Replace shortcodes by emoji; unknown ones stay as they are."""
    # Most texts contain none: the library would scan each with a large pattern.
    return emojize(text, language="alias") if ":" in text else text
