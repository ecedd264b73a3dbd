"""Star history, contributors, releases, commit activity and traffic as typed models. No I/O.

Parsing a body of an unexpected structure raises one of `PARSE_ERRORS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.github.api.models import TIMESTAMP_ADAPTER, clean_text, clean_text_or_none

PACIFIC = ZoneInfo("America/Los_Angeles")
DAYS_PER_WEEK = 7


@dataclass(frozen=True)
class StarWeek:
    """Surviving stars given on each of the seven days from Sunday, by Pacific time."""

    sunday: date
    days: tuple[int, ...]


@dataclass(frozen=True)
class CommitWeek:
    """Commits on each of the seven days from Sunday (UTC), without merges."""

    sunday: date
    days: tuple[int, ...]


@dataclass(frozen=True)
class Contributor:
    """A contributor. `commits` exclude merges and empty commits."""

    github_id: int
    login: str
    kind: str
    commits: int

    @property
    def is_bot(self) -> bool:
        return self.kind == "Bot" or self.login.endswith("[bot]")


@dataclass(frozen=True)
class Release:
    github_id: int
    tag: str
    name: str | None
    is_prerelease: bool
    created_at: datetime
    published_at: datetime | None
    downloads: int
    """The sum over its assets; GitHub does not count downloads of source archives."""


@dataclass(frozen=True)
class TrafficDay:
    day: date
    views: int | None = None
    unique_views: int | None = None
    clones: int | None = None
    unique_clones: int | None = None


def parse_star_weeks(body: Any) -> list[StarWeek]:
    return [StarWeek(*_parse_week(row)) for row in _as_list(body)]


def parse_commit_weeks(body: Any) -> list[CommitWeek]:
    return [CommitWeek(*_parse_week(row)) for row in _as_list(body)]


def parse_contributors(body: Any) -> list[Contributor]:
    """Parse contributors, without those that have no account."""
    return [
        Contributor(
            int(row["id"]), str(clean_text(row["login"])), str(row.get("type") or "User"), int(row["contributions"])
        )
        for row in _as_list(body)
        if row.get("id") is not None
    ]


def parse_releases(body: Any) -> list[Release]:
    return [_parse_release(row) for row in _as_list(body) if not row.get("draft")]


def parse_traffic(body: Any, what: str) -> list[TrafficDay]:
    """Parse `views` or `clones`, which *what* names."""
    days = [
        (_parse_timestamp(row["timestamp"]), int(row["count"]), int(row["uniques"])) for row in _as_list(body[what])
    ]
    return [
        TrafficDay(at.date(), views=count, unique_views=unique)
        if what == "views"
        else TrafficDay(at.date(), clones=count, unique_clones=unique)
        for at, count, unique in days
    ]


def merge_traffic(views: Sequence[TrafficDay], clones: Sequence[TrafficDay]) -> list[TrafficDay]:
    """Merge views and clones by day, oldest first."""
    days = {one.day: one for one in views}
    for one in clones:
        day = days.get(one.day, TrafficDay(one.day))
        days[one.day] = replace(day, clones=one.clones, unique_clones=one.unique_clones)
    return [days[day] for day in sorted(days)]


def daily_counts(weeks: Sequence[StarWeek | CommitWeek], today: date) -> dict[date, int]:
    """Return counts by day, without days after *today*, which GitHub reports as zero."""
    spread = {week.sunday + timedelta(days=i): count for week in weeks for i, count in enumerate(week.days)}
    return {day: count for day, count in spread.items() if day <= today}


def contributor_absence_factor(commits: Sequence[int]) -> int:
    """Return the smallest number of people who made half of the commits.

    Source: https://chaoss.community/kb/metric-contributor-absence-factor/
    """
    total, cumulative = sum(commits), 0
    for number, own in enumerate(sorted(commits, reverse=True), start=1):
        cumulative += own
        if own and cumulative * 2 >= total:
            return number
    return 0


def pacific_day(at: datetime) -> date:
    return at.astimezone(PACIFIC).date()


def _parse_week(row: dict[str, Any]) -> tuple[date, tuple[int, ...]]:
    days = tuple(int(count) for count in row["days"])
    if len(days) != DAYS_PER_WEEK or min(days) < 0:
        raise ValueError("a week needs seven counts of zero or more")
    try:
        return datetime.fromtimestamp(int(row["week"]), UTC).date(), days
    except (OverflowError, OSError) as error:
        raise ValueError("a week starts outside the calendar") from error


def _parse_release(row: dict[str, Any]) -> Release:
    published = row.get("published_at")
    return Release(
        github_id=int(row["id"]),
        tag=str(clean_text(row["tag_name"])),
        name=clean_text_or_none(row.get("name")),  # type: ignore[arg-type]  # a str or None
        is_prerelease=bool(row.get("prerelease")),
        created_at=_parse_timestamp(row["created_at"]),
        published_at=_parse_timestamp(published) if published else None,
        downloads=sum(int(asset.get("download_count") or 0) for asset in row.get("assets") or ()),
    )


def _parse_timestamp(value: object) -> datetime:
    return TIMESTAMP_ADAPTER.validate_python(value).astimezone(UTC)


def _as_list(body: Any) -> list[dict[str, Any]]:
    # Statistics of a repository without commits are {} instead of [].
    if not isinstance(body, list) and body != {}:
        raise TypeError("not a list")
    return list(body)
