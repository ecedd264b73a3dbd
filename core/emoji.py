"""Emoji that people write by name, as GitHub shows them: `:zap:` is ⚡. The names are GitHub's (gemoji, MIT)."""

import json
import re
from functools import lru_cache
from pathlib import Path

SHORTCODE_PATTERN = re.compile(r":([a-z0-9_+-]{1,48}):")


@lru_cache(maxsize=1)
def emoji_by_shortcode() -> dict[str, str]:
    names: dict[str, str] = json.loads((Path(__file__).parent / "shortcodes.json").read_text(encoding="utf-8"))
    return names


def render_shortcodes(text: str) -> str:
    """*text* with the emoji that it names; a name that GitHub does not know stays as it is."""
    return (
        SHORTCODE_PATTERN.sub(lambda found: emoji_by_shortcode().get(found[1], found[0]), text) if ":" in text else text
    )
