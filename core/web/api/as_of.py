"""Parse the `as_of` and `since` parameters (pure)."""

import re
from datetime import UTC, date, datetime, time

from core.errors import BadInput

# GitHub opened in that year.
EARLIEST = datetime(2008, 1, 1, tzinfo=UTC)
TIMESTAMP_PATTERN = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*([Zz]|[+ -]\d\d:\d\d)", re.ASCII
)  # a space before the offset: an unescaped `+` in a query string
DATE_PATTERN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
FORMAT_HINT = "write a date like 2026-10-31 (UTC) or a timestamp like 2026-10-31T06:00:00Z"


def parse_as_of(text: str, now: datetime) -> datetime:
    """Parse a date, which means its end (UTC), or an RFC 3339 timestamp; earlier ones than 2008 become 2008.

    Raises BadInput for malformed text and for days after today.
    """
    return _parse_bounded("as_of", text, now, time.max)


def parse_since(text: str, now: datetime) -> datetime:
    """Parse `since` in the same way; there a date means its start."""
    return _parse_bounded("since", text, now, time.min)


def _parse_bounded(name: str, text: str, now: datetime, of_day: time) -> datetime:
    at = _parse_timestamp(name, text.strip(), of_day)
    latest = datetime.combine(now.astimezone(UTC).date(), time.max, UTC)
    if at > latest:
        raise BadInput(f"{name} is in the future; there is no data yet")
    return max(at, EARLIEST)


def _parse_timestamp(name: str, text: str, of_day: time) -> datetime:
    try:
        if DATE_PATTERN.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), of_day, UTC)
        if found := TIMESTAMP_PATTERN.fullmatch(text):
            day, clock, fraction, offset = found.groups()
            return datetime.fromisoformat(
                f"{day}T{clock}{fraction or ''}{offset.upper().replace(' ', '+')}"
            ).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{name} is not an existing date or time; {FORMAT_HINT}") from error
    raise BadInput(f"{name} is not a date or timestamp; {FORMAT_HINT}")
