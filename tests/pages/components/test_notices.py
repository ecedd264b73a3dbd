"""Notices for the reader."""

from streamlit.testing.v1 import AppTest

from pages.components.markdown import WORD_JOINER


def test_an_error_message_that_quotes_a_name_shows_it_literally():
    def page():
        from core.errors import Conflict
        from pages.components.notices import errors_as_notices

        with errors_as_notices():
            raise Conflict("www.evil.example is deactivated")

    app = AppTest.from_function(page).run()
    assert app.warning[0].value == f"www{WORD_JOINER}\\.evil\\.example is deactivated."
