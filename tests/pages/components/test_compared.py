"""The sentences about a comparison with an earlier time."""

from datetime import date

import pytest
from pandas import Series

from pages.components.compared import dotted_hint
from tests.seed_data import utc

VS = utc("2026-03-31")


@pytest.mark.parametrize("first", [utc("2026-03-31"), utc("2025-01-01"), date(2026, 3, 1)])
def test_dotted_lines_are_explained_where_there_is_something_to_draw(first: object) -> None:
    assert dotted_hint(Series([first, first]), VS).startswith("Dotted: the same up to ")


def test_without_anything_collected_by_then_no_dotted_line_is_promised() -> None:
    hint = dotted_hint(Series([utc("2026-04-01"), utc("2026-05-01")]), VS)
    assert hint.startswith("Without dotted lines: nothing was collected by ")


def test_without_any_number_no_dotted_line_is_promised() -> None:
    assert dotted_hint(Series([], dtype="datetime64[us, UTC]"), VS).startswith("Without dotted lines")
