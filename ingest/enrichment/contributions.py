"""Spans of a user's contribution calendar to fetch: the last year every time, each earlier year once."""

from datetime import UTC, date, timedelta

from core.as_of import EARLIEST
from ingest.enrichment.due import Target

YEAR_SPAN = timedelta(days=364)
DAY = timedelta(days=1)
MAX_SPANS_PER_QUERY = 4


def first_possible_day(target: Target) -> date:
    """Return the first day on which the user could have contributed."""
    return max(EARLIEST, target.created_at or EARLIEST).astimezone(UTC).date()


def spans_to_fetch(target: Target) -> list[tuple[date, date]]:
    """Return the last year, and before the first stored day as many years as fit into one query; none overlap."""
    today = target.requested_at.date()
    spans = [(today - YEAR_SPAN, today)]
    last = min(spans[0][0], target.first_day or today) - DAY
    while len(spans) < MAX_SPANS_PER_QUERY and last >= first_possible_day(target):
        spans.append((last - YEAR_SPAN, last))
        last -= YEAR_SPAN + DAY
    return spans
