"""How each kind is asked for and stored. Storing happens in one transaction with what is noted of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from ingest.enrichment import commit_activity, contributions, contributors, releases, star_history, traffic
from ingest.enrichment.day_readings import write_days
from ingest.enrichment.due import Target
from ingest.github.api.facts import Facts, FactSubject, FetchedFact
from ingest.github.http.rate_gate import StopSignal


@dataclass(frozen=True)
class StoreResult:
    """What storing did: rows written, since when days are known, whether there is more to ask at once."""

    rows: int
    first_day: date | None = None
    has_more: bool = False


FetchFact = Callable[[Facts, Target, FactSubject, StopSignal | None], FetchedFact[Any]]
StoreFact = Callable[[Connection, Target, FetchedFact[Any], datetime | None], StoreResult]


@dataclass(frozen=True)
class FactHandler:
    """*store* gets the moment of the last reading, too."""

    ask: FetchFact
    store: StoreFact


def _store_stars(
    connection: Connection, target: Target, reading: FetchedFact[Any], before: datetime | None
) -> StoreResult:
    at, more = reading.captured_at, reading.has_more
    return StoreResult(
        star_history.store_first_page(connection, target.id, reading.value, at, has_more=more, read_before=before)
    )


def _store_older_stars(
    connection: Connection, target: Target, reading: FetchedFact[Any], _before: datetime | None
) -> StoreResult:
    at, more = reading.captured_at, reading.has_more
    page = target.next_page or 1
    rows = star_history.store_older_page(connection, target.id, page, reading.value, at, has_more=more)
    return StoreResult(rows, has_more=more)


def _store_contributors(
    connection: Connection, target: Target, reading: FetchedFact[Any], _before: datetime | None
) -> StoreResult:
    at, is_complete = reading.captured_at, not reading.has_more
    return StoreResult(contributors.store(connection, target.id, reading.value, at, is_complete=is_complete))


def _store_releases(
    connection: Connection, target: Target, reading: FetchedFact[Any], _before: datetime | None
) -> StoreResult:
    at, is_complete = reading.captured_at, not reading.has_more
    return StoreResult(releases.store(connection, target.id, reading.value, at, is_complete=is_complete))


def _store_commits(
    connection: Connection, target: Target, reading: FetchedFact[Any], _before: datetime | None
) -> StoreResult:
    rows, first = commit_activity.store(connection, target.id, reading.value, reading.captured_at)
    return StoreResult(rows, first)


def _store_contributions(
    connection: Connection, target: Target, reading: FetchedFact[Any], _before: datetime | None
) -> StoreResult:
    rows = write_days(connection, "contribution_day", target.id, reading.value, reading.captured_at)
    first = min(reading.value, default=reading.captured_at.date())
    has_progressed = target.first_day is None or first < target.first_day
    return StoreResult(rows, first, has_more=has_progressed and first > contributions.first_possible_day(target))


def _store_traffic(
    connection: Connection, target: Target, reading: FetchedFact[Any], _before: datetime | None
) -> StoreResult:
    rows = traffic.store(connection, target.id, reading.value, reading.captured_at)
    return StoreResult(rows, min((one.day for one in reading.value), default=None))


FACT_HANDLERS: dict[str, FactHandler] = {
    "star_history": FactHandler(
        lambda facts, _target, subject, stop: facts.star_weeks(subject, stop=stop), _store_stars
    ),
    "star_backfill": FactHandler(
        lambda facts, target, subject, stop: facts.star_weeks(subject, target.next_page or 1, stop=stop),
        _store_older_stars,
    ),
    "contributors": FactHandler(
        lambda facts, _target, subject, stop: facts.contributors(subject, stop=stop), _store_contributors
    ),
    "releases": FactHandler(lambda facts, _target, subject, stop: facts.releases(subject, stop=stop), _store_releases),
    "commit_activity": FactHandler(
        lambda facts, _target, subject, stop: facts.commit_weeks(subject, stop=stop), _store_commits
    ),
    "contributions": FactHandler(
        lambda facts, target, subject, stop: facts.contributions(
            subject, contributions.spans_to_fetch(target), stop=stop
        ),
        _store_contributions,
    ),
    "traffic": FactHandler(lambda facts, _target, subject, stop: facts.traffic(subject, stop=stop), _store_traffic),
}
