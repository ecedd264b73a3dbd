"""Parse and write the moments in URLs, `as_of` and `since`: the same on pages and in the API."""

import re
from datetime import UTC, date, datetime, time, timedelta

from core.errors import BadInput

EARLIEST = datetime(2007, 10, 1, tzinfo=UTC)
"""Start of the month in which GitHub began: its oldest account, https://api.github.com/user/1, is of 2007-10-20."""
TIMESTAMP_PATTERN = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d*)?([Zz]|[+ -]\d\d:\d\d)", re.ASCII
)  # a space before the offset: an unescaped `+` in a query string
DATE_PATTERN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
FORMAT_HINT = "write a date like 2026-10-31 (UTC) or a timestamp like 2026-10-31T06:00:00Z"


def parse_as_of(text: str, now: datetime, param: str = "as_of") -> datetime:
    """Parse a date, which means its end (UTC), or an RFC 3339 timestamp; today's date is allowed.

    Raises BadInput, naming *param*, for other text, for days after today and for days before GitHub began.
    """
    at = _parse_past(param, text, now, time.max)
    if at < EARLIEST:
        raise BadInput(f"{param} is before {EARLIEST:%B %Y}, when GitHub began; there is no data of that time")
    return at


def parse_vs(text: str, now: datetime, as_of: datetime | None) -> datetime:
    """Parse `vs`, the time to compare with, as `parse_as_of`. Raises BadInput too unless it is before *as_of*."""
    vs = parse_as_of(text, now, "vs")
    if vs >= (as_of or now):
        raise BadInput("vs is not before the time shown; it is the earlier one, to compare with")
    return vs


def parse_since(text: str, now: datetime) -> datetime:
    """Parse `since` in the same way; there a date means its start, and one before GitHub began means all."""
    return max(_parse_past("since", text, now, time.min), EARLIEST)


def parse_day(text: str, now: datetime) -> date:
    """Parse a date like 2026-10-31. Raises BadInput for other text and for days that `parse_as_of` refuses."""
    if not DATE_PATTERN.fullmatch(text):
        raise BadInput("Not a date; write one like 2026-10-31")
    return parse_as_of(text, now).date()


def end_of_day(day: date) -> datetime:
    """Return the last microsecond of *day* in UTC, which is what a date means as `as_of`."""
    return datetime.combine(day, time.max, UTC)


def just_after(at: datetime | None) -> datetime:
    """Return the first moment that data as of *at* do not cover; EARLIEST without one."""
    return EARLIEST if at is None else at + timedelta(microseconds=1)


def as_of_text(at: datetime) -> str:
    """Write *at* so that `parse_as_of` returns it: as a date where it is the end of one."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d}" if at == end_of_day(at.date()) else at.isoformat().replace("+00:00", "Z")


def _parse_past(param: str, text: str, now: datetime, of_day: time) -> datetime:
    at = _parse_timestamp(param, text.strip(), of_day)
    if at > end_of_day(now.astimezone(UTC).date()):
        raise BadInput(f"{param} is in the future; there is no data yet")
    return at


def _parse_timestamp(param: str, text: str, of_day: time) -> datetime:
    try:
        if DATE_PATTERN.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), of_day, UTC)
        if found := TIMESTAMP_PATTERN.fullmatch(text):
            day, clock, fraction, offset = found.groups()
            return datetime.fromisoformat(
                f"{day}T{clock}{fraction or ''}{offset.upper().replace(' ', '+')}"
            ).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{param} is not an existing date or time; {FORMAT_HINT}") from error
    raise BadInput(f"{param} is not a date or timestamp; {FORMAT_HINT}")
