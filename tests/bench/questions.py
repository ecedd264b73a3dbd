"""Time the questions of readers, each through the product's own functions: `python -P questions.py END [PART]`.

PART is a part of a question's name. Prints JSON: per question the median in milliseconds, a digest of the rows, which
two versions can be compared by, and the median processor time of this process and of Postgres in milliseconds, which
says more on a machine that others use too. Each query has one backend to itself: without parallel workers.
Like `big_database` it imports nothing of `tests`; DATABASE_URL names the database.
"""

import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pandas import DataFrame
from sqlalchemy import text

from core.db import frames
from core.db.engine import dispose_engines, transaction
from core.db.frames import pin_version
from core.queries import (
    account_repositories,
    accounts,
    coverage,
    globe,
    language_use,
    languages,
    milestones,
    movers,
    overview,
    peers,
    repository_detail,
    repository_list,
    scene,
    star_history,
)

MAX_RUNS, MAX_SECONDS = 7, 20.0
LARGEST, SMALL = 1, 40
"""Our ids of the account with most repositories, and of one with few."""


def questions(end: datetime) -> Mapping[str, Callable[[], Any]]:
    then = end - timedelta(days=365)
    some = repository_list.Filters(languages=("Python", "Go"), min_stars=100, hidden=frozenset({"forks"}))
    past = repository_list.Filters(languages=("Python", "Go"), min_stars=100, hidden=frozenset({"forks"}), as_of=then)
    everything = repository_list.Filters(as_of=then)
    found = repository_list.matching_repositories(repository_list.Filters()).head(10)
    top = [str(name).split("/", 1) for name in found["full_name"]]
    series = [repository_detail.find(owner, name, None) for owner, name in top]
    ids = [one.repository_id for one in series if one]
    return {
        "explorer, three filters, as of": lambda: repository_list.matching_repositories(past),
        "explorer's first page, three filters, now": lambda: repository_list.matching_page(some, "stars", 0, 250),
        "explorer's first page, three filters, as of": lambda: repository_list.matching_page(past, "stars", 0, 250),
        "explorer's first page, as of": lambda: repository_list.matching_page(everything, "stars", 0, 250),
        "everything as of": lambda: repository_list.matching_repositories(everything),
        "scene, 60 owners, as of": lambda: scene.city_repositories(scene.CityFilters(as_of=then)),
        "movers 30 days, as of": lambda: movers.movers(then, 30, limit=100),
        "movers 14 days, now": lambda: movers.movers(None, 14, limit=100),
        "movers 14 days, as of": lambda: movers.movers(then, 14, limit=100),
        "stars distribution, as of": lambda: repository_list.star_distribution(everything),
        "globe, as of": lambda: globe.account_locations(then),
        "coverage calendar, half a year": lambda: coverage.daily_coverage(end, 182),
        "movers 30 days, top 100, now": lambda: movers.movers(None, 30, limit=100),
        "account list for the chooser": accounts.suggestions,
        "repository list for the chooser": repository_detail.suggestions,
        "overview's totals": overview.stored_totals,
        "languages, ranking, now": lambda: languages.ranking("GitHub", None),
        "languages, ranking, as of": lambda: languages.ranking("GitHub", then),
        "languages by month": lambda: languages.language_trend("GitHub", None),
        "language sources": lambda: languages.rollup_sources(None),
        "scene, 60 owners, now": lambda: scene.city_repositories(scene.CityFilters()),
        "globe, now": lambda: globe.account_locations(None),
        "explorer, three filters, now": lambda: repository_list.matching_repositories(some),
        "everything now": lambda: repository_list.matching_repositories(repository_list.Filters()),
        "stars distribution, now": lambda: repository_list.star_distribution(repository_list.Filters()),
        "a loosened filter's counts, now": lambda: repository_list.counts_without_each_filter(some),
        "a loosened filter's counts, as of": lambda: repository_list.counts_without_each_filter(past),
        "count of all, as of": lambda: repository_list.count_repositories(then),
        "account table, largest, now": lambda: account_repositories.list_repositories(LARGEST, None),
        "account table, largest, as of": lambda: account_repositories.list_repositories(LARGEST, then),
        "account by API, largest, as of": lambda: repository_detail.by_account(LARGEST, then),
        "account by API, small, as of": lambda: repository_detail.by_account(SMALL, then),
        "account by API, largest, now": lambda: repository_detail.by_account(LARGEST, None),
        "one repository by name, now": lambda: repository_detail.by_name(*top[0], None),
        "one repository by name, as of": lambda: repository_detail.by_name(*top[0], then),
        "account's history, largest": lambda: accounts.history(LARGEST, None),
        "account's coverage intervals, largest": lambda: accounts.coverage_intervals(LARGEST, None),
        "languages of the largest account, as of": lambda: languages.account_languages(LARGEST, then),
        "rank of the largest account, as of": lambda: peers.account_ranks([LARGEST], then),
        "peers of the largest account, as of": lambda: peers.nearest_accounts(LARGEST, then),
        "leading accounts by language, as of": lambda: language_use.leading_users(then),
        "repositories of a language, as of": lambda: language_use.repositories("Go", then),
        "milestones ahead, as of": lambda: milestones.ahead(then),
        "ten series, whole history": lambda: [star_history.star_series(id_, None) for id_ in ids],
    }


def measure(ask: Callable[[], Any]) -> tuple[float, str, float]:
    """Return the median milliseconds of asking, uncached, a digest of the answer and the milliseconds of processors."""
    times: list[float] = []
    processor_times: list[float] = []
    answer = None
    while len(times) <= MAX_RUNS and sum(times) < MAX_SECONDS:
        for cache in vars(frames).values():
            if isinstance(cache, frames.FrameCache):
                cache.clear()
        started, used = time.perf_counter(), processor_seconds()
        answer = ask()
        times.append(time.perf_counter() - started)
        processor_times.append(processor_seconds() - used)
    times, processor_times = times[1:] or times, processor_times[1:] or processor_times  # the first one warms caches
    digest = hashlib.sha256(described(answer).encode()).hexdigest()[:12]
    return statistics.median(times) * 1000, digest, statistics.median(processor_times) * 1000


def processor_seconds() -> float:
    """Return the processor time of this process and of the backends of its database, which are on this machine."""
    with transaction() as connection:
        pids = connection.scalars(
            text("SELECT pid FROM pg_stat_activity"
                 " WHERE datname = current_database() AND backend_type = 'client backend'")
        ).all()  # fmt: skip
    used = time.process_time()
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def described(answer: Any) -> str:
    """Write an answer as text: rows in any order, floats rounded."""
    if isinstance(answer, DataFrame):
        return "\n".join(sorted(answer.to_csv(index=False, float_format="%.9g").splitlines()))
    if is_dataclass(answer):
        return "\n".join(described(getattr(answer, field.name)) for field in fields(answer))
    return "\n".join(map(described, answer)) if isinstance(answer, list) else repr(answer)


def main(end: datetime, wanted: str) -> None:
    with transaction() as connection:
        connection.execute(
            text("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET max_parallel_workers_per_gather = 0',"
                 " current_database()); END $$")
        )  # fmt: skip
    dispose_engines()
    pin_version(1)
    answers = {}
    for name, ask in questions(end).items():
        if wanted in name:
            try:
                answers[name] = measure(ask)
            except Exception as error:  # an older version may not be able to answer
                print(name, error, file=sys.stderr)  # noqa: T201
                continue
            print(name, answers[name], file=sys.stderr)  # noqa: T201
    print(json.dumps(answers))  # noqa: T201


if __name__ == "__main__":
    main(datetime.fromisoformat(sys.argv[1]), "".join(sys.argv[2:3]))
