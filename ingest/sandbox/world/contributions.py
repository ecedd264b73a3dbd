"""A user's contributions by day, as the profile's calendar shows them. Pure."""

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from ingest.sandbox.graphql.selections import FieldRefused, GraphObject
from ingest.sandbox.world.accounts import Account
from ingest.sandbox.world.clock import iso_timestamp
from ingest.sandbox.world.seeded_random import hash_fraction

MAX_SPAN = timedelta(days=366)
SPAN_TOO_LONG = "The total time spanned by 'from' and 'to' must not exceed 1 year"


def contributions_on(account: Account, day: date) -> int:
    """Count contributions: none before the account existed, few at weekends."""
    born = datetime.fromtimestamp(account.created_at, UTC).date()
    chance = hash_fraction(account.id, day.toordinal())
    quiet = 0.85 if day.isoweekday() > 5 else 0.45
    return 0 if day < born or chance < quiet else 1 + int((chance - quiet) * 20)


def contributions_collection(account: Account, values: dict[str, Any], timestamp: int) -> GraphObject:
    """Return the days from `from` to `to`, a year at most; future days have none."""
    now = datetime.fromtimestamp(timestamp, UTC)
    until = _parse_time(values.get("to")) or now
    since = _parse_time(values.get("from")) or until - timedelta(days=365)
    if until - since > MAX_SPAN:
        raise FieldRefused("VALIDATION", SPAN_TOO_LONG)
    days = [since.date() + timedelta(days=offset) for offset in range((until.date() - since.date()).days + 1)]
    counted = [(day, contributions_on(account, day) if day <= now.date() else 0) for day in days]
    row = {
        "__typename": "ContributionsCollection",
        "startedAt": iso_timestamp(int(since.timestamp())),
        "endedAt": iso_timestamp(int(until.timestamp())),
        "hasAnyRestrictedContributions": False,
        "restrictedContributionsCount": 0,
    }
    return GraphObject("ContributionsCollection", row, counted)


def contribution_calendar(counted: list[tuple[date, int]]) -> GraphObject:
    row = {
        "__typename": "ContributionCalendar",
        "isHalloween": False,
        "totalContributions": sum(count for _, count in counted),
    }
    return GraphObject("ContributionCalendar", row, counted)


def contribution_weeks(counted: list[tuple[date, int]]) -> list[GraphObject]:
    """Group days from Sunday to Saturday; the first and the last week may be short."""
    grouped = groupby(counted, key=lambda item: item[0] - timedelta(days=item[0].isoweekday() % 7))
    weeks = [list(items) for _, items in grouped]
    name = "ContributionCalendarWeek"
    return [GraphObject(name, {"__typename": name, "firstDay": str(items[0][0])}, items) for items in weeks]


def contribution_days(items: list[tuple[date, int]]) -> list[GraphObject]:
    name = "ContributionCalendarDay"
    return [
        GraphObject(
            name,
            {
                "__typename": name,
                "date": str(day),
                "contributionCount": count,
                "weekday": day.isoweekday() % 7,
            },
        )
        for day, count in items
    ]


def _parse_time(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)).astimezone(UTC) if text else None
