"""Emoji shortcodes in text from GitHub, such as `:zap:` for ⚡."""

import re

from pymdownx import gemoji_db

# Chinese and Japanese have no spaces between words.
WITHOUT_SPACES = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
SHORTCODES = re.compile(rf"(?<![^\W{WITHOUT_SPACES}])(?<![:/])(?::[a-z0-9_+-]+:)+")
SHORTCODE = re.compile(r":[a-z0-9_+-]+:")


def _characters_by_name() -> dict[str, str]:
    """Return GitHub's own names, aliases too: other lists (Unicode's, Slack's) have thousands that it leaves as text.

    Names of GitHub's own images, such as `:octocat:`, have no characters.
    """
    names = {alias: gemoji_db.emoji[name] for alias, name in gemoji_db.aliases.items()} | gemoji_db.emoji
    codes = {name: found.get("unicode_alt", found.get("unicode")) for name, found in names.items()}
    return {name: "".join(chr(int(code, 16)) for code in found.split("-")) for name, found in codes.items() if found}


CHARACTERS_BY_NAME = _characters_by_name()


def render_shortcodes(text: str) -> str:
    """Replace shortcodes by emoji where GitHub does; unknown ones stay as they are.

    GitHub's filter began with html-pipeline's, which replaces every known name between two colons, reading from the
    left (https://github.com/gjtorikian/html-pipeline, v2, emoji_filter.rb). Since 2025 a code that follows a word
    without a space stays as it is (https://github.com/dotnet/macios/pull/21914), so `std::id::new` and `1:100:2` do.
    What follows a code does not matter, and codes may follow each other.
    """
    if ":" not in text:
        return text
    return SHORTCODES.sub(lambda codes: SHORTCODE.sub(_render, codes[0]), text)


def _render(code: re.Match[str]) -> str:
    return CHARACTERS_BY_NAME.get(code[0], code[0])
