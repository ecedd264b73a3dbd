"""Packs due accounts into jobs: highest priority first, no more than the rate budget pays for.

Callers own the transaction.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from sqlalchemy import Connection, text

from core.queue import jobs
from core.queue.liveness import HEARTBEAT_TIMEOUT
from ingest.planning import due_accounts
from ingest.planning.due_accounts import DueAccount
from ingest.planning.rate_budget import AvailableBudget, RateBudget

MAX_DUE_ACCOUNTS = 5_000
# So many times more due accounts are read where nothing pays for any of those before.
MAX_READS = 4
# Jobs that a worker gets at least from what is due at once, and queries of first pages in one of them.
JOBS_PER_WORKER, MAX_QUERIES_PER_JOB = 4, 13
# An account that costs more than a whole hour is queued when at least this share of the budget is left.
FULL_SHARE = 0.9


@dataclass(frozen=True)
class EnqueueResult:
    """How many accounts were queued, how many more are due, and until when GitHub's pause lasts."""

    accounts: int = 0
    postponed: int = 0
    paused_until: datetime | None = None


@dataclass(frozen=True)
class PricedAccount:
    """A due account, the cost of one refresh of it, and the token owner whose budget pays."""

    account_id: int
    cost: float
    payer: str


def enqueue_due_accounts(connection: Connection, rate_budget: RateBudget | None, now: datetime) -> EnqueueResult:
    """Pack due accounts into jobs; without a *rate_budget* all of them, whatever they cost.

    Accounts that the budget does not pay for now stay due for the next minute or the next hour's budget. During a
    pause requested by GitHub nothing is queued, so that people find an empty queue afterwards.
    """
    budgets, paused_until = rate_budget.available_budgets(now) if rate_budget else ({}, None)
    if paused_until is not None:
        return EnqueueResult(paused_until=paused_until)
    exhausted = rate_budget.exhausted_tokens(budgets) if rate_budget else ()
    can_pay = not rate_budget or any(one.available > 0 for one in budgets.values())
    due: list[DueAccount] = []
    selected: list[DueAccount] = []
    for _ in range(MAX_READS):
        seen = [one.account_id for one in due]
        read = due_accounts.due_accounts(connection, now, MAX_DUE_ACCOUNTS, exhausted, seen)
        due += read
        selected = read
        if rate_budget and read:
            payers = rate_budget.with_anonymous(budgets, now)
            selected = _affordable_accounts(connection, rate_budget, payers, read)
        if selected or not can_pay or len(read) < MAX_DUE_ACCOUNTS:
            break
    if selected:
        origin = jobs.JobOrigin("schedule")
        origin = replace(origin, ingestion_id=jobs.create_ingestion(connection, origin, now))
        size = accounts_per_job(len(selected), _live_workers(connection))
        jobs.defer_refresh(connection, [one.account_id for one in selected], origin, now, batch_size=size)
    return EnqueueResult(len(selected), len(due) - len(selected))


def accounts_per_job(accounts: int, workers: int) -> int:
    """Return how many accounts each job gets where so many are due at once.

    The larger a job, the fewer of its queries are not full; but each worker should get several jobs, so that all of
    them finish together, and a person who is waiting finds a free worker soon.
    """
    even = ceil(accounts / (max(workers, 1) * JOBS_PER_WORKER))
    return min(max(ceil(even / jobs.BATCH_SIZE), 1), MAX_QUERIES_PER_JOB) * jobs.BATCH_SIZE


def select_affordable(due: Iterable[PricedAccount], budgets: Mapping[str, AvailableBudget]) -> list[PricedAccount]:
    """Select the accounts to queue now, in the given order, within what each payer's budget has available.

    An account that costs more than a minute's share is the only one of its payer in that minute: when the budget pays
    for it, or, if no budget ever does, when the budget is full, so that its refresh gets as far as it can.
    """
    left = {payer: budget.available_this_minute for payer, budget in budgets.items()}
    selected: list[PricedAccount] = []
    used_payers: set[str] = set()
    for one in due:
        budget = budgets.get(one.payer)
        if budget is None or left[one.payer] <= 0:
            continue
        fits_alone = one.payer not in used_payers and (
            one.cost <= budget.available or (not budget.queued_cost and budget.remaining >= budget.limit * FULL_SHARE)
        )
        if one.cost <= left[one.payer] or fits_alone:
            used_payers.add(one.payer)
            left[one.payer] -= one.cost
            selected.append(one)
    return selected


def _affordable_accounts(
    connection: Connection, rate_budget: RateBudget, budgets: dict[str, AvailableBudget], due: list[DueAccount]
) -> list[DueAccount]:
    payer_of = rate_budget.payer()
    queued_cost: dict[str, float] = defaultdict(float)
    for one in due_accounts.queued_accounts(connection):
        payer = payer_of(one.login, one.token)
        queued_cost[payer] += rate_budget.cost(one.repositories, payer)
    budgets = {payer: replace(budget, queued_cost=queued_cost[payer]) for payer, budget in budgets.items()}
    payers = [payer_of(one.login, one.token) for one in due]
    priced = [
        PricedAccount(one.account_id, rate_budget.cost(one.repositories, payer), payer)
        for one, payer in zip(due, payers, strict=True)
    ]
    selected = {one.account_id for one in select_affordable(priced, budgets)}
    return [one for one in due if one.account_id in selected]


def _live_workers(connection: Connection) -> int:
    registered: int = connection.execute(
        text("SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - :timeout"),
        {"timeout": HEARTBEAT_TIMEOUT},
    ).scalar_one()
    return ceil(registered / len(jobs.QUEUES))
