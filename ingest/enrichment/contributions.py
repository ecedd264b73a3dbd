"""Pure: which years of a user's contribution calendar to ask for. The last year each time, the years before once."""

from datetime import UTC, date, timedelta

from ingest.enrichment.due import Target

# GitHub has no contributions from before there was GitHub.
GITHUB_FIRST_DAY = date(2008, 1, 1)
YEAR_SPAN = timedelta(days=364)
DAY = timedelta(days=1)
MAX_SPANS_PER_QUERY = 4


def first_possible_day(target: Target) -> date:
    """The first day on which there could be a contribution."""
    return max(GITHUB_FIRST_DAY, target.created_at.astimezone(UTC).date()) if target.created_at else GITHUB_FIRST_DAY


def spans_to_fetch(target: Target) -> list[tuple[date, date]]:
    """The last year, and so many years before those that are held as one query may take; none overlap."""
    today = target.asked_at.date()
    found = [(today - YEAR_SPAN, today)]
    last = min(found[0][0], target.first_day or today) - DAY
    while len(found) < MAX_SPANS_PER_QUERY and last >= first_possible_day(target):
        found.append((last - YEAR_SPAN, last))
        last -= YEAR_SPAN + DAY
    return found
