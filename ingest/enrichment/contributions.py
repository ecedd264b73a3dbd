"""Pure: which years of a user's contribution calendar to ask for. The last year each time, the years before once."""

from datetime import UTC, date, timedelta

from ingest.enrichment.due import Target

# GitHub has no contributions from before there was GitHub.
FIRST_DAY = date(2008, 1, 1)
YEAR = timedelta(days=364)
DAY = timedelta(days=1)
SPANS_AT_ONCE = 4


def beginning(target: Target) -> date:
    """The first day on which there could be a contribution."""
    return max(FIRST_DAY, target.created_at.astimezone(UTC).date()) if target.created_at else FIRST_DAY


def spans(target: Target) -> list[tuple[date, date]]:
    """The last year, and so many years before those that are held as one query may take; none overlap."""
    today = target.asked_at.date()
    found = [(today - YEAR, today)]
    last = min(found[0][0], target.first_day or today) - DAY
    while len(found) < SPANS_AT_ONCE and last >= beginning(target):
        found.append((last - YEAR, last))
        last -= YEAR + DAY
    return found
