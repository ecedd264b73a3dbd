"""Daily work: done once for each day, at 00:10 UTC or as soon after as a scheduler runs."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

# After midnight, so that the day before is complete.
TIME_OF_DAY = timedelta(minutes=10)


def latest_start(now: datetime) -> datetime:
    """Return the last time before *now* (UTC) at which daily work was to be done."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0) + TIME_OF_DAY
    return today if today <= now else today - timedelta(days=1)


def start(connection: Connection, now: datetime) -> bool:
    """Record that the daily work is done in *connection*'s transaction; False if it was done already.

    It counts as done when the transaction commits. A time in the future was written by a wrong clock: it is ignored.
    """
    return bool(
        connection.execute(
            text("""
                INSERT INTO daily_work (done_at) VALUES (:now)
                ON CONFLICT (singleton) DO UPDATE SET done_at = excluded.done_at
                 WHERE daily_work.done_at < :latest OR daily_work.done_at > :now
            """),
            {"now": now, "latest": latest_start(now)},
        ).rowcount
    )
