"""Text of strangers is shown literally, whatever language it is written into."""

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import markup
from core.markup import POP_ISOLATE, WORD_JOINER, escape_controls, single_line

FSI = markup.FIRST_STRONG_ISOLATE
CONTROLS = "".join(map(chr, range(32))) + "\x7f\x9b\u2028\u2029\u202e\u2066\u2069"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Ada", "Ada"),
        ("  two\r\n\r\n    lines\t", "two lines"),
        ("\x1b[31mred\x07 a\x00b\x9bc", "[31mred abc"),
        ("a\u2028b\x85c", "a b c"),
        ("user\u202etxt.exe", "usertxt.exe"),  # an override would turn the rest of our sentence round
        ("عمر 5", f"{FSI}عمر 5{POP_ISOLATE}"),
        ("שלום\u2069", f"{FSI}שלום{POP_ISOLATE}"),  # its own end of an isolate does not end ours
        ("Zürich 東京 ⚡", "Zürich 東京 ⚡"),
        ("👩\u200d💻", "👩\u200d💻"),  # joined emoji stay joined
        (" \n ", ""),
    ],
)
def test_text_becomes_one_line_without_controls(text, line):
    assert single_line(text) == line


@given(st.text(st.characters() | st.sampled_from(CONTROLS)))
def test_a_line_is_one_line_and_the_same_when_made_twice(text):
    line = single_line(text)
    assert len(line.splitlines()) <= 1
    assert not set(line) & (set(CONTROLS) - {POP_ISOLATE})
    assert single_line(line) == line


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("octo/my_repo", "octo/my_repo"),
        ("<b>x</b> & <a href='y'>", "&lt;b&gt;x&lt;/b&gt; &amp; &lt;a href='y'&gt;"),
        ("a<br>b\nc", "a&lt;br&gt;b c"),
        ("&lt;i&gt;", "&amp;lt;i&amp;gt;"),
        ("%{y} 5%", "%&#123;y} 5%"),
    ],
)
def test_plotly_shows_text_literally(text, escaped):
    assert markup.plotly(text) == escaped


@given(st.text())
def test_plotly_gets_no_tag_and_no_placeholder_and_shows_every_character(text):
    escaped = markup.plotly(text)
    assert not set(escaped) & set("<>")
    assert "%{" not in escaped
    assert unescape(escaped) == single_line(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("octo/my_repo gained 1,234 stars", "octo/my_repo gained 1,234 stars"),
        ("<!channel> <@U1> & <https://x.example|click>", "&lt;!channel&gt; &lt;{j}@U1&gt; &amp; &lt;https://{j}x.example|click&gt;"),
        (":zap: at 12:30", ":{j}zap: at 12:{j}30"),
        ("mail a@b.example", "mail a{j}@b.example"),
    ],
)  # fmt: skip
def test_slack_shows_text_literally(text, escaped):
    assert markup.slack(text) == escaped.replace("{j}", WORD_JOINER)


@given(st.text(st.characters() | st.sampled_from("<>&@:/!|w.")))
def test_slack_gets_no_control_sequence(text):
    escaped = markup.slack(text)
    assert not set(escaped) & set("<>")
    assert unescape(escaped.replace(WORD_JOINER, "")) == single_line(text).replace(WORD_JOINER, "")


def test_controls_are_written_out_for_a_terminal():
    assert escape_controls("a\x1b]0;title\x07\nb\u202ec") == r"a\x1b]0;title\x07\nb\u202ec"
    assert escape_controls("a\nb\x1b", keep="\n") == "a\nb\\x1b"
    assert escape_controls("Zürich ⚡") == "Zürich ⚡"
