"""How the budget is spread over all that is tracked: read, allocated, written down. Safe to repeat at any time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, text

from core.budget import cost_model
from ingest.planning import change_rate
from ingest.planning.allocation import AccountArrays, Allocation, IntervalBounds, allocate
from ingest.planning.backoff import MAX_RETRY_DELAY
from ingest.planning.change_rate import DAY, MAX_INTERVAL, MIN_INTERVAL
from ingest.planning.rate_budget import RateBudget
from ingest.refresh import writer

log = structlog.get_logger()
# What the timetable may plan for: the rest is for languages, for other facts, for tries again and for people.
PLANNED_SHARE = 0.75
MAX_PLAN_AGE = timedelta(days=1)
REPLAN_THRESHOLD = 0.1
REPLAN_MIN_ACCOUNTS = 5
# A planned interval that shrinks by less is corrected at the next look anyway.
CORRECTION_THRESHOLD = 0.8
BATCH_ROWS = 50_000

# What is read of each account, as numbers: one array a column, which Postgres makes and sends quicker than rows.
COLUMN_TYPES = {"id": ">i8", "repositories": ">i4", "stars": ">i8", "priority": ">i2", "per_day": ">f4", "looks": ">i4",
           "pinned": ">f8", "planned": ">f8"}  # fmt: skip
COPY_TRACKED_ACCOUNTS = """
    COPY (SELECT array_agg(account_id), array_agg(coalesce(repositories, 1)), array_agg(coalesce(stars, 0)),
                 array_agg(priority), array_agg(coalesce(change_rate, 0)::real), array_agg(change_rate_samples),
                 array_agg(CASE WHEN every IS NULL THEN float8 'NaN'
                           ELSE extract(epoch FROM every)::float8 / 86400 END),
                 array_agg(CASE WHEN planned_cadence IS NULL THEN float8 'NaN'
                           ELSE extract(epoch FROM planned_cadence)::float8 / 86400 END)
            FROM (SELECT * FROM tracked_account WHERE account_id > %s AND NOT paused
                   ORDER BY account_id LIMIT %s) AS part) TO STDOUT (FORMAT binary)
"""
# Before the first row: a signature, flags and an extension. Before the elements of an array: its shape and type.
COPY_HEADER_BYTES, ARRAY_HEADER_BYTES = 19, 20

AccountColumns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PlanInputs:
    """What a plan is made for: the default cadence, what GitHub grants an hour, and what a look is paid in."""

    every: timedelta
    budget_per_hour: float
    with_token: bool

    @property
    def usable_per_day(self) -> float:
        return self.budget_per_hour * PLANNED_SHARE * 24

    @property
    def bounds(self) -> IntervalBounds:
        """The floor and the ceiling give way to an explicit wish."""
        return IntervalBounds(min(MIN_INTERVAL, self.every) / DAY, max(MAX_INTERVAL, self.every) / DAY)


@dataclass(frozen=True)
class RefreshPlan:
    """A plan in numbers; what a look costs is in points or requests, per day."""

    allocation: Allocation
    pinned: int
    unknown: int
    uniform: float
    stretch: float
    brought_forward: tuple[NDArray[np.int64], NDArray[np.float64]]
    """Accounts that have to come sooner than they were planned, and after how many days."""


def update_refresh_plan(engine: Engine, purse: RateBudget, every: timedelta, now: datetime) -> bool:
    """Plan anew where a day has passed or what matters has changed; returns whether it did."""
    means, _ = purse.available_budgets(now)
    given = PlanInputs(every, float(sum(one.limit for one in means.values())), purse.with_token)
    with engine.begin() as connection:
        if not needs_new_plan(connection, given, now):
            return False
        rows = read_tracked_accounts(connection)
    accounts = len(rows["id"])
    if not accounts:
        return False
    planned = plan_refreshes(rows, given)
    with engine.begin() as connection:
        told = write_plan(connection, planned, given, accounts, now)
    _bring_forward(engine, planned, now)
    (log.warning if planned.stretch > 1 else log.info)("refreshes planned", told=told, accounts=accounts)
    return True


def needs_new_plan(connection: Connection, given: PlanInputs, now: datetime) -> bool:
    """Whether the newest plan is too old, or made for other circumstances."""
    last: Row[Any] | None = connection.execute(
        text(
            "SELECT planned_at, every, budget_per_hour, unit, accounts,"
            "       (SELECT count(*) FROM tracked_account WHERE NOT paused) AS accounts_now"
            "  FROM refresh_plan ORDER BY id DESC LIMIT 1"
        )
    ).one_or_none()
    if last is None:
        return True
    return (
        not last.planned_at <= now < last.planned_at + MAX_PLAN_AGE
        or last.every != given.every
        or last.unit != _unit(given)
        or abs(last.budget_per_hour - given.budget_per_hour) > REPLAN_THRESHOLD * given.budget_per_hour
        or abs(last.accounts_now - last.accounts) > REPLAN_MIN_ACCOUNTS + REPLAN_THRESHOLD * last.accounts
    )


def read_tracked_accounts(connection: Connection) -> AccountColumns:
    """Read all that is tracked and not paused: one array a column, in the same order."""
    parts = [_read_batch(connection, -1)]
    while len(parts[-1]["id"]) == BATCH_ROWS:
        parts.append(_read_batch(connection, int(parts[-1]["id"][-1])))
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMN_TYPES}


def _read_batch(connection: Connection, after: int) -> AccountColumns:
    with (
        writer.psycopg_connection(connection).cursor() as cursor,
        cursor.copy(COPY_TRACKED_ACCOUNTS, [after, BATCH_ROWS]) as copy,
    ):
        sent = b"".join(copy)
    at = COPY_HEADER_BYTES + 2
    columns: AccountColumns = {}
    for name, kind in COLUMN_TYPES.items():
        size = int.from_bytes(sent[at : at + 4], "big", signed=True)
        element = np.dtype([("size", ">i4"), ("value", kind)])
        # No row at all makes no array, which has no size.
        count = max(size - ARRAY_HEADER_BYTES, 0) // element.itemsize
        found = np.frombuffer(sent, element, count, at + 4 + (ARRAY_HEADER_BYTES if count else 0))
        columns[name] = found["value"].astype(element["value"].newbyteorder("="))
        at += 4 + max(size, 0)
    return columns


def plan_refreshes(rows: AccountColumns, given: PlanInputs) -> RefreshPlan:
    """Spread the budget: no more than looking at everything in the default cadence costs, or than there is.

    Accounts of which too little is known keep the default cadence, stretched where the budget is short.
    """
    days = given.every / DAY
    cost = _refresh_costs(rows["repositories"], with_token=given.with_token)
    wished = rows["pinned"].astype(np.float64)
    uniform = float((cost / np.where(np.isnan(wished), days, wished)).sum())
    stretch = max(1.0, uniform / given.usable_per_day)
    is_unknown = (rows["looks"] < change_rate.MIN_OBSERVATIONS) & np.isnan(wished)
    wished[is_unknown] = days * stretch
    accounts = AccountArrays(
        np.maximum(rows["per_day"].astype(np.float64), change_rate.MIN_CHANGES_PER_DAY),
        _importance(rows["priority"], rows["stars"]),
        cost,
        wished,
    )
    made = allocate(accounts, min(uniform, given.usable_per_day), given.bounds)
    before = rows["planned"].astype(np.float64)
    is_sooner = (made.every < before * CORRECTION_THRESHOLD) & np.isnan(rows["pinned"])
    sooner = rows["id"][is_sooner].astype(np.int64), made.every[is_sooner]
    return RefreshPlan(made, int((~np.isnan(rows["pinned"])).sum()), int(is_unknown.sum()), uniform, stretch, sooner)


def _refresh_costs(repositories: NDArray[np.int32], *, with_token: bool) -> NDArray[np.float64]:
    pages = np.maximum(np.ceil(repositories / cost_model.PAGE_SIZE), 1.0)
    return pages / cost_model.ACCOUNTS_PER_QUERY if with_token else 1 + pages


def _importance(priority: NDArray[np.int16], stars: NDArray[np.int64]) -> NDArray[np.float64]:
    step = np.clip(priority.astype(np.float64), -change_rate.MAX_PRIORITY_STEPS, change_rate.MAX_PRIORITY_STEPS)
    weight: NDArray[np.float64] = 2.0**step * np.log10(10.0 + np.maximum(stars, 0))
    return weight


def _unit(given: PlanInputs) -> str:
    return "points" if given.with_token else "requests"


def write_plan(connection: Connection, planned: RefreshPlan, given: PlanInputs, accounts: int, now: datetime) -> str:
    made = planned.allocation
    told = plan_summary(planned, given, accounts)
    values = {
        "planned_at": now,
        "accounts": accounts,
        "pinned": planned.pinned,
        "unknown": planned.unknown,
        "every": given.every,
        "unit": _unit(given),
        "budget_per_hour": given.budget_per_hour,
        "usable_per_hour": given.usable_per_day / 24,
        "default_cadence_per_hour": planned.uniform / 24,
        "planned_per_hour": made.cost / 24,
        "price": made.price,
        "floor": made.bounds.floor * DAY,
        "ceiling": made.bounds.ceiling * DAY,
        "stretch": planned.stretch,
        "median_cadence": float(np.median(made.every)) * DAY,
        "told": told,
    }
    names = ", ".join(values)
    connection.execute(
        text(f"INSERT INTO refresh_plan ({names}) VALUES ({', '.join(f':{name}' for name in values)})"),  # noqa: S608
        values,
    )
    return told


def plan_summary(planned: RefreshPlan, given: PlanInputs, accounts: int) -> str:
    """Tell an admin what was planned and why."""
    made, unit = planned.allocation, _unit(given)
    price = f"{made.cost / 24:,.1f} of {given.budget_per_hour:,.0f} {unit} an hour"
    if planned.stretch <= 1:
        return f"{accounts:,} accounts are looked at for {price}; the budget pays for the wished cadence."
    return (
        f"The budget is short: the wished cadence of {accounts:,} accounts would cost"
        f" {planned.uniform / 24:,.1f} {unit} an hour. Looks are {planned.stretch:.1f} times rarer on average, the most"
        f" wanted and the fastest changing first, for {price}."
    )


def reset_implausible_due_dates(connection: Connection, every: timedelta, now: datetime) -> int:
    """Bring back what lies further ahead than any plan would put it: a clock was wrong. Returns how many."""
    return connection.execute(
        text("""
            UPDATE tracked_account SET due_at = :now + random() * coalesce(every, planned_cadence, :every)
             WHERE due_at > :now + 2 * coalesce(every, planned_cadence, :every)
                          + CASE WHEN failures > 0 THEN :longest ELSE interval '0' END
        """),
        {"now": now, "every": every, "longest": 2 * MAX_RETRY_DELAY},
    ).rowcount


def _bring_forward(engine: Engine, planned: RefreshPlan, now: datetime) -> None:
    """Bring forward what waits longer than it should now; everything else finds its interval at its next look."""
    ids, days = planned.brought_forward
    for start in range(0, len(ids), BATCH_ROWS):
        with engine.begin() as connection:
            connection.execute(
                text("""
                    UPDATE tracked_account
                       SET planned_cadence = make_interval(secs => row.seconds),
                           -- Spread over the new interval where that moment has passed.
                           due_at = CASE WHEN failures > 0 THEN due_at ELSE greatest(
                               due_at - (planned_cadence - make_interval(secs => row.seconds)),
                               least(due_at, :now + make_interval(secs => row.seconds * random()))) END
                      FROM unnest(CAST(:ids AS bigint[]), CAST(:seconds AS float8[])) AS row(id, seconds)
                     WHERE account_id = row.id AND every IS NULL AND planned_cadence IS NOT NULL
                """),
                {
                    "now": now,
                    "ids": ids[start : start + BATCH_ROWS].tolist(),
                    "seconds": (days[start : start + BATCH_ROWS] * DAY.total_seconds()).tolist(),
                },
            )
