"""Text of strangers is shown literally: none becomes a link, an icon, a formula or formatting."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.markup import WORD_JOINER, single_line
from pages.components.markdown import escape_markdown

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# Streamlit replaces these in the text that is left when Markdown is resolved (its StreamlitMarkdown).
REPLACED_LATER = re.compile(
    r":material[/_]\w+:|:streamlit:|:\+1:|:-1:|:[\w-]+:|(?<!\S)(<->|->|<-|--|>=|<=|~=)(?!\S)"
    r"|https?://[-.\w]|www\.[-.\w]|[-.\w+]@[-\w]",
    re.IGNORECASE,
)
HOSTILE = (
    "# 1 fan of Rust",
    "__init__",
    "[link](https://evil.example)",
    "<https://evil.example>",
    "https://evil.example",
    "a@evil.example",
    '<img src="x" onerror="alert(1)">',
    "$x^2$",
    "costs $5 or $6",
    ":material/home:",
    ":red[x] :red-badge[y] :streamlit:",
    "| a | b |\n|---|---|\n| c | d |",
    "`code` ```fence```",
    "note[^1]\n\n[^1]: text",
    ":zap: 12:30:45",
    "title\n===",
    "    indented",
    "1. one",
    "* one\n* two",
    "> quoted",
    "&lt;b&gt; &copy;",
    "a -> b -- c >= d",
    "~~gone~~ ~=",
    "back\\slash",
    "***",
)


def shown(text: str) -> str:
    """Return what a reader sees of *text* as Markdown; fails where it is anything but one paragraph of text."""
    tokens = MARKDOWN.parse(text)
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"]), tokens
    inline = tokens[1].children if tokens else []
    assert {token.type for token in inline or []} <= {"text", "text_special"}, inline
    return "".join(token.content for token in inline or [])


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_is_shown_literally(text):
    result = shown(escape_markdown(text))
    assert result.replace(WORD_JOINER, "") == single_line(text)
    assert not REPLACED_LATER.search(result)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("#*_[]()<>`$:/|~^=&@!+-. \n\twzap1")))
def test_any_text_is_shown_literally(text):
    result = shown(escape_markdown(text))
    assert result.replace(WORD_JOINER, "") == single_line(text).replace(WORD_JOINER, "")
    assert not REPLACED_LATER.search(result)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("ada", "ada"),
        ("octo/r0", "octo/r0"),
        ("**a** [b](c) :red[d]", rf"\*\*a\*\* \[b\]\(c\) \:{WORD_JOINER}red\[d\]"),
        ("https://evil.example", rf"https\://{WORD_JOINER}evil\.example"),
        ("WWW.evil.example", rf"WWW{WORD_JOINER}\.evil\.example"),
        ("a@evil.example", rf"a{WORD_JOINER}@evil\.example"),
    ],
)
def test_what_is_special_is_escaped(text, escaped):
    assert escape_markdown(text) == escaped
