"""Pure: what a failure means for one subject, and when it is worth asking again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.queue.enrichment import TRIES_WHILE_COMPUTING, Kind
from ingest.enrichment.state import State
from ingest.github.api.facts import NotReady
from ingest.github.http.errors import Blocked, GitHubError, PermissionDenied, RepositoryGone
from ingest.planning import backoff

DAY, WEEK = timedelta(days=1), timedelta(days=7)
COMPUTED_AFTER = timedelta(minutes=30)


@dataclass(frozen=True)
class Verdict:
    state: State
    due_at: datetime
    tries: int
    reason: str


def judge(kind: Kind, error: Exception, now: datetime, tries: int) -> Verdict:
    """Judge *error*, the one after *tries* in a row.

    computing    GitHub works on it: next sweep, a few times; then it counts as unavailable, asked for once a week
    refused      it is not for us, or not there: each question costs, so not before tomorrow
    failed       it may pass: soon, then ever later
    """
    number = tries + 1
    if isinstance(error, NotReady):
        if number >= TRIES_WHILE_COMPUTING:
            return Verdict("unavailable", now + WEEK, number, f"{error}, after {number} visits")
        return Verdict("computing", now + COMPUTED_AFTER * 2**tries, number, str(error))
    if isinstance(error, PermissionDenied | Blocked | RepositoryGone):
        return Verdict("refused", now + max(DAY, kind.every), number, str(error))
    reason = str(error) if isinstance(error, GitHubError) else f"It could not be stored ({type(error).__name__})"
    return Verdict("failed", backoff.retry_due(now, kind.every, number), number, reason)
