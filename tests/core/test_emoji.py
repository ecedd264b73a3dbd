"""Emoji by name."""

from core.emoji import render_shortcodes


def test_known_names_become_emoji_and_others_stay():
    assert render_shortcodes("fast :zap: and :nonesuch: at 12:30:45, :+1:") == "fast ⚡ and :nonesuch: at 12:30:45, 👍"
    assert render_shortcodes("plain") == "plain"
