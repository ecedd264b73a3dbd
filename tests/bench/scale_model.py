"""What so many accounts need, computed from unit costs and compared with what was measured: the tables of SCALE.md.

`python -m tests.bench scale_model` compares: a sweep over 5,000 accounts, and a year of planning for a million
(ACCOUNTS=… plans for fewer). `python -m tests.bench.scale_model` prints the tables.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from math import ceil, exp, log2

import numpy as np
from numpy.typing import NDArray

from core.budget import cost_model
from core.budget.cost_model import (
    CONCURRENT_QUERIES,
    CONNECTIONS_PER_POINT,
    DEFAULT_SECONDS_PER_REQUEST,
    INTERACTIVE_RESERVE,
    AccountCostInputs,
)
from core.queue.jobs import BATCH_SIZE, AccountToQueue, pack_into_jobs
from ingest.planning.change_rate import DAY, LOG_RATE_VARIANCE_PER_DAY
from ingest.planning.enqueue import MAX_DUE_ACCOUNTS, MAX_QUERIES_PER_JOB
from ingest.planning.refresh_plan import PLANNED_SHARE, AccountColumns, PlanInputs, plan_refreshes
from tests.bench import sweep
from tests.bench.measurement import Measurement

FloatArray = NDArray[np.float64]
SEED = 5
SAMPLE = 10_000
"""Accounts of which the model makes its means; any number of accounts is so many times them."""
SIZE_SPREAD = 1.6
"""Of the logarithm of an account's number of repositories: one in a hundred has forty times the median."""
DAY_SECONDS, YEAR_DAYS = 86_400, 365
SHARD_BYTES, NODE_BYTES = 20e9, 1e12
"""What a shard and a node are to hold after three years: a shard is moved in minutes, a node's backup takes hours."""
PLANNED_YEARS = 3
POINTS_PER_TOKEN = 5_000
LANGUAGES_SHARE = 1 - PLANNED_SHARE - INTERACTIVE_RESERVE
"""Of the points, what languages may take: the rest is the plan's and people's."""
RERUNS_PER_SECOND = 1 / 15
"""Of one reader who reads pages."""
WEB_MEMORY_MB = 1_500
ACCOUNTS_PER_JOB = MAX_QUERIES_PER_JOB * BATCH_SIZE
"""Where many are due at once."""
WITHIN = "within 20 % of the model's"
STEP_DAYS, PLAN_EVERY_DAYS = 1.0, 7
BUSY = 0.6
"""Share of a processor that may be used on average, so that hours with more work do not queue up."""


@dataclass(frozen=True)
class UnitCost:
    """One cost: its value, of what, and the part of the benchmarks that measures it again."""

    value: float
    unit: str
    what: str
    part: str


UNIT_COSTS = {
    "worker": UnitCost(0.015, "s", "processor time of leader and worker per refreshed account", "sweep"),
    "request": UnitCost(DEFAULT_SECONDS_PER_REQUEST[True], "s", "GitHub's response to a full query", "snapshot"),
    "plan": UnitCost(1.9, "s", "a plan per million accounts, read and written", "refresh_plan"),
    "plan_memory": UnitCost(225, "MB", "memory of the planner per million accounts", "refresh_plan"),
    "change": UnitCost(56, "bytes", "a change of a repository, most of them in closed months", "storage_cost"),
    "capture": UnitCost(14, "bytes", "a refresh of an account, on a past day, with keys", "storage_cost"),
    "repository": UnitCost(1_500, "bytes", "a repository: names, counts, languages, summary", "storage_cost"),
    "night": UnitCost(0.0003, "s", "a night's work per repository", "storage_cost"),
    "rerun": UnitCost(0.03, "s", "processor time of a warm rerun of a page of charts", "reruns"),
    "session": UnitCost(3, "MB", "an open page of charts (supposed; one without charts takes 0.3)", "reruns"),
}


@dataclass(frozen=True)
class Installation:
    """What is asked for.

    changed_share  of the repositories, those of which something stored changes in a day
    pushed_share   of the repositories, those that are pushed to in a day, whose languages are read
    """

    accounts: int
    repositories: int
    interval_days: float = 1.0
    changed_share: float = 0.03
    pushed_share: float = 0.01
    readers: int = 100


@dataclass(frozen=True)
class Needs:
    """What an installation needs; points are GraphQL's, rows and bytes those of a year."""

    points_per_day: float
    tokens: int
    changes_per_year: float
    captures_per_year: float
    bytes_per_year: float
    bytes_planned: float
    shards: int
    nodes: int
    workers: int
    web_processes: int
    plan_seconds: float
    night_hours: float


def account_sizes(accounts: int, repositories: int, seed: int = SEED) -> NDArray[np.int64]:
    """Return each account's number of repositories, so many in all, as uneven as a lognormal distribution."""
    weights = np.random.default_rng(seed).lognormal(0, SIZE_SPREAD, accounts)
    return np.round(weights / weights.sum() * repositories).astype(np.int64)


@lru_cache
def refresh_points(accounts: int, repositories: int) -> float:
    """Return the points of refreshing each account once, without languages, many in a query."""
    sample = min(accounts, SAMPLE)
    sizes = account_sizes(sample, round(repositories * sample / accounts)).tolist()
    jobs = [
        job
        for start in range(0, sample, MAX_DUE_ACCOUNTS)
        for job in pack_into_jobs(
            [AccountToQueue(i, repositories=sizes[i]) for i in range(start, min(start + MAX_DUE_ACCOUNTS, sample))],
            ACCOUNTS_PER_JOB,
        )
    ]
    return sum(job_points([sizes[i] for i in job]) for job in jobs) * accounts / sample


def job_points(sizes: Sequence[int]) -> int:
    """Return the points of one job over accounts with so many repositories."""
    inputs = [AccountCostInputs("", repositories=size, repositories_with_languages=size) for size in sizes]
    return cost_model.forecast_refresh(inputs, with_token=True).points


def interval_days(accounts: int, repositories: int, points_per_hour: float) -> float:
    """Return the mean interval that so many points buy; shorter than an hour nothing is refreshed."""
    usable = points_per_hour * 24 * PLANNED_SHARE
    return max(refresh_points(accounts, repositories) / usable, 1 / 24)


def changes_per_refresh(installation: Installation) -> float:
    """Return of how many repositories a refresh of all finds a change: several of one between two refreshes are one."""
    missed = exp(-installation.changed_share * installation.interval_days)
    return installation.repositories * (1 - missed)


def needs(installation: Installation) -> Needs:
    of = {name: cost.value for name, cost in UNIT_COSTS.items()}
    refreshes_per_day = installation.accounts / installation.interval_days
    pulse = refresh_points(installation.accounts, installation.repositories) / installation.interval_days
    languages = installation.repositories * installation.pushed_share / CONNECTIONS_PER_POINT
    changes = changes_per_refresh(installation) / installation.interval_days * YEAR_DAYS
    captures = refreshes_per_day * YEAR_DAYS
    yearly = changes * of["change"] + captures * of["capture"]
    planned = installation.repositories * of["repository"] + PLANNED_YEARS * yearly
    processor = refreshes_per_day * of["worker"] / DAY_SECONDS / BUSY
    waiting = (pulse + languages) * of["request"] / CONCURRENT_QUERIES / DAY_SECONDS / BUSY
    per_process = BUSY / (of["rerun"] * RERUNS_PER_SECOND)
    return Needs(
        points_per_day=pulse + languages,
        tokens=ceil(max(pulse / PLANNED_SHARE, languages / LANGUAGES_SHARE) / (POINTS_PER_TOKEN * 24)),
        changes_per_year=changes,
        captures_per_year=captures,
        bytes_per_year=yearly,
        bytes_planned=planned,
        shards=max(1, 2 ** ceil(log2(max(planned / SHARD_BYTES, 1)))),
        nodes=ceil(planned / NODE_BYTES),
        workers=max(1, ceil(processor), ceil(waiting)),
        web_processes=ceil(installation.readers / min(per_process, WEB_MEMORY_MB / of["session"])),
        plan_seconds=installation.accounts / 1e6 * of["plan"],
        night_hours=installation.repositories * of["night"] / 3_600,
    )


@dataclass(frozen=True)
class PlannedYear:
    """What planning comes to: means of a day, and the interval of the median account."""

    points_per_day: float
    refreshes_per_day: float
    median_days: float


def tracked_accounts(accounts: int, repositories: int, seed: int = SEED) -> AccountColumns:
    """Return columns as the planner reads them: sizes, stars and rates of change as uneven as each other."""
    random = np.random.default_rng(seed + 1)
    sizes = account_sizes(accounts, repositories, seed)
    stars = np.exp(12 * random.random(accounts)).astype(np.int64)
    return {
        "id": np.arange(accounts, dtype=np.int64),
        "repositories": sizes.astype(np.int32),
        "stars": stars,
        "priority": np.zeros(accounts, np.int16),
        "changes_per_day": np.exp(4 * random.random(accounts) + 4 * random.random(accounts) - 5).astype(np.float32),
        "samples": np.full(accounts, 40, np.int32),
        "pinned": np.full(accounts, np.nan),
        "planned": np.full(accounts, np.nan),
    }


def expected_year(accounts: int, repositories: int, inputs: PlanInputs) -> PlannedYear:
    """Return what the model expects: one plan of a sample, times the accounts."""
    sample = min(accounts, SAMPLE)
    rows = tracked_accounts(sample, round(repositories * sample / accounts))
    share = replace(inputs, budget_per_hour=inputs.budget_per_hour * sample / accounts)
    intervals = plan_refreshes(rows, share).allocation.intervals
    cost = cost_model.refresh_cost(rows["repositories"], with_token=True)
    factor = accounts / sample
    return PlannedYear(
        float((cost / intervals).sum()) * factor,
        float((1 / intervals).sum()) * factor,
        float(np.median(intervals)),
    )


def simulated_year(accounts: int, repositories: int, inputs: PlanInputs, days: int = YEAR_DAYS) -> PlannedYear:
    """Plan every week and refresh once a day what is due, for as long as the day's points last.

    All accounts begin unknown. Their rates of change drift as the planner supposes, and what it knows of one is what
    the last refresh found: off by a fifth.
    """
    random = np.random.default_rng(SEED + 2)
    rows = tracked_accounts(accounts, repositories, SEED + 3)
    rates, rows["changes_per_day"] = rows["changes_per_day"], np.zeros(accounts, np.float32)
    rows["samples"][:] = 0
    cost = cost_model.refresh_cost(rows["repositories"], with_token=True)
    due_at = random.random(accounts) * inputs.default_cadence / DAY
    refreshed, counts, points = np.full(accounts, -1.0), np.zeros(accounts), 0.0
    intervals = np.zeros(accounts)
    for step in range(round(days / STEP_DAYS)):
        at = step * STEP_DAYS
        if at % PLAN_EVERY_DAYS == 0:
            rates *= np.exp(random.normal(0, (LOG_RATE_VARIANCE_PER_DAY * PLAN_EVERY_DAYS) ** 0.5, accounts))
            intervals = plan_refreshes(rows, inputs).allocation.intervals
        due = np.flatnonzero(due_at <= at)
        times = np.maximum(STEP_DAYS / intervals[due], 1.0)
        affordable = inputs.budget_per_hour * 24 * STEP_DAYS * (1 - INTERACTIVE_RESERVE)
        if (cost[due] * times).sum() > affordable:
            oldest_first = np.argsort(due_at[due])
            due, times = due[oldest_first], times[oldest_first]
            paid = np.cumsum(cost[due] * times) <= affordable
            due, times = due[paid], times[paid]
        points += float((cost[due] * times).sum())
        counts[due] += times
        rows["samples"][due] += (refreshed[due] >= 0).astype(np.int32)
        rows["changes_per_day"][due] = rates[due] * np.exp(random.normal(0, 0.2, len(due)))
        refreshed[due] = at
        due_at[due] = np.maximum(due_at[due], at - STEP_DAYS) + intervals[due] * times
    return PlannedYear(points / days, float(counts.sum()) / days, float(np.median(days / np.maximum(counts, 1))))


SIZES = ((10_000, 1_000_000), (100_000, 10_000_000), (1_000_000, 100_000_000))
BUDGETS = {
    "one token": POINTS_PER_TOKEN,
    "an App's installation": 12_500,
    "Enterprise Cloud": 15_000,
    "ten tokens of ten owners": 10 * POINTS_PER_TOKEN,
}


def tables() -> str:
    """Return the tables of SCALE.md, as Markdown."""
    return "\n\n".join([_costs_table(), _freshness_table(), *(_needs_table(days) for days in (1.0, 0.25))])


def _costs_table() -> str:
    rows = [
        [one.what, f"{one.value:g} {one.unit}", f"`python -m tests.bench {one.part}`"] for one in UNIT_COSTS.values()
    ]
    return _markdown(["of one", "cost", "measured by"], rows)


def _freshness_table() -> str:
    rows = [
        [f"{accounts:,}", f"{repositories:,}", f"{refresh_points(accounts, repositories):,.0f}"]
        + [_duration(interval_days(accounts, repositories, points)) for points in BUDGETS.values()]
        for accounts, repositories in SIZES
    ]
    heads = [f"{name}: {points:,} points an hour" for name, points in BUDGETS.items()]
    return _markdown(["accounts", "repositories", "points to refresh all", *heads], rows)


def _needs_table(days: float) -> str:
    found = [needs(Installation(accounts, repositories, days)) for accounts, repositories in SIZES]
    rows = [
        ["points a day", *(f"{one.points_per_day:,.0f}" for one in found)],
        ["tokens of different owners", *(f"{one.tokens}" for one in found)],
        ["changes stored a year", *(_millions(one.changes_per_year) for one in found)],
        ["refreshes stored a year", *(_millions(one.captures_per_year) for one in found)],
        ["bytes a year", *(_gigabytes(one.bytes_per_year) for one in found)],
        [f"bytes after {PLANNED_YEARS} years", *(_gigabytes(one.bytes_planned) for one in found)],
        ["shards (of 20 GB)", *(f"{one.shards}" for one in found)],
        ["database nodes (of 1 TB)", *(f"{one.nodes}" for one in found)],
        ["workers", *(f"{one.workers}" for one in found)],
        ["web processes for 100 readers", *(f"{one.web_processes}" for one in found)],
        ["one plan", *(f"{one.plan_seconds:.2f} s" for one in found)],
        ["work of a night, on one node", *(_duration(one.night_hours / 24) for one in found)],
    ]
    return _markdown(
        [f"each account every {_duration(days)}", *(f"{accounts:,} accounts" for accounts, _ in SIZES)], rows
    )


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _duration(days: float) -> str:
    minutes = days * 1440
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes <= 48 * 60 else f"{days:.1f} days"


def _millions(value: float) -> str:
    return f"{value / 1e6:,.0f} million"


def _gigabytes(value: float) -> str:
    return f"{value / 1e9:,.0f} GB"


def run() -> list[Measurement]:
    accounts = int(os.environ.get("ACCOUNTS") or 1_000_000)
    return [*compare_with_sweep(5_000), *compare_with_year(accounts)]


def compare_with_sweep(accounts: int) -> list[Measurement]:
    """Sweep so many accounts once, and compare its cost with the model's."""
    found = {one.name.strip(): one.value for one in sweep.run(accounts)}
    repositories = accounts * sweep.REPOSITORIES_PER_ACCOUNT
    languages = repositories * sweep.CHANGED_SHARE / CONNECTIONS_PER_POINT
    expected = refresh_points(accounts, repositories) + languages
    seconds = accounts * UNIT_COSTS["worker"].value
    return [
        Measurement(f"points of a sweep over {accounts:,}", found["points for a sweep"], "", expected, WITHIN),
        Measurement("processor time of leader and worker", found["processor time of leader and worker"], "s", seconds),
        Measurement("the leader's longest decision", found["the leader's longest decision"], "s"),
    ]


def compare_with_year(accounts: int) -> list[Measurement]:
    """Plan a year for so many accounts with one token per million, and compare it with the model's."""
    inputs = PlanInputs(timedelta(hours=6), POINTS_PER_TOKEN * accounts / 1e6, with_token=True)
    expected = expected_year(accounts, accounts * 100, inputs)
    planned = simulated_year(accounts, accounts * 100, inputs)
    return [
        Measurement(f"{what} of a year for {accounts:,}", getattr(planned, field), "", getattr(expected, field), WITHIN)
        for field, what in (
            ("points_per_day", "points a day"),
            ("refreshes_per_day", "refreshes a day"),
            ("median_days", "the median account's interval, in days,"),
        )
    ]


if __name__ == "__main__":
    print(tables())  # noqa: T201
