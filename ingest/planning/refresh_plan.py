"""Refresh plan: reads all tracked accounts, allocates the rate budget and stores the result. Safe to repeat."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, text

from core.budget import cost_model
from core.db.statement import psycopg_connection
from core.wording import quantity
from ingest.planning import change_rate
from ingest.planning.allocation import AccountArrays, Allocation, IntervalBounds, allocate
from ingest.planning.backoff import MAX_RETRY_DELAY
from ingest.planning.change_rate import DAY, MAX_INTERVAL, MIN_INTERVAL
from ingest.planning.rate_budget import RateBudget

log = structlog.get_logger()
# Share of the budget that scheduled refreshes may use: the rest is for languages, enrichment, retries and people.
PLANNED_SHARE = 0.75
MAX_PLAN_AGE = timedelta(days=1)
REPLAN_THRESHOLD = 0.1
REPLAN_MIN_ACCOUNTS = 5
# A planned interval that shrinks by less is corrected at the next refresh anyway.
CORRECTION_THRESHOLD = 0.8
BATCH_ROWS = 50_000

# One array per column. ADBC takes as long but 1.4 times the memory, beyond what tests/bench/refresh_plan.py allows.
COLUMN_TYPES = {
    "id": ">i8",
    "repositories": ">i4",
    "stars": ">i8",
    "priority": ">i2",
    "changes_per_day": ">f4",
    "samples": ">i4",
    "pinned": ">f8",
    "planned": ">f8",
}
COPY_TRACKED_ACCOUNTS = """
    COPY (SELECT array_agg(account_id), array_agg(coalesce(repositories, 1)), array_agg(coalesce(stars, 0)),
                 array_agg(priority), array_agg(coalesce(change_rate, 0)::real), array_agg(change_rate_samples),
                 array_agg(CASE WHEN cadence IS NULL THEN float8 'NaN'
                           ELSE extract(epoch FROM cadence)::float8 / 86400 END),
                 array_agg(CASE WHEN planned_cadence IS NULL THEN float8 'NaN'
                           ELSE extract(epoch FROM planned_cadence)::float8 / 86400 END)
            FROM (SELECT * FROM tracked_account WHERE account_id > %s AND NOT paused
                   ORDER BY account_id LIMIT %s) AS part) TO STDOUT (FORMAT binary)
"""
# COPY header: signature, flags, extension. Array header: dimensions and element type.
COPY_HEADER_BYTES, ARRAY_HEADER_BYTES = 19, 20

AccountColumns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PlanInputs:
    """The default cadence, GitHub's hourly budget, and whether costs are points (with a token) or requests."""

    default_cadence: timedelta
    budget_per_hour: float
    with_token: bool

    @property
    def usable_per_day(self) -> float:
        return self.budget_per_hour * PLANNED_SHARE * 24

    @property
    def bounds(self) -> IntervalBounds:
        """The usual bounds, widened where the default cadence lies outside."""
        return IntervalBounds(
            min(MIN_INTERVAL, self.default_cadence) / DAY, max(MAX_INTERVAL, self.default_cadence) / DAY
        )

    @property
    def unit(self) -> str:
        return "points" if self.with_token else "requests"


@dataclass(frozen=True)
class RefreshPlan:
    """A computed plan; costs are in points or requests per day."""

    allocation: Allocation
    pinned: int
    without_estimate: int
    default_cadence_cost: float
    """Cost per day of refreshing everything in the default cadence."""
    slowdown: float
    """Factor by which the default cadence exceeds the usable budget; 1 where the budget pays for it."""
    brought_forward: tuple[NDArray[np.int64], NDArray[np.float64]]
    """Ids of the accounts whose interval shrank, and their new intervals in days."""


def update_refresh_plan(engine: Engine, rate_budget: RateBudget, default_cadence: timedelta, now: datetime) -> bool:
    """Compute and store a new plan if the newest one is outdated; returns whether it did."""
    budgets, _ = rate_budget.available_budgets(now)
    inputs = PlanInputs(default_cadence, float(sum(one.limit for one in budgets.values())), rate_budget.with_token)
    with engine.begin() as connection:
        if not needs_new_plan(connection, inputs, now):
            return False
        rows = read_tracked_accounts(connection)
    accounts = len(rows["id"])
    if not accounts:
        return False
    plan = plan_refreshes(rows, inputs)
    with engine.begin() as connection:
        summary = write_plan(connection, plan, inputs, accounts, now)
    _bring_forward(engine, plan, now)
    (log.warning if plan.slowdown > 1 else log.info)("refresh plan computed", summary=summary, accounts=accounts)
    return True


def needs_new_plan(connection: Connection, inputs: PlanInputs, now: datetime) -> bool:
    """Return whether the newest plan is older than a day or was computed from inputs that differ noticeably."""
    last: Row[Any] | None = connection.execute(
        text(
            "SELECT planned_at, default_cadence, budget_per_hour, unit, accounts,"
            "       (SELECT count(*) FROM tracked_account WHERE NOT paused) AS accounts_now"
            "  FROM refresh_plan ORDER BY id DESC LIMIT 1"
        )
    ).one_or_none()
    if last is None:
        return True
    return (
        not last.planned_at <= now < last.planned_at + MAX_PLAN_AGE
        or last.default_cadence != inputs.default_cadence
        or last.unit != inputs.unit
        or abs(last.budget_per_hour - inputs.budget_per_hour) > REPLAN_THRESHOLD * inputs.budget_per_hour
        or abs(last.accounts_now - last.accounts) > REPLAN_MIN_ACCOUNTS + REPLAN_THRESHOLD * last.accounts
    )


def read_tracked_accounts(connection: Connection) -> AccountColumns:
    """Read the tracked accounts that are not paused, ordered by id: one array per column."""
    parts = [_read_batch(connection, -1)]
    while len(parts[-1]["id"]) == BATCH_ROWS:
        parts.append(_read_batch(connection, int(parts[-1]["id"][-1])))
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMN_TYPES}


def _read_batch(connection: Connection, after: int) -> AccountColumns:
    with (
        psycopg_connection(connection).cursor() as cursor,
        cursor.copy(COPY_TRACKED_ACCOUNTS, [after, BATCH_ROWS]) as copy,
    ):
        data = b"".join(copy)
    at = COPY_HEADER_BYTES + 2
    columns: AccountColumns = {}
    for name, dtype in COLUMN_TYPES.items():
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        element = np.dtype([("size", ">i4"), ("value", dtype)])
        # Without a row array_agg returns NULL, whose size is -1.
        count = max(size - ARRAY_HEADER_BYTES, 0) // element.itemsize
        elements = np.frombuffer(data, element, count, at + 4 + (ARRAY_HEADER_BYTES if count else 0))
        columns[name] = elements["value"].astype(element["value"].newbyteorder("="))
        at += 4 + max(size, 0)
    return columns


def plan_refreshes(rows: AccountColumns, inputs: PlanInputs) -> RefreshPlan:
    """Allocate the usable budget, but no more than refreshing everything in the default cadence costs.

    Accounts without a reliable change rate keep the default cadence, slowed down where the budget is short.
    """
    days = inputs.default_cadence / DAY
    cost = cost_model.refresh_cost(rows["repositories"], with_token=inputs.with_token)
    pinned = rows["pinned"].astype(np.float64)
    default_cadence_cost = float((cost / np.where(np.isnan(pinned), days, pinned)).sum())
    slowdown = max(1.0, default_cadence_cost / inputs.usable_per_day)
    lacks_estimate = (rows["samples"] < change_rate.MIN_SAMPLES) & np.isnan(pinned)
    pinned[lacks_estimate] = days * slowdown
    accounts = AccountArrays(
        np.maximum(rows["changes_per_day"].astype(np.float64), change_rate.MIN_CHANGES_PER_DAY),
        change_rate.importance(rows["priority"], rows["stars"]),
        cost,
        pinned,
    )
    allocation = allocate(accounts, min(default_cadence_cost, inputs.usable_per_day), inputs.bounds)
    is_sooner = (allocation.intervals < rows["planned"] * CORRECTION_THRESHOLD) & np.isnan(rows["pinned"])
    return RefreshPlan(
        allocation,
        pinned=int((~np.isnan(rows["pinned"])).sum()),
        without_estimate=int(lacks_estimate.sum()),
        default_cadence_cost=default_cadence_cost,
        slowdown=slowdown,
        brought_forward=(rows["id"][is_sooner].astype(np.int64), allocation.intervals[is_sooner]),
    )


def write_plan(connection: Connection, plan: RefreshPlan, inputs: PlanInputs, accounts: int, now: datetime) -> str:
    """Store the plan; returns its summary."""
    allocation = plan.allocation
    summary = plan_summary(plan, inputs, accounts)
    values = {
        "planned_at": now,
        "accounts": accounts,
        "pinned": plan.pinned,
        "without_estimate": plan.without_estimate,
        "default_cadence": inputs.default_cadence,
        "unit": inputs.unit,
        "budget_per_hour": inputs.budget_per_hour,
        "usable_per_hour": inputs.usable_per_day / 24,
        "default_cadence_per_hour": plan.default_cadence_cost / 24,
        "planned_per_hour": allocation.cost_per_day / 24,
        "shadow_price": allocation.shadow_price,
        "shortest_cadence": allocation.bounds.floor * DAY,
        "longest_cadence": allocation.bounds.ceiling * DAY,
        "slowdown": plan.slowdown,
        "median_cadence": float(np.median(allocation.intervals)) * DAY,
        "summary": summary,
    }
    names = ", ".join(values)
    connection.execute(
        text(f"INSERT INTO refresh_plan ({names}) VALUES ({', '.join(f':{name}' for name in values)})"),  # noqa: S608
        values,
    )
    return summary


def plan_summary(plan: RefreshPlan, inputs: PlanInputs, accounts: int) -> str:
    """Describe the plan to an admin, in one or two sentences."""
    tracked = quantity(accounts, "account")
    cost = f"{plan.allocation.cost_per_day / 24:,.1f} of {inputs.budget_per_hour:,.0f} {inputs.unit} an hour"
    if plan.slowdown <= 1:
        return f"Refreshing {tracked} takes {cost}. The rate budget covers the default cadence."
    return (
        f"The rate budget is short: the default cadence of {tracked} would take"
        f" {plan.default_cadence_cost / 24:,.1f} {inputs.unit} an hour. Refreshes are {plan.slowdown:.1f} times less"
        f" frequent on average, for {cost}. High priorities and fast changing accounts come first."
    )


def reset_implausible_due_dates(connection: Connection, default_cadence: timedelta, now: datetime) -> int:
    """Reset due times further ahead than any plan sets them, written while a clock was wrong. Returns how many."""
    return connection.execute(
        text("""
            -- Computed before the update, in which Citus takes no chance and no function of the time zone.
            WITH corrected AS MATERIALIZED (
                SELECT account_id, :now + random() * coalesce(cadence, planned_cadence, :every) AS due_at
                  FROM tracked_account
                 WHERE due_at > :now + 2 * coalesce(cadence, planned_cadence, :every)
                              + CASE WHEN failures > 0 THEN :longest ELSE interval '0' END
            )
            UPDATE tracked_account AS tracked SET due_at = corrected.due_at
              FROM corrected WHERE corrected.account_id = tracked.account_id
        """),
        {"now": now, "every": default_cadence, "longest": 2 * MAX_RETRY_DELAY},
    ).rowcount


def _bring_forward(engine: Engine, plan: RefreshPlan, now: datetime) -> None:
    """Move up the accounts whose interval shrank; all others get their interval at their next refresh."""
    ids, days = plan.brought_forward
    for start in range(0, len(ids), BATCH_ROWS):
        with engine.begin() as connection:
            connection.execute(
                text("""
                    -- Shares are given and times converted to UTC: in an UPDATE Citus refuses random() and arithmetic
                    -- on timestamptz, which depends on the session's time zone.
                    UPDATE tracked_account
                       SET planned_cadence = make_interval(secs => row.seconds),
                           -- Spread over the new interval where that time has passed.
                           due_at = CASE WHEN failures > 0 THEN due_at ELSE greatest(
                               due_at AT TIME ZONE 'UTC' - (planned_cadence - make_interval(secs => row.seconds)),
                               least(due_at AT TIME ZONE 'UTC',
                                     CAST(:now AS timestamptz) AT TIME ZONE 'UTC'
                                         + make_interval(secs => row.seconds * row.share))) AT TIME ZONE 'UTC' END
                      FROM unnest(CAST(:ids AS bigint[]), CAST(:seconds AS float8[]), CAST(:shares AS float8[]))
                               AS row(id, seconds, share)
                     WHERE account_id = row.id AND cadence IS NULL AND planned_cadence IS NOT NULL
                """),
                {
                    "now": now,
                    "ids": ids[start : start + BATCH_ROWS].tolist(),
                    "seconds": (days[start : start + BATCH_ROWS] * DAY.total_seconds()).tolist(),
                    "shares": np.random.default_rng().random(len(ids[start : start + BATCH_ROWS])).tolist(),
                },
            )
