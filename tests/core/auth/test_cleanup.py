"""Only expired tickets and old sessions are deleted."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from core.auth import sessions, tickets
from core.auth.cleanup import delete_expired
from tests.core.auth.conftest import ORIGIN, AddPerson


def test_expired_tickets_and_old_sessions_are_deleted(add: AddPerson, database: Connection) -> None:
    ada, now = add(), datetime.now(UTC)
    tickets.issue_sign_in(ada.id, "over", now - timedelta(minutes=1))
    good = tickets.issue_sign_in(ada.id, "good", now)
    long_expired = sessions.start(ada.id, ORIGIN, now - timedelta(days=38))
    lately_expired = sessions.start(ada.id, ORIGIN, now - timedelta(days=36))
    live = sessions.start(ada.id, ORIGIN, now)
    long_revoked, lately_revoked = (sessions.start(ada.id, ORIGIN, now) for _ in range(2))
    for started, days in ((long_revoked, 31), (lately_revoked, 29)):
        database.execute(
            text("UPDATE session SET revoked_at = :at WHERE id = :id"),
            {"at": now - timedelta(days=days), "id": started.session_id},
        )
    assert delete_expired(database, now) == 3
    assert delete_expired(database, now) == 0
    remaining = set(database.scalars(text("SELECT id FROM session")))
    assert remaining == {lately_expired.session_id, live.session_id, lately_revoked.session_id}
    assert long_expired.session_id not in remaining
    assert tickets.redeem_sign_in(good, "good") == ada.id
