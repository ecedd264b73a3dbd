"""What is due, packed into jobs: most wanted first, no more than the budgets pay for. Callers own the transaction."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from core.queue import jobs
from ingest.planning import backoff, due_accounts
from ingest.planning.backoff import AvailableBudget
from ingest.planning.rate_budget import RateBudget

MAX_DUE_ACCOUNTS = 5_000


@dataclass(frozen=True)
class EnqueueResult:
    """How many accounts were queued, how many more are due, and until when nothing may be asked."""

    accounts: int = 0
    waiting: int = 0
    paused_until: datetime | None = None


def enqueue_due_accounts(connection: Connection, purse: RateBudget | None, now: datetime) -> EnqueueResult:
    """Pack accounts whose time has come into jobs; without a *purse* all of them, whatever it costs.

    What the budgets do not pay for now stays due: the next minute, or the next hour's budget, takes it. While GitHub
    told us to wait nothing is queued, so that people find an empty queue when it goes on.
    """
    means, paused_until = purse.available_budgets(now) if purse else ({}, None)
    if paused_until is not None:
        return EnqueueResult(paused_until=paused_until)
    due = due_accounts.due_accounts(connection, now, MAX_DUE_ACCOUNTS, purse.spent(means) if purse else ())
    if not due:
        return EnqueueResult()
    chosen = _select_affordable(connection, purse, means, due) if purse else due
    if chosen:
        asked = jobs.JobOrigin("schedule")
        asked = replace(asked, ingestion_id=jobs.create_ingestion(connection, asked, now))
        for batch in backoff.batch_by_token([(one.account_id, one.token) for one in chosen], jobs.BATCH_SIZE):
            jobs.defer_refresh(connection, batch, asked, now)
    return EnqueueResult(len(chosen), len(due) - len(chosen))


def _select_affordable(
    connection: Connection, purse: RateBudget, means: dict[str, AvailableBudget], due: list[due_accounts.DueAccount]
) -> list[due_accounts.DueAccount]:
    pays = purse.payer()
    promised: dict[str, float] = defaultdict(float)
    for one in due_accounts.queued_accounts(connection):
        promised[pays(one.login, one.token)] += purse.cost(one.repositories)
    means = {payer: replace(held, queued_cost=promised[payer]) for payer, held in means.items()}
    priced = [
        backoff.PricedAccount(one.account_id, purse.cost(one.repositories), pays(one.login, one.token)) for one in due
    ]
    chosen = {one.account_id for one in backoff.select_affordable(priced, means)}
    return [one for one in due if one.account_id in chosen]
