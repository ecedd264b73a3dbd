"""How each kind of fact is fetched and stored. A fact and its state are stored in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from ingest.enrichment import (
    account_counts,
    commit_activity,
    contributions,
    contributors,
    extras,
    fork_languages,
    releases,
    star_history,
    traffic,
)
from ingest.enrichment.day_counts import write_days
from ingest.enrichment.due import Target
from ingest.github.api.facts import Facts, FactSubject, FetchedFact
from ingest.github.http.rate_gate import StopSignal


@dataclass(frozen=True)
class StoreResult:
    """Rows written, the first stored day, and whether there are more pages to fetch at once."""

    rows: int
    first_day: date | None = None
    has_more: bool = False


FetchFact = Callable[[Facts, Target, FactSubject, StopSignal | None], FetchedFact[Any]]
StoreFact = Callable[[Connection, Target, FetchedFact[Any], datetime | None], StoreResult]


@dataclass(frozen=True)
class FactHandler:
    """`store` also gets when the stored fact was captured."""

    fetch: FetchFact
    store: StoreFact


@dataclass(frozen=True)
class BatchHandler:
    """A kind that is fetched for many subjects by one request; `store` returns rows written."""

    fetch: Callable[[Facts, Sequence[FactSubject], StopSignal | None], FetchedFact[list[Any]]]
    store: Callable[[Connection, int, Any, datetime], int]


def _store_stars(
    connection: Connection, target: Target, fact: FetchedFact[Any], stored_at: datetime | None
) -> StoreResult:
    at, has_more = fact.captured_at, fact.has_more
    return StoreResult(
        star_history.store_first_page(connection, target.id, fact.value, at, has_more=has_more, stored_at=stored_at)
    )


def _store_older_stars(
    connection: Connection, target: Target, fact: FetchedFact[Any], _stored_at: datetime | None
) -> StoreResult:
    at, has_more = fact.captured_at, fact.has_more
    page = target.next_page or 1
    rows = star_history.store_older_page(connection, target.id, page, fact.value, at, has_more=has_more)
    return StoreResult(rows, has_more=has_more)


def _store_contributors(
    connection: Connection, target: Target, fact: FetchedFact[Any], _stored_at: datetime | None
) -> StoreResult:
    at, is_complete = fact.captured_at, not fact.has_more
    return StoreResult(contributors.store(connection, target.id, fact.value, at, is_complete=is_complete))


def _store_releases(
    connection: Connection, target: Target, fact: FetchedFact[Any], _stored_at: datetime | None
) -> StoreResult:
    at, is_complete = fact.captured_at, not fact.has_more
    return StoreResult(releases.store(connection, target.id, fact.value, at, is_complete=is_complete))


def _store_commits(
    connection: Connection, target: Target, fact: FetchedFact[Any], _stored_at: datetime | None
) -> StoreResult:
    rows, first = commit_activity.store(connection, target.id, fact.value, fact.captured_at)
    return StoreResult(rows, first)


def _store_contributions(
    connection: Connection, target: Target, fact: FetchedFact[Any], _stored_at: datetime | None
) -> StoreResult:
    rows = write_days(connection, "contribution_day", target.id, fact.value, fact.captured_at)
    first = min(fact.value, default=fact.captured_at.date())
    has_progressed = target.first_day is None or first < target.first_day
    return StoreResult(rows, first, has_more=has_progressed and first > contributions.first_possible_day(target))


def _store_traffic(
    connection: Connection, target: Target, fact: FetchedFact[Any], _stored_at: datetime | None
) -> StoreResult:
    rows = traffic.store(connection, target.id, fact.value, fact.captured_at)
    return StoreResult(rows, min((one.day for one in fact.value), default=None))


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

BATCH_HANDLERS: dict[str, BatchHandler] = {
    "extras": BatchHandler(lambda facts, subjects, stop: facts.extras(subjects, stop=stop), extras.store),
    "account_counts": BatchHandler(
        lambda facts, subjects, stop: facts.rare_counts(subjects, stop=stop), account_counts.store
    ),
    "fork_languages": BatchHandler(
        lambda facts, subjects, stop: facts.languages(subjects, stop=stop), fork_languages.store
    ),
}
