"""Packs due facts into jobs, at most one job per token and task at a time. Safe to repeat."""

import time
from datetime import datetime, timedelta

from sqlalchemy import Connection

from core.queue import enrichment
from core.queue.enrichment import FACT_KINDS
from ingest.enrichment import due

# Selecting what is due scans every repository. After a scan without a result the kind is skipped for a hundred times
# the scan's duration: hardly at all with few repositories, minutes with a million.
BACKOFF_PER_SECOND = timedelta(seconds=100)
MAX_BACKOFF = timedelta(minutes=10)


def enqueue_due_facts(
    connection: Connection, api_root: str, now: datetime, backoff_until: dict[str, datetime] | None = None
) -> int:
    """Queue due facts, most important first; returns the number of subjects.

    *backoff_until* keeps, from one call to the next, until when a kind without anything due is skipped.

    A token has at most one job for star history and one for all other facts. Of those, a kind is queued only when
    nothing is due of the kinds before it, so thousands of repositories never wait in the queue at once.
    """
    busy, tokens = enrichment.busy_locks(connection), due.tracked_tokens(connection)
    backoff_until = {} if backoff_until is None else backoff_until
    queued = 0
    for kind in FACT_KINDS.values():
        if now < backoff_until.get(kind.name, now) <= now + MAX_BACKOFF:
            continue
        free_tokens = [token for token in tokens if enrichment.job_lock(kind.name, token) not in busy]
        if not free_tokens or due.is_endpoint_missing(connection, kind.name, api_root, now):
            continue
        start = time.monotonic()
        by_token = _due_by_token(connection, kind, now, free_tokens)
        if not by_token:
            backoff_until[kind.name] = now + min((time.monotonic() - start) * BACKOFF_PER_SECOND, MAX_BACKOFF)
        for token, ids in by_token.items():
            if enrichment.defer_facts(connection, kind.name, ids, token) is not None:
                busy.add(enrichment.job_lock(kind.name, token))
                queued += len(ids)
    return queued


def _due_by_token(
    connection: Connection, kind: enrichment.FactKind, now: datetime, tokens: list[str | None]
) -> dict[str | None, list[int]]:
    by_token: dict[str | None, list[int]] = {}
    for one in due.due_subjects(connection, kind, now, enrichment.BATCH_SIZE, tokens):
        by_token.setdefault(one.token_fingerprint, []).append(one.id)
    return by_token
