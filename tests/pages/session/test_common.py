"""What others call themselves is text: no page makes a link of it, or anything else."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.session.common import escape_markdown

WORD_JOINER = "\u2060"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ada", "ada"),
        ("**a** [b](c) :red[d]", r"\*\*a\*\* \[b\]\(c\) \:red\[d\]"),
        ("https://evil.example", rf"https\://{WORD_JOINER}evil\.example"),
        ("WWW.evil.example", rf"WWW{WORD_JOINER}\.evil\.example"),
        ("a@evil.example", rf"a{WORD_JOINER}@evil\.example"),
    ],
)
def test_a_name_is_no_markdown_and_no_link(name, shown):
    assert escape_markdown(name) == shown


def test_a_refusal_that_quotes_a_name_quotes_it_as_text():
    def page():
        from core.errors import Conflict
        from pages.session.common import errors_as_notices

        with errors_as_notices():
            raise Conflict("www.evil.example is deactivated")

    app = AppTest.from_function(page).run()
    assert app.warning[0].value == f"www{WORD_JOINER}\\.evil\\.example is deactivated."
