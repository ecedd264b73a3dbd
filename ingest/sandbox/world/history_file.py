"""Past years of the sandbox GitHub as a history file, so that a first start has charts."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from io import TextIOWrapper
from pathlib import Path

from ingest.sandbox.world.population import World
from ingest.sandbox.world.repositories import Repository

COLUMNS = ("captured_on", "full_name", "stars", "forks", "open_issues", "language")
Row = tuple[str, str, int, int, int, str]


def write_history(world: World, path: Path, *, years: int = 4) -> int:
    """Write one row a repository and Monday of the past *years* as CSV.gz; return how many rows.

    open_issues are issues alone, without change requests; the language is today's. Hidden repositories have
    no history.
    """
    mondays = _mondays(world.now(), years)
    count = 0
    with gzip.open(path, "wb", compresslevel=3) as packed, TextIOWrapper(packed, "utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for repository in world.repositories.values():
            if world.shows(repository):
                rows = list(_rows(repository, mondays, repository.counts(world.now()).language or ""))
                writer.writerows(rows)
                count += len(rows)
    return count


def _rows(repository: Repository, mondays: list[tuple[str, int]], language: str) -> Iterator[Row]:
    full_name = repository.full_name
    for day, timestamp in mondays:
        if timestamp > repository.created_at:
            yield day, full_name, *repository.star_fork_issue_counts(timestamp), language


def _mondays(now: int, years: int) -> list[tuple[str, int]]:
    """Return the Mondays up to *now* with their start times, oldest first."""
    today = datetime.fromtimestamp(now, UTC).date()
    last = today - timedelta(days=today.weekday())
    days = [last - timedelta(weeks=back) for back in range(52 * years, -1, -1)]
    return [(str(day), int(datetime.combine(day, time(), UTC).timestamp())) for day in days]
