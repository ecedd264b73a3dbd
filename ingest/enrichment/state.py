"""Writing down how readings went: when each was read, why not, when it is due again. Callers own the transaction."""

from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, text

from core.queue.enrichment import FactKind
from ingest.enrichment.due import endpoint_kind

FactState = Literal["stored", "computing", "unavailable", "refused", "failed"]
MISSING_ENDPOINT_RETRY_DELAY = timedelta(days=1)
UPSERT_STATE = """
    INSERT INTO enrichment (kind, {subject}, captured_at, due_at, state, failed_attempts, reason, first_day)
    VALUES (:kind, :id, :captured_at, :due_at, :state, :failed_attempts, :reason, :first_day)
    ON CONFLICT (kind, {subject}) WHERE {subject} IS NOT NULL DO UPDATE
       SET captured_at = greatest(enrichment.captured_at, excluded.captured_at), due_at = excluded.due_at, state = excluded.state,
           failed_attempts = excluded.failed_attempts, reason = excluded.reason, first_day = least(enrichment.first_day, excluded.first_day)
"""


def record_success(
    connection: Connection, kind: FactKind, subject_id: int, at: datetime, now: datetime, first_day: date | None = None
) -> None:
    """It was told, at GitHub's moment *at*; by our clock it is due again after its cadence."""
    _upsert_state(
        connection, kind, subject_id, state="stored", captured_at=at, due_at=now + kind.interval, first_day=first_day
    )


def record_failure(
    connection: Connection,
    kind: FactKind,
    subject_id: int,
    state: FactState,
    due_at: datetime,
    failed_attempts: int,
    reason: str,
) -> None:
    _upsert_state(
        connection, kind, subject_id, state=state, due_at=due_at, failed_attempts=failed_attempts, reason=reason
    )


def lock_and_get_last_read_at(connection: Connection, kind: FactKind, subject_id: int) -> datetime | None:
    """When GitHub last told; the subject is locked until the transaction ends, so that readings come one by one."""
    subject, table = ("account_id", "account") if kind.is_per_user else ("repository_id", "repository")
    connection.execute(text(f"SELECT id FROM {table} WHERE id = :id FOR NO KEY UPDATE"), {"id": subject_id})  # noqa: S608
    at: datetime | None = connection.scalar(
        text(f"SELECT captured_at FROM enrichment WHERE kind = :kind AND {subject} = :id"),  # noqa: S608
        {"kind": kind.name, "id": subject_id},
    )
    return at


def was_ever_read(connection: Connection, kind: str) -> bool:
    """Whether this kind was ever read of anything."""
    return bool(
        connection.scalar(
            text("SELECT EXISTS (SELECT FROM enrichment WHERE kind = :kind AND captured_at IS NOT NULL)"),
            {"kind": endpoint_kind(kind)},
        )
    )


def record_missing_endpoint(connection: Connection, kind: str, api_root: str, now: datetime) -> None:
    """This server does not tell this kind of anything: ask again tomorrow, not each time."""
    connection.execute(
        text(
            "INSERT INTO missing_endpoint (kind, api_root, detected_at, retry_at)"
            " VALUES (:kind, :root, :now, :again)"
            " ON CONFLICT (kind, api_root) DO UPDATE SET retry_at = excluded.retry_at"
        ),
        {"kind": endpoint_kind(kind), "root": api_root, "now": now, "again": now + MISSING_ENDPOINT_RETRY_DELAY},
    )


def _upsert_state(connection: Connection, kind: FactKind, subject_id: int, **values: Any) -> None:
    given = {"captured_at": None, "failed_attempts": 0, "reason": None, "first_day": None} | values
    subject = "account_id" if kind.is_per_user else "repository_id"
    connection.execute(text(UPSERT_STATE.format(subject=subject)), given | {"kind": kind.name, "id": subject_id})
