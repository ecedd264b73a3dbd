"""The leading scheduler deletes expired sign-ins at its start and every hour."""

from datetime import UTC, datetime

from sqlalchemy import Engine, text

from ingest.scheduler import ScheduledJobs, build_scheduler

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_expired_sign_ins_are_deleted_every_hour(committing_database: Engine) -> None:
    with committing_database.begin() as connection:
        connection.execute(
            text("INSERT INTO ticket (hash, purpose, expires_at) VALUES ('over', 'reset', :now)"), {"now": NOW}
        )
        connection.execute(
            text("INSERT INTO ticket (hash, purpose, expires_at) VALUES ('good', 'reset', :now + interval '1 hour')"),
            {"now": NOW},
        )
    scheduled = ScheduledJobs(committing_database, lambda: NOW)
    job = build_scheduler(scheduled, lambda: True).get_job("delete_expired_sessions")
    assert job.trigger.interval.total_seconds() == 3_600
    job.func()
    with committing_database.connect() as connection:
        assert [bytes(found) for found in connection.scalars(text("SELECT hash FROM ticket"))] == [b"good"]
