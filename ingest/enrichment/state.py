"""State of each fact of a repository or user: when it was stored, why it failed, when it is due again.

Callers own the transaction.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, text

from core.queue.enrichment import MAX_TRIES_WHILE_COMPUTING, FactKind
from core.wording import quantity
from ingest.enrichment.due import endpoint_kind
from ingest.github.errors import Blocked, GitHubError, PermissionDenied, RepositoryNotFound, StatisticsNotReady
from ingest.planning.backoff import retry_due_at

FactState = Literal["stored", "computing", "unavailable", "refused", "failed"]
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# GitHub computes most statistics within seconds, those of large repositories within minutes, some never: 2, 8, 32 and
# 128 minutes after each other.
COMPUTING_RETRY_DELAY, COMPUTING_BACKOFF = timedelta(minutes=2), 4
MISSING_ENDPOINT_RETRY_DELAY = timedelta(days=1)
UPSERT_STATE = """
    INSERT INTO enrichment (kind, {subject}, captured_at, due_at, state, failed_attempts, reason, first_day)
    VALUES (:kind, :id, :captured_at, :due_at, :state, :failed_attempts, :reason, :first_day)
    ON CONFLICT (kind, {subject}) WHERE {subject} IS NOT NULL DO UPDATE
       SET captured_at = greatest(enrichment.captured_at, excluded.captured_at), due_at = excluded.due_at,
           state = excluded.state, failed_attempts = excluded.failed_attempts, reason = excluded.reason,
           first_day = least(enrichment.first_day, excluded.first_day)
"""


@dataclass(frozen=True)
class FailureOutcome:
    """The state after a failure; `failed_attempts` counts the failures in a row."""

    state: FactState
    due_at: datetime
    failed_attempts: int
    reason: str


def failure_outcome(kind: FactKind, error: Exception, now: datetime, failed_attempts: int) -> FailureOutcome:
    """Classify *error*, which follows *failed_attempts* failures in a row.

    computing    GitHub is still computing: retry soon, a few times; then unavailable, with one retry a week
    refused      no permission, or not found: each request is charged, so at most one retry a day
    failed       anything else: retry with exponential backoff
    """
    number = failed_attempts + 1
    if isinstance(error, StatisticsNotReady):
        if number >= MAX_TRIES_WHILE_COMPUTING:
            return FailureOutcome("unavailable", now + WEEK, number, f"{error}, after {quantity(number, 'attempt')}")
        return FailureOutcome(
            "computing", now + COMPUTING_RETRY_DELAY * COMPUTING_BACKOFF**failed_attempts, number, str(error)
        )
    if isinstance(error, PermissionDenied | Blocked | RepositoryNotFound):
        return FailureOutcome("refused", now + max(DAY, kind.interval), number, str(error))
    reason = str(error) if isinstance(error, GitHubError) else f"It could not be stored ({type(error).__name__})"
    return FailureOutcome("failed", retry_due_at(now, kind.interval, number), number, reason)


def record_success(
    connection: Connection,
    kind: FactKind,
    subject_id: int,
    captured_at: datetime,
    now: datetime,
    first_day: date | None = None,
) -> None:
    """Record a stored fact; *captured_at* is GitHub's `Date`, *now* our clock, from which the next due time counts."""
    _upsert_state(
        connection,
        kind,
        subject_id,
        state="stored",
        captured_at=captured_at,
        due_at=now + kind.interval,
        first_day=first_day,
    )


def record_failure(connection: Connection, kind: FactKind, subject_id: int, outcome: FailureOutcome) -> None:
    _upsert_state(connection, kind, subject_id, **vars(outcome))


def lock_and_get_captured_at(connection: Connection, kind: FactKind, subject_id: int) -> datetime | None:
    """Lock the subject until the transaction ends and return when its stored fact was captured, if it is stored."""
    subject, table = ("account_id", "account") if kind.is_per_user else ("repository_id", "repository")
    connection.execute(text(f"SELECT id FROM {table} WHERE id = :id FOR NO KEY UPDATE"), {"id": subject_id})  # noqa: S608
    captured_at: datetime | None = connection.scalar(
        text(f"SELECT captured_at FROM enrichment WHERE kind = :kind AND {subject} = :id"),  # noqa: S608
        {"kind": kind.name, "id": subject_id},
    )
    return captured_at


def was_ever_stored(connection: Connection, kind: str) -> bool:
    """Return whether this kind of fact was ever stored for any subject."""
    return bool(
        connection.scalar(
            text("SELECT EXISTS (SELECT FROM enrichment WHERE kind = :kind AND captured_at IS NOT NULL)"),
            {"kind": endpoint_kind(kind)},
        )
    )


def record_missing_endpoint(connection: Connection, kind: str, api_root: str, now: datetime) -> None:
    """Record that this server lacks the endpoint of this kind, so that it is not requested again for a day."""
    connection.execute(
        text(
            "INSERT INTO missing_endpoint (kind, api_root, detected_at, retry_at)"
            " VALUES (:kind, :root, :now, :retry_at)"
            " ON CONFLICT (kind, api_root) DO UPDATE SET retry_at = excluded.retry_at"
        ),
        {"kind": endpoint_kind(kind), "root": api_root, "now": now, "retry_at": now + MISSING_ENDPOINT_RETRY_DELAY},
    )


def _upsert_state(connection: Connection, kind: FactKind, subject_id: int, **values: Any) -> None:
    defaults = {"captured_at": None, "failed_attempts": 0, "reason": None, "first_day": None}
    subject = "account_id" if kind.is_per_user else "repository_id"
    connection.execute(
        text(UPSERT_STATE.format(subject=subject)), defaults | values | {"kind": kind.name, "id": subject_id}
    )
