"""Shortcodes become emoji where GitHub's filter makes them so; inside words they are text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.emoji import render_shortcodes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        # A code at the start, after a space or after punctuation; whatever follows it.
        (":zap: fast", "⚡ fast"),
        ("fast :zap:", "fast ⚡"),
        ("(:zap:), ':tada:'", "(⚡), '🎉'"),
        ("a :zap:b", "a ⚡b"),
        ("line\n:zap:", "line\n⚡"),
        ("是:zap:快", "是⚡快"),
        ("👍:zap:", "👍⚡"),
        # Codes that follow each other.
        (":zap::tada: :+1:", "⚡🎉 👍"),
        # Directly after a letter, a digit, an underscore, a slash or another colon it is no code.
        ("std::id::new", "std::id::new"),
        ("ratio 1:100:2", "ratio 1:100:2"),
        ("b0:de:ad:4a:47", "b0:de:ad:4a:47"),
        ("2001:db8:1234:a:b", "2001:db8:1234:a:b"),
        ("fast:zap:", "fast:zap:"),
        ("é:zap:", "é:zap:"),
        ("snake_:zap:", "snake_:zap:"),
        ("https://x.example/:zap:", "https://x.example/:zap:"),
        ("::zap::", "::zap::"),
        ("at 12:30:45", "at 12:30:45"),
        # Names are in lower case, and only known ones are replaced.
        (":ZAP: :Zap:", ":ZAP: :Zap:"),
        (":nonesuch: :zap:", ":nonesuch: ⚡"),
        (":nonesuch:zap:", ":nonesuch:zap:"),
        (": zap : :zap", ": zap : :zap"),
        (":shipit: :octocat:", ":shipit: :octocat:"),  # custom images of GitHub, not emoji
        # Names of Unicode, of Slack and of other lists are none of GitHub's.
        (":red_heart: :heart:", ":red_heart: ❤️"),
        (":thumbs_up: :thumbsup: :+1:", ":thumbs_up: 👍 👍"),
        (":rolling_on_the_floor_laughing: :rofl:", ":rolling_on_the_floor_laughing: 🤣"),
        (":slightly_smiling_face: :simple_smile:", "🙂 :simple_smile:"),
        (":check_mark_button: :white_check_mark:", ":check_mark_button: ✅"),
        (":flag-de: :de: :Germany:", ":flag-de: 🇩🇪 :Germany:"),
    ],
)
def test_a_code_is_replaced_where_github_does(text, shown):
    assert render_shortcodes(text) == shown


@pytest.mark.parametrize("name", ["rocket", "tada", "octopus", "heart", "e-mail", "uk", "1234", "non-potable_water"])
def test_names_that_github_uses_are_known(name):
    assert render_shortcodes(f":{name}:") != f":{name}:"


@given(st.from_regex(r"\w+:[a-z0-9_+-]+:\w*", fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_a_code_that_ends_a_word_is_never_replaced(text):
    assert render_shortcodes(text) == text


@given(st.text(st.sampled_from("a1:_ /zp+-")))
def test_rendering_twice_changes_nothing_more(text):
    assert render_shortcodes(render_shortcodes(text)) == render_shortcodes(text)
