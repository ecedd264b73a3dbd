"""Facts of a repository: contributors, releases, commits, traffic. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ingest.sandbox.rest.bodies import SITE_URL
from ingest.sandbox.world.clock import iso_timestamp
from ingest.sandbox.world.growth_curves import DAY
from ingest.sandbox.world.repositories import Repository
from ingest.sandbox.world.seeded_random import hash_fraction, random_generator
from ingest.sandbox.world.vocabulary import FAMILY_NAMES, GIVEN_NAMES

Body = dict[str, Any]
ACTIVITY_WEEKS = 52
TRAFFIC_DAYS = 14
MAX_CONTRIBUTORS = 500
PUSHES_PER_RELEASE = 8


def contributors(repository: Repository, timestamp: int) -> list[Body]:
    """Return contributors, most commits first; a few made most of them, and one in three is a bot."""
    if repository.empty:
        return []
    pushes = repository.work.push(timestamp)[0] + 1
    crowd = repository.star_curve.organic_count(repository.star_curve.last_change_at(timestamp))
    people = min(1 + int(crowd**0.5 / 2), pushes, MAX_CONTRIBUTORS)
    commits = [max(int(3 * pushes / (rank + 1) ** 1.4), 1) for rank in range(people)]
    rows = [_contributor(repository, rank, count) for rank, count in enumerate(commits)]
    if repository.id % 3 == 0 and pushes > 20:
        rows.append(_contributor_body(49_699_333, "dependabot[bot]", "Bot", pushes // 5 + 1))
    return sorted(rows, key=lambda one: -one["contributions"])


def _contributor(repository: Repository, rank: int, commits: int) -> Body:
    if rank == 0 and repository.owner.kind == "User":
        return _contributor_body(repository.owner.id, repository.owner.login, "User", commits)
    chance = random_generator(repository.id, "contributor", rank)
    login = f"{chance.choice(GIVEN_NAMES)}-{chance.choice(FAMILY_NAMES)}{chance.randrange(10_000)}".lower()
    return _contributor_body(20_000_000 + repository.id % 1_000_000 * 500 + rank, login, "User", commits)


def _contributor_body(number: int, login: str, kind: str, commits: int) -> Body:
    return {
        "login": login,
        "id": number,
        "type": kind,
        "site_admin": False,
        "html_url": f"{SITE_URL}/{login}",
        "contributions": commits,
    }


def releases(repository: Repository, timestamp: int) -> list[Body]:
    """Return releases, newest first; half of the repositories have some."""
    if repository.empty or repository.fork or hash_fraction(repository.id, 11) < 0.5:
        return []
    last = repository.work.push(timestamp)[0]
    slots = range(PUSHES_PER_RELEASE, last + 1, PUSHES_PER_RELEASE)
    return [
        _release(repository, timestamp, slot)
        for slot in reversed(slots)
        if repository.work.timestamp(slot) <= timestamp
    ]


def _release(repository: Repository, timestamp: int, slot: int) -> Body:
    number = slot // PUSHES_PER_RELEASE
    at = repository.work.timestamp(slot)
    tag = f"v{number // 10}.{number % 10}.0"
    popular = repository.stars_at(timestamp) * hash_fraction(repository.id, slot)
    downloads = int(popular * min((timestamp - at) / (30 * DAY), 10))
    return {
        "id": repository.id * 1000 + number,
        "tag_name": tag,
        "name": f"{repository.name} {tag}",
        "draft": False,
        "prerelease": number % 7 == 3,
        "created_at": iso_timestamp(at),
        "published_at": iso_timestamp(min(at + 3600, timestamp)),
        "html_url": f"{SITE_URL}/{repository.full_name}/releases/tag/{tag}",
        "assets": [{"id": repository.id * 1000 + number, "name": f"{tag}.tar.gz", "download_count": downloads}],
    }


def commit_activity(repository: Repository, timestamp: int) -> list[Body]:
    """Return commits by day of the last 52 weeks, oldest first."""
    today = datetime.fromtimestamp(timestamp, UTC).date()
    this_week = today - timedelta(days=today.isoweekday() % 7)
    sundays = [this_week - timedelta(weeks=back) for back in range(ACTIVITY_WEEKS - 1, -1, -1)]
    counted = _commits_by_day(repository, _midnight(sundays[0]), timestamp)
    return [_commit_week(sunday, counted) for sunday in sundays]


def _commit_week(sunday: date, counted: dict[date, int]) -> Body:
    days = [counted.get(sunday + timedelta(days=offset), 0) for offset in range(7)]
    return {"week": _midnight(sunday), "total": sum(days), "days": days}


def _commits_by_day(repository: Repository, since: int, until: int) -> dict[date, int]:
    counted: dict[date, int] = {}
    pushed: int | None = since if not repository.empty else None
    while pushed is not None and (pushed := repository.work.next(pushed)) is not None and pushed <= until:
        day = datetime.fromtimestamp(pushed, UTC).date()
        counted[day] = counted.get(day, 0) + 1 + int(4 * hash_fraction(repository.id, pushed))
    for pushed_at in repository.pushes:
        if since <= pushed_at <= until:
            day = datetime.fromtimestamp(pushed_at, UTC).date()
            counted[day] = counted.get(day, 0) + 1
    return counted


def traffic(repository: Repository, timestamp: int, what: str) -> Body:
    """Return `views` or `clones` of the last two weeks; days without any are omitted."""
    today = datetime.fromtimestamp(timestamp, UTC).date()
    days = [today - timedelta(days=back) for back in range(TRAFFIC_DAYS, -1, -1)]
    stars = repository.stars_at(timestamp)
    rows = []
    for day in days:
        count = int((1 + stars) ** 0.6 * hash_fraction(repository.id + len(what), day.toordinal()))
        if count:
            rows.append({"timestamp": iso_timestamp(_midnight(day)), "count": count, "uniques": 1 + count // 3})
    return {"count": sum(one["count"] for one in rows), "uniques": sum(one["uniques"] for one in rows), what: rows}


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
