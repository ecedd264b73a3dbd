"""What is over goes, and nothing else."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from core.auth import sessions, tickets
from core.auth.expire import delete_expired
from tests.core.auth.conftest import ORIGIN, AddPerson


def test_tickets_that_are_over_and_sessions_of_long_ago_are_deleted(add: AddPerson, database: Connection) -> None:
    ada, now = add(), datetime.now(UTC)
    tickets.issue_sign_in(ada.id, "over", now - timedelta(minutes=1))
    good = tickets.issue_sign_in(ada.id, "good", now)
    long_over = sessions.start(ada.id, ORIGIN, now - timedelta(days=38))
    lately_over = sessions.start(ada.id, ORIGIN, now - timedelta(days=36))
    live = sessions.start(ada.id, ORIGIN, now)
    long_revoked, lately_revoked = (sessions.start(ada.id, ORIGIN, now) for _ in range(2))
    for given, days in ((long_revoked, 31), (lately_revoked, 29)):
        database.execute(
            text("UPDATE session SET revoked_at = :at WHERE id = :id"),
            {"at": now - timedelta(days=days), "id": given.session_id},
        )
    assert delete_expired(database, now) == 3
    assert delete_expired(database, now) == 0
    kept = set(database.scalars(text("SELECT id FROM session")))
    assert kept == {lately_over.session_id, live.session_id, lately_revoked.session_id}
    assert long_over.session_id not in kept
    assert tickets.redeem_sign_in(good, "good") == ada.id
