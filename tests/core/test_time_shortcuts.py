"""Shortcuts of the time machine, by the calendar."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from core.time_shortcuts import months_before, shortcuts


def test_shortcuts_count_from_the_selected_day():
    assert shortcuts(date(2026, 3, 31)) == {
        "yesterday": date(2026, 3, 30),
        "last week": date(2026, 3, 24),
        "a month ago": date(2026, 2, 28),
        "a year ago": date(2025, 3, 31),
        "this day last year": date(2025, 3, 31),
    }
    leap = shortcuts(date(2024, 2, 29))
    assert leap["this day last year"] == date(2023, 2, 28)
    assert leap["a year ago"] == date(2023, 3, 1)  # 365 days


@given(st.dates(date(2010, 1, 1)), st.integers(1, 24))
def test_months_before_keeps_the_day_or_takes_the_months_last(day, months):
    found = months_before(day, months)
    assert (day.year * 12 + day.month) - (found.year * 12 + found.month) == months
    assert found.day == day.day or (found.day < day.day and (found.replace(day=found.day).month != _next(found).month))


def _next(day):
    return date.fromordinal(day.toordinal() + 1)
