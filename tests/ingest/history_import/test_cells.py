"""Each cell of a history file is parsed correctly or rejected with a reason."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core import as_of
from core.errors import BadInput
from ingest.history_import import cells

TODAY = date(2026, 11, 23)


@given(some.integers(0, cells.MAX_COUNT))
def test_a_count_parses_equally_from_every_type(count: int) -> None:
    """CSV writes it as text, pandas as 12.0 where others are missing, Parquet as what it likes."""
    for written in (str(count), f" {count} ", f"{count}.0", count, float(count), Decimal(count)):
        assert cells.parse_count(written) == count


@given(some.text() | some.integers() | some.floats() | some.booleans() | some.none() | some.dates() | some.binary())
def test_an_invalid_count_is_refused_with_a_reason(value: object) -> None:
    """A value becomes a count that Postgres can store, or a sentence; never another error."""
    try:
        count = cells.parse_count(value)
    except ValueError as error:
        count = str(error)
    assert count if isinstance(count, str) else 0 <= count <= cells.MAX_COUNT


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is missing"),
        (None, "is missing"),
        (float("nan"), "is missing"),
        ("-3", "is negative"),
        (-3, "is negative"),
        ("3.5", "is not a whole number"),
        (3.5, "is not a whole number"),
        ("1e3", "is not a whole number"),
        ("0x10", "is not a whole number"),
        ("1,234", "is not a whole number"),
        ("٣", "is not a whole number"),
        (True, "is not a whole number"),
        (float("inf"), "is not a whole number"),
        ([1], "is not a whole number"),
        ("2147483648", "is too large"),
        (2**40, "is too large"),
    ],
)
def test_a_refused_count_has_a_reason(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        cells.parse_count(value)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2021-08-20", date(2021, 8, 20)),
        (" 2021-08-20 ", date(2021, 8, 20)),
        ("2021-08-20T23:30:00Z", date(2021, 8, 20)),
        ("2021-08-20 23:30:00-02:00", date(2021, 8, 21)),
        (date(2021, 8, 20), date(2021, 8, 20)),
        (datetime(2021, 8, 20, 12, tzinfo=UTC), date(2021, 8, 20)),
        (datetime(2021, 8, 20, 1, tzinfo=timezone(timedelta(hours=2))), date(2021, 8, 19)),
        (TODAY, TODAY),
    ],
)
def test_a_day_is_in_utc(value: object, day: date) -> None:
    assert cells.parse_day(value, TODAY) == day


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2021-02-30", "is not a date"),
        ("20210220", "is not a date"),
        ("2021-08-20x", "is not a date"),
        ("yesterday", "is not a date"),
        (20210820, "is not a date"),
        ("", "is missing"),
        ("2026-11-24", "is in the future"),
        ("9999-12-31T23:59:59-23:00", "is not a date"),
        ("1970-01-01", "is before GitHub began"),
    ],
)
def test_a_refused_day_has_a_reason(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        cells.parse_day(value, TODAY)


@pytest.mark.parametrize("day", ["2007-09-30", "2007-10-01", "2007-12-31", "2008-01-01"])
def test_a_day_can_be_imported_if_pages_can_show_it(day: str) -> None:
    def is_accepted(parse: Callable[[], object]) -> bool:
        try:
            parse()
        except (ValueError, BadInput):
            return False
        return True

    shown = is_accepted(lambda: as_of.parse_as_of(day, datetime.now(UTC)))
    assert is_accepted(lambda: cells.parse_day(day, TODAY)) is shown is (day >= "2007-10-01")


@pytest.mark.parametrize("name", ["octo/cat", "A/b", "user_company/x", "o/.github", "o/a.b-c_d", "dashes-/x"])
def test_valid_github_names_are_accepted(name: str) -> None:
    assert cells.parse_full_name(f" {name} ") == name


@pytest.mark.parametrize(
    "name", ["octo", "octo/", "/cat", "a/b/c", "o/..", "o/.", "o cto/cat", "o/c\0t", "ö/x", "-o/x", "o/x\n y", 7]
)
def test_invalid_github_names_are_refused(name: object) -> None:
    with pytest.raises(ValueError, match="is not owner/name"):
        cells.parse_full_name(name)


def test_a_text_with_nul_is_refused() -> None:
    """Postgres cannot store it."""
    with pytest.raises(ValueError, match="NUL"):
        cells.parse_optional_text("a\0b")
