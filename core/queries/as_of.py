"""The time bound of queries that read the past."""

from datetime import UTC, datetime

from core.as_of import end_of_day


def as_of_or_end_of_today(as_of: datetime | None) -> datetime:
    """Return *as_of*, or the end of today in UTC: constant for a day, so that frames stay cached."""
    return as_of or end_of_day(datetime.now(UTC).date())
