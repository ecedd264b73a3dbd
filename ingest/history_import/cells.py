"""The rules for one cell of a history file: a value comes back, or ValueError says in words what is wrong with it.

Values come as a CSV holds them (text) or as Parquet does (numbers, days, moments); what is empty is None or "".
"""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

FULL_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}")
DAY_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}")
COUNT_PATTERN = re.compile(r"[0-9]{1,20}(\.0{1,10})?")
# What a Postgres integer holds; no repository is anywhere near it.
MAX_COUNT = 2**31 - 1
# Nobody looked before GitHub was there.
EARLIEST_DAY = date(2007, 10, 1)


def parse_full_name(value: object) -> str:
    """Read `owner/name`."""
    given = _required_value(value)
    if not isinstance(given, str) or not FULL_NAME_PATTERN.fullmatch(given) or given.endswith(("/.", "/..")):
        raise ValueError("is not owner/name")
    return given


def parse_day(value: object, today: date) -> date:
    """Read a day; a moment counts as its day in UTC."""
    read = _parse_timestamp(_required_value(value)).date()
    if read > today:
        raise ValueError("is in the future")
    if read < EARLIEST_DAY:
        raise ValueError("is before GitHub began")
    return read


def parse_count(value: object) -> int:
    """Read a whole number that is not negative."""
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
    """Read a text that may be empty."""
    if is_missing(value):
        return None
    if not isinstance(value, str):
        raise ValueError("is not text")  # noqa: TRY004 - one kind of refusal, whatever is wrong
    if "\0" in value:
        raise ValueError("holds a NUL character")
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
        except OverflowError:  # the last hours that a calendar has, or the first
            raise ValueError("is not a date") from None
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("is not a date")
