"""Parsers of the single cells of a history file; a ValueError says what is wrong with the value.

Values are text from CSV, or numbers, dates and timestamps from Parquet; missing values are None, NaN or "".
"""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

from core.as_of import EARLIEST

FULL_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}")
DAY_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}")
COUNT_PATTERN = re.compile(r"[0-9]{1,20}(\.0{1,10})?")
# The maximum of a Postgres integer.
MAX_COUNT = 2**31 - 1


def parse_full_name(value: object) -> str:
    """Parse `owner/name`."""
    given = _required_value(value)
    if not isinstance(given, str) or not FULL_NAME_PATTERN.fullmatch(given) or given.endswith(("/.", "/..")):
        raise ValueError("is not owner/name")
    return given


def parse_day(value: object, today: date) -> date:
    """Parse a date; a timestamp counts as its date in UTC."""
    day = _parse_timestamp(_required_value(value)).date()
    if day > today:
        raise ValueError("is in the future")
    if day < EARLIEST.date():
        raise ValueError("is before GitHub began")
    return day


def parse_count(value: object) -> int:
    """Parse a whole number that is not negative."""
    given = _required_value(value)
    if isinstance(given, str):
        if given.startswith("-") and COUNT_PATTERN.fullmatch(given[1:]):
            raise ValueError("is negative")
        if not COUNT_PATTERN.fullmatch(given):
            raise ValueError("is not a whole number")
        # "12.0" is what pandas makes of 12 in a column with holes.
        given = int(given.partition(".")[0])
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal) or given % 1 != 0:
        raise ValueError("is not a whole number")
    if given < 0:
        raise ValueError("is negative")
    if given > MAX_COUNT:
        raise ValueError("is too large")
    return int(given)


def parse_optional_count(value: object) -> int | None:
    return None if is_missing(value) else parse_count(value)


def parse_optional_text(value: object) -> str | None:
    """Parse text; empty text is None."""
    if is_missing(value):
        return None
    if not isinstance(value, str):
        raise ValueError("is not text")  # noqa: TRY004 - callers catch ValueError only
    if "\0" in value:
        raise ValueError("contains a NUL character")
    return value.strip()


def parse_optional_timestamp(value: object) -> datetime | None:
    return None if is_missing(value) else _parse_timestamp(value)


def is_missing(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value  # noqa: PLR0124 - NaN alone differs from itself


def _required_value(value: object) -> object:
    if is_missing(value):
        raise ValueError("is missing")
    return value.strip() if isinstance(value, str) else value


def _parse_timestamp(value: object) -> datetime:
    if isinstance(value, str) and DAY_PATTERN.match(value.strip()):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("is not a date") from None
    if isinstance(value, datetime):
        try:
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        except OverflowError:  # within hours of the first or last date that Python supports
            raise ValueError("is not a date") from None
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("is not a date")
