"""How each kind is asked for and stored. Storing happens in one transaction with what is noted of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from ingest.enrichment import commit_activity, contributions, contributors, releases, star_history, traffic
from ingest.enrichment.day_readings import write_days
from ingest.enrichment.due import Target
from ingest.github.api.facts import Facts, Reading, Subject
from ingest.github.http.rate_gate import Stop


@dataclass(frozen=True)
class Stored:
    """What storing did: rows written, since when days are known, whether there is more to ask at once."""

    rows: int
    first_day: date | None = None
    goes_on: bool = False


Ask = Callable[[Facts, Target, Subject, Stop | None], Reading[Any]]
Store = Callable[[Connection, Target, Reading[Any], datetime | None], Stored]


@dataclass(frozen=True)
class Way:
    """*store* gets the moment of the last reading, too."""

    ask: Ask
    store: Store


def _stars(connection: Connection, target: Target, reading: Reading[Any], before: datetime | None) -> Stored:
    at, more = reading.captured_at, reading.has_more
    return Stored(
        star_history.store_first_page(connection, target.id, reading.value, at, has_more=more, read_before=before)
    )


def _star_walk(connection: Connection, target: Target, reading: Reading[Any], _before: datetime | None) -> Stored:
    at, more = reading.captured_at, reading.has_more
    page = target.next_page or 1
    rows = star_history.store_walked_page(connection, target.id, page, reading.value, at, has_more=more)
    return Stored(rows, goes_on=more)


def _contributors(connection: Connection, target: Target, reading: Reading[Any], _before: datetime | None) -> Stored:
    at, is_whole = reading.captured_at, not reading.has_more
    return Stored(contributors.store(connection, target.id, reading.value, at, is_whole=is_whole))


def _releases(connection: Connection, target: Target, reading: Reading[Any], _before: datetime | None) -> Stored:
    at, is_whole = reading.captured_at, not reading.has_more
    return Stored(releases.store(connection, target.id, reading.value, at, is_whole=is_whole))


def _commits(connection: Connection, target: Target, reading: Reading[Any], _before: datetime | None) -> Stored:
    rows, first = commit_activity.store(connection, target.id, reading.value, reading.captured_at)
    return Stored(rows, first)


def _contributions(connection: Connection, target: Target, reading: Reading[Any], _before: datetime | None) -> Stored:
    rows = write_days(connection, "contribution_day", target.id, reading.value, reading.captured_at)
    first = min(reading.value, default=reading.captured_at.date())
    has_progressed = target.first_day is None or first < target.first_day
    return Stored(rows, first, goes_on=has_progressed and first > contributions.beginning(target))


def _traffic(connection: Connection, target: Target, reading: Reading[Any], _before: datetime | None) -> Stored:
    rows = traffic.store(connection, target.id, reading.value, reading.captured_at)
    return Stored(rows, min((one.day for one in reading.value), default=None))


WAYS: dict[str, Way] = {
    "stars": Way(lambda facts, _target, subject, stop: facts.star_weeks(subject, stop=stop), _stars),
    "star_walk": Way(
        lambda facts, target, subject, stop: facts.star_weeks(subject, target.next_page or 1, stop=stop), _star_walk
    ),
    "contributors": Way(lambda facts, _target, subject, stop: facts.contributors(subject, stop=stop), _contributors),
    "releases": Way(lambda facts, _target, subject, stop: facts.releases(subject, stop=stop), _releases),
    "commit_activity": Way(lambda facts, _target, subject, stop: facts.commit_weeks(subject, stop=stop), _commits),
    "contributions": Way(
        lambda facts, target, subject, stop: facts.contributions(subject, contributions.spans(target), stop=stop),
        _contributions,
    ),
    "traffic": Way(lambda facts, _target, subject, stop: facts.traffic(subject, stop=stop), _traffic),
}
