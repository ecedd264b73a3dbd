"""When a person visited before: pages opened with pauses of less than half an hour are one visit."""

from datetime import datetime, timedelta

from core.db.engine import optional_write, read_rows, transaction
from core.db.statement import text

MAX_PAUSE = timedelta(minutes=30)
RECORD_INTERVAL = timedelta(minutes=1)


def record_page(person_id: int, now: datetime) -> datetime | None:
    """Note that the person opens a page *now*, and return when their visit before this one ended; None without one.

    At most one row is written a minute; a database that only reads records nothing.
    """
    values = {"id": person_id, "now": now}
    sql = text("SELECT page_opened_at, visit_ended_at FROM person WHERE id = :id")
    row = read_rows(lambda connection: connection.execute(sql, values).one_or_none())
    if row is None:
        return None
    opened: datetime | None = row.page_opened_at
    ended: datetime | None = row.visit_ended_at
    if opened is not None and now - opened >= MAX_PAUSE:
        ended = opened
    if opened is None or now - opened >= RECORD_INTERVAL:
        with transaction() as connection, optional_write(connection):
            connection.execute(
                text("UPDATE person SET page_opened_at = :now, visit_ended_at = :ended WHERE id = :id"),
                {**values, "ended": ended},
            )
    return ended
