"""When: what is due to be read is packed into jobs, one at a time for each token and queue. Safe to repeat."""

import time
from datetime import datetime, timedelta

from sqlalchemy import Connection

from core.queue import enrichment
from core.queue.enrichment import FACT_KINDS
from ingest.enrichment import due

# Looking for what is due means a look at every repository. What was looked for in vain rests a hundred times as long
# as that took: with few repositories not at all, with a million for minutes.
BACKOFF_PER_SECOND = timedelta(seconds=100)
MAX_BACKOFF = timedelta(minutes=10)


def enqueue_due_facts(
    connection: Connection, api_root: str, now: datetime, resting: dict[str, datetime] | None = None
) -> int:
    """Queue what is due, most wanted first; returns how many subjects.

    *resting* remembers, from one call to the next, of which kinds nothing was due, and until when they may rest.

    A token has one job of star history and one of all other facts at a time, and asks for a kind only when none of
    those before it in the list is due: a thousand repositories never stand in the queue at once.
    """
    taken, tokens = enrichment.busy_locks(connection), due.tracked_tokens(connection)
    resting = {} if resting is None else resting
    queued = 0
    for kind in FACT_KINDS.values():
        if now < resting.get(kind.name, now) <= now + MAX_BACKOFF:
            continue
        free = [token for token in tokens if enrichment.job_lock(kind.name, token) not in taken]
        if not free or due.is_endpoint_missing(connection, kind.name, api_root, now):
            continue
        began = time.monotonic()
        packed = _due_by_token(connection, kind, now, free)
        if not packed:
            resting[kind.name] = now + min((time.monotonic() - began) * BACKOFF_PER_SECOND, MAX_BACKOFF)
        for token, ids in packed.items():
            if enrichment.defer_facts(connection, kind.name, ids, token) is not None:
                taken.add(enrichment.job_lock(kind.name, token))
                queued += len(ids)
    return queued


def _due_by_token(
    connection: Connection, kind: enrichment.FactKind, now: datetime, tokens: list[str | None]
) -> dict[str | None, list[int]]:
    packed: dict[str | None, list[int]] = {}
    for one in due.due_subjects(connection, kind, now, enrichment.BATCH_SIZE, tokens):
        packed.setdefault(one.token_fingerprint, []).append(one.id)
    return packed
