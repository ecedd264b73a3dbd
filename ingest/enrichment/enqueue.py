"""Packs due facts into jobs, at most one job per token and rate limit at a time. Safe to repeat."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from core.budget.rate_limits import USUAL_LIMIT
from core.queue import enrichment, page_opens
from core.queue.enrichment import FACT_KINDS, MAX_SUBJECTS, RESOURCES, FactKind, Resource
from ingest.enrichment import due, run_log
from ingest.planning.fair_queue import HourlyLimit, Spending, Turn, turns

# Selecting what is due scans every repository. After a scan without a result the kind is skipped for a hundred times
# the scan's duration: hardly at all with few repositories, minutes with a million.
BACKOFF_PER_SECOND = timedelta(seconds=100)
MAX_BACKOFF = timedelta(minutes=10)
MAX_OPENED = 5_000
UNKNOWN_LIMIT = HourlyLimit(USUAL_LIMIT, USUAL_LIMIT)
LimitOf = Callable[[str | None, Resource], HourlyLimit]


@dataclass
class DueFacts:
    """Finds what is due, with one query per kind for all tokens that are free."""

    connection: Connection
    api_root: str
    now: datetime
    backoff_until: dict[str, datetime]
    tokens: Mapping[Resource, list[str | None]]
    _found: dict[tuple[str, bool], dict[str | None, list[int]]] = field(default_factory=dict)
    _opened: tuple[list[int], list[int]] | None = None

    def ids(self, turn: Turn, token: str | None) -> list[int]:
        """Return the due subjects of *token* for *turn*, most important first."""
        key = (turn.kind.name, turn.for_people)
        if key not in self._found:
            self._found[key] = self._select(turn.kind, self._opened_ids(turn.kind) if turn.for_people else None)
        return self._found[key].get(token, [])[: turn.max_subjects]

    def _select(self, kind: FactKind, ids: list[int] | None) -> dict[str | None, list[int]]:
        is_resting = self.now < self.backoff_until.get(kind.name, self.now) <= self.now + MAX_BACKOFF
        if ids == [] or (ids is None and is_resting):
            return {}
        if due.is_endpoint_missing(self.connection, kind.name, self.api_root, self.now):
            return {}
        start, tokens = time.monotonic(), self.tokens[kind.resource]
        by_token: dict[str | None, list[int]] = {}
        for one in due.due_subjects(self.connection, kind, self.now, MAX_SUBJECTS, tokens, ids):
            by_token.setdefault(one.token_fingerprint, []).append(one.id)
        if ids is None and not by_token:
            rest = min((time.monotonic() - start) * BACKOFF_PER_SECOND, MAX_BACKOFF)
            self.backoff_until[kind.name] = self.now + rest
        return by_token

    def _opened_ids(self, kind: FactKind) -> list[int]:
        if self._opened is None:
            self._opened = page_opens.opened_lately(self.connection, self.now, MAX_OPENED)
        accounts, repositories = self._opened
        return accounts if kind.is_per_user else repositories


def enqueue_due_facts(
    connection: Connection,
    api_root: str,
    now: datetime,
    backoff_until: dict[str, datetime] | None = None,
    limit_of: LimitOf = lambda _token, _resource: UNKNOWN_LIMIT,
) -> int:
    """Queue due facts: for each token and rate limit that has no job, one turn of one kind. Returns how many subjects.

    *backoff_until* keeps, from one call to the next, until when a kind without anything due is skipped. *limit_of*
    tells what is left of a token's rate limit.
    """
    busy, tokens = enrichment.busy_locks(connection), due.tracked_tokens(connection)
    free = {
        resource: [token for token in tokens if enrichment.job_lock(resource, token) not in busy]
        for resource in RESOURCES
    }
    facts = DueFacts(connection, api_root, now, {} if backoff_until is None else backoff_until, free)
    spent = run_log.spending(connection, now)
    queued = 0
    for resource in RESOURCES:
        kinds = [kind for kind in FACT_KINDS.values() if kind.resource == resource]
        for token in free[resource]:
            spending = spent.get((token, resource), Spending())
            for turn in turns(kinds, spending, limit_of(token, resource)):
                if ids := facts.ids(turn, token):
                    enrichment.defer_facts(
                        connection, turn.kind.name, ids, token, max_cost=turn.max_cost, for_people=turn.for_people
                    )
                    queued += len(ids)
                    break
    return queued
