"""The current time in UTC: the default of every `clock` parameter."""

from datetime import UTC, datetime


def now_utc() -> datetime:
    return datetime.now(UTC)
