"""Names of accounts and people are shown literally: none becomes a link or formatting."""

import pytest

from pages.components.markdown import WORD_JOINER, escape_markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ada", "ada"),
        ("**a** [b](c) :red[d]", r"\*\*a\*\* \[b\]\(c\) \:red\[d\]"),
        ("https://evil.example", rf"https\://{WORD_JOINER}evil\.example"),
        ("WWW.evil.example", rf"WWW{WORD_JOINER}\.evil\.example"),
        ("a@evil.example", rf"a{WORD_JOINER}@evil\.example"),
    ],
)
def test_escaped_text_has_no_formatting_and_no_link(text, shown):
    assert escape_markdown(text) == shown
