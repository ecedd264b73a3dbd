"""What became of a session."""

from uuid import UUID

from sqlalchemy import text

from core.db.engine import transaction


def session_end_reason(session_id: UUID) -> str | None:
    """The word under which the session was ended; None when it ran out by itself, or never was."""
    with transaction() as connection:
        reason: str | None = connection.scalar(
            text("SELECT revoked_reason FROM session WHERE id = :id"), {"id": session_id}
        )
    return reason
