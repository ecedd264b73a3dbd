"""What is due, packed into jobs: most wanted first, no more than the budgets pay for. Callers own the transaction."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from core.queue import jobs
from ingest.planning import backoff, due_accounts
from ingest.planning.backoff import Means
from ingest.planning.rate_budget import Purse

MOST_AT_ONCE = 5_000


@dataclass(frozen=True)
class Queued:
    """How many accounts were queued, how many more are due, and until when nothing may be asked."""

    accounts: int = 0
    waiting: int = 0
    paused_until: datetime | None = None


def queue_due(connection: Connection, purse: Purse | None, now: datetime) -> Queued:
    """Pack accounts whose time has come into jobs; without a *purse* all of them, whatever it costs.

    What the budgets do not pay for now stays due: the next minute, or the next hour's budget, takes it. While GitHub
    told us to wait nothing is queued, so that people find an empty queue when it goes on.
    """
    means, paused_until = purse.means(now) if purse else ({}, None)
    if paused_until is not None:
        return Queued(paused_until=paused_until)
    due = due_accounts.due(connection, now, MOST_AT_ONCE, purse.spent(means) if purse else ())
    if not due:
        return Queued()
    chosen = _affordable(connection, purse, means, due) if purse else due
    if chosen:
        asked = jobs.Asked("schedule")
        asked = replace(asked, ingestion_id=jobs.open_ingestion(connection, asked, now))
        for batch in backoff.batches([(one.account_id, one.token) for one in chosen], jobs.BATCH):
            jobs.defer_refresh(connection, batch, asked, now)
    return Queued(len(chosen), len(due) - len(chosen))


def _affordable(
    connection: Connection, purse: Purse, means: dict[str, Means], due: list[due_accounts.Due]
) -> list[due_accounts.Due]:
    pays = purse.payer()
    promised: dict[str, float] = defaultdict(float)
    for one in due_accounts.queued(connection):
        promised[pays(one.login, one.token)] += purse.cost(one.repositories)
    means = {payer: replace(held, promised=promised[payer]) for payer, held in means.items()}
    priced = [backoff.Due(one.account_id, purse.cost(one.repositories), pays(one.login, one.token)) for one in due]
    chosen = {one.account_id for one in backoff.affordable(priced, means)}
    return [one for one in due if one.account_id in chosen]
