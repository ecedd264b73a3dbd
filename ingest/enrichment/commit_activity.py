"""Stores commit activity: commits per day of the last year."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from ingest.enrichment.day_counts import write_days
from ingest.github.api.fact_types import CommitWeek, daily_counts


def store(
    connection: Connection, repository_id: int, weeks: Sequence[CommitWeek], at: datetime
) -> tuple[int, date | None]:
    """Store the commits of each day up to *at*; returns the rows written and the first reported day."""
    counts = daily_counts(weeks, at.date())
    return write_days(connection, "commit_day", repository_id, counts, at), min(counts, default=None)
