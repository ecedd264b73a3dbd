"""Emoji shortcodes in text from GitHub, such as `:zap:` for ⚡."""

import re

from emoji import emojize

# Chinese and Japanese have no spaces between words.
WITHOUT_SPACES = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
SHORTCODES = re.compile(rf"(?<![^\W{WITHOUT_SPACES}])(?<![:/])(?::[a-z0-9_+-]+:)+")


def render_shortcodes(text: str) -> str:
    """Replace shortcodes by emoji where GitHub does; unknown ones stay as they are.

    GitHub's filter began with html-pipeline's, which replaces every known name between two colons, reading from the
    left (https://github.com/gjtorikian/html-pipeline, v2, emoji_filter.rb). Since 2025 a code that follows a word
    without a space stays as it is (https://github.com/dotnet/macios/pull/21914), so `std::id::new` and `1:100:2` do.
    What follows a code does not matter, and codes may follow each other.
    """
    # Most texts contain none: the library would scan each with a large pattern.
    if ":" not in text:
        return text
    return SHORTCODES.sub(lambda codes: emojize(codes[0], language="alias"), text)
