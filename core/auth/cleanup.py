"""Delete expired tickets at once, and sessions 30 days after their end."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

SESSION_RETENTION = timedelta(days=30)


def delete_expired(connection: Connection, now: datetime) -> int:
    """Delete expired rows and return their number; safe to repeat."""
    tickets = connection.execute(text("DELETE FROM ticket WHERE expires_at <= :now"), {"now": now}).rowcount
    sessions = connection.execute(
        text("DELETE FROM session WHERE least(expires_at, revoked_at) < :before"), {"before": now - SESSION_RETENTION}
    ).rowcount
    return tickets + sessions
