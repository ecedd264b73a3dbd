"""What is over is deleted after a while: tickets at once, sessions when nobody asks about them any more."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

SESSION_RETENTION = timedelta(days=30)


def delete_expired(connection: Connection, now: datetime) -> int:
    """Delete them; safe to repeat. Returns how many rows went."""
    tickets = connection.execute(text("DELETE FROM ticket WHERE expires_at <= :now"), {"now": now}).rowcount
    sessions = connection.execute(
        text("DELETE FROM session WHERE least(expires_at, revoked_at) < :before"), {"before": now - SESSION_RETENTION}
    ).rowcount
    return tickets + sessions
