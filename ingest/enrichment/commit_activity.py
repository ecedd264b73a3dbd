"""Commit activity: the last year's days, kept where a reading differs."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from ingest.enrichment.day_readings import write_days
from ingest.github.api.fact_types import CommitWeek, daily_counts


def store(
    connection: Connection, repository_id: int, weeks: Sequence[CommitWeek], at: datetime
) -> tuple[int, date | None]:
    """Store the commits of each day that has begun; returns how many rows, and the first day told."""
    told = daily_counts(weeks, at.date())
    return write_days(connection, "commit_day", repository_id, told, at), min(told, default=None)
