"""Emoji by name."""

from core.emoji import rendered


def test_known_names_become_emoji_and_others_stay():
    assert rendered("fast :zap: and :nonesuch: at 12:30:45, :+1:") == "fast ⚡ and :nonesuch: at 12:30:45, 👍"
    assert rendered("plain") == "plain"
