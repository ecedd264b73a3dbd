"""Why a session ended."""

from uuid import UUID

from sqlalchemy import text

from core.db.engine import transaction


def session_end_reason(session_id: UUID) -> str | None:
    """Return the reason a session was revoked; None when it expired or never existed."""
    with transaction() as connection:
        reason: str | None = connection.scalar(
            text("SELECT revoked_reason FROM session WHERE id = :id"), {"id": session_id}
        )
    return reason
