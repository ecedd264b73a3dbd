"""Pure: the moment that `as_of` names."""

import re
from datetime import UTC, date, datetime, time

from core.errors import BadInput

# GitHub opened that year: nothing was before.
EARLIEST = datetime(2008, 1, 1, tzinfo=UTC)
TIMESTAMP_PATTERN = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*([Zz]|[+ -]\d\d:\d\d)", re.ASCII
)  # a space before the offset: what becomes of a `+` that was not escaped
DATE_PATTERN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
FORMAT_HINT = "write a date like 2026-10-31 (UTC) or a moment like 2026-10-31T06:00:00Z"


def parse_as_of(text: str, now: datetime) -> datetime:
    """Read a date, which means its end, or an RFC 3339 moment; never later than today, at the earliest 2008.

    Raises BadInput.
    """
    return _parse_bounded("as_of", text, now, time.max)


def parse_since(text: str, now: datetime) -> datetime:
    """Read `since` likewise; there a date means its begin."""
    return _parse_bounded("since", text, now, time.min)


def _parse_bounded(name: str, text: str, now: datetime, of_day: time) -> datetime:
    at = _parse_timestamp(name, text.strip(), of_day)
    latest = datetime.combine(now.astimezone(UTC).date(), time.max, UTC)
    if at > latest:
        raise BadInput(f"{name} is in the future; nothing is known of it yet")
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
        raise BadInput(f"{name} is no day or moment that there is; {FORMAT_HINT}") from error
    raise BadInput(f"{name} is no moment; {FORMAT_HINT}")
