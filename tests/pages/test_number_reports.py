"""Reports of doubtful numbers on the pages: the dialog sends one within a limit, admins see and close it."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from core import number_reports
from core.auth.identity import Identity
from core.db import schema
from core.settings import settings
from tests.core.test_number_reports import CELL, ORIGIN
from tests.pages.page_file import run_page_file
from tests.pages.wording import page_text


def dialog() -> None:
    from pages.components.report_number import show_dialog
    from tests.core.test_number_reports import CELL

    show_dialog(CELL)


def comments(database) -> list[str]:
    return list(database.scalars(select(schema.report.c.comment)))


def test_a_reader_reports_a_number_within_a_limit(reader, database, monkeypatch):
    monkeypatch.setenv("LIMIT_REPORT", "1/hour")
    settings.cache_clear()
    for comment in ("", "GitHub says 12", "and again"):
        shown = AppTest.from_function(dialog, default_timeout=60).run()
        assert CELL.question in page_text(shown)
        shown.text_area(key="report-comment").set_value(comment)
        shown = shown.button[0].click().run()
        assert not shown.exception
        if comment == "":
            assert "Write what is wrong with the number" in page_text(shown)
    assert comments(database) == ["GitHub says 12"]
    assert "You have reported 1 number" in page_text(shown)


@pytest.mark.parametrize("comment", ["[link](http://evil) **bold** <script>", "$x$ :material/close:"])
def test_an_admin_sees_reports_as_text_and_closes_them(person, browser, database, comment):
    boss = person("boss", role="admin")
    browser.sign_in(boss)
    identity = Identity(boss.id, "boss", "admin")
    number_reports.submit(database, identity, CELL, comment, datetime.now(UTC), ORIGIN)
    shown = run_page_file("system")
    assert not shown.exception
    assert comment in [text.value for text in shown.text]  # literally, by st.text
    (close,) = (button for button in shown.button if button.label == "Close")
    shown = close.click().run()
    assert "No number is reported." in page_text(shown)
    assert list(database.scalars(select(schema.report.c.closed_by))) == ["boss"]
