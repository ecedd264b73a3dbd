"""Pure: what a failure means for one subject, and when it is worth asking again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.queue.enrichment import MAX_TRIES_WHILE_COMPUTING, FactKind
from ingest.enrichment.state import FactState
from ingest.github.errors import Blocked, GitHubError, PermissionDenied, RepositoryNotFound, StatisticsNotReady
from ingest.planning import backoff

DAY, WEEK = timedelta(days=1), timedelta(days=7)
COMPUTING_RETRY_DELAY = timedelta(minutes=30)


@dataclass(frozen=True)
class FailureOutcome:
    state: FactState
    due_at: datetime
    failed_attempts: int
    reason: str


def failure_outcome(kind: FactKind, error: Exception, now: datetime, failed_attempts: int) -> FailureOutcome:
    """Judge *error*, the one after *failed_attempts* in a row.

    computing    GitHub works on it: next sweep, a few times; then it counts as unavailable, asked for once a week
    refused      it is not for us, or not there: each question costs, so not before tomorrow
    failed       it may pass: soon, then ever later
    """
    number = failed_attempts + 1
    if isinstance(error, StatisticsNotReady):
        if number >= MAX_TRIES_WHILE_COMPUTING:
            return FailureOutcome("unavailable", now + WEEK, number, f"{error}, after {number} visits")
        return FailureOutcome("computing", now + COMPUTING_RETRY_DELAY * 2**failed_attempts, number, str(error))
    if isinstance(error, PermissionDenied | Blocked | RepositoryNotFound):
        return FailureOutcome("refused", now + max(DAY, kind.interval), number, str(error))
    reason = str(error) if isinstance(error, GitHubError) else f"It could not be stored ({type(error).__name__})"
    return FailureOutcome("failed", backoff.retry_due_at(now, kind.interval, number), number, reason)
