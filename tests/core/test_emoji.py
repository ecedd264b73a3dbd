import pytest

from core.emoji import render_shortcodes


def test_known_shortcodes_become_emoji_and_others_stay():
    assert render_shortcodes("fast :zap: and :nonesuch: at 12:30:45, :+1:") == "fast ⚡ and :nonesuch: at 12:30:45, 👍"
    assert render_shortcodes("plain") == "plain"


@pytest.mark.parametrize("name", ["rocket", "tada", "octopus", "heart", "e-mail", "uk", "1234", "shipit"])
def test_names_that_github_uses_are_known(name):
    text = f":{name}:"
    is_image_on_github = name == "shipit"  # a custom image of GitHub, not an emoji
    assert (render_shortcodes(text) == text) is is_image_on_github
