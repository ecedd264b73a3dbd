"""The time bound of queries that read the past."""

from datetime import UTC, datetime, time


def as_of_or_end_of_today(as_of: datetime | None) -> datetime:
    """Return *as_of*, or the end of today in UTC: constant for a day, so that frames stay cached."""
    return as_of or datetime.combine(datetime.now(UTC).date(), time.max, UTC)
