"""History is closed month by month; whoever writes older rows reopens it, and reads are the same all the while."""

from contextlib import nullcontext
from datetime import date, timedelta

from sqlalchemy import Connection, insert, select, text

from core.db import schema
from core.db.frames import frame_cache
from core.queries import coverage, repository_detail
from ingest.history_import import adopt
from ingest.refresh import closed_history, writer
from tests.seed_data import add_account, add_imported_repository, add_repository, utc

UNTIL = utc("2026-03-10 12:00")
CLOSED_UNTIL = select(schema.source.c.closed_until).where(schema.source.c.id == 1)


def close(database: Connection, until: str) -> int:
    return closed_history.close_own_history(lambda: nullcontext(database), utc(until))


def refreshed(days: int = 12) -> dict[str, int]:
    frame_cache.clear()
    frame = coverage.daily_coverage(UNTIL, days)
    return {day[5:]: int(count) for day, count in zip(frame["day"], frame["refreshed"], strict=True) if count}


def add_tracked_account(database: Connection, login: str, *days: str, **values: object) -> int:
    account = add_account(database, login)
    database.execute(insert(schema.tracked_account).values(account_id=account, **values))
    for day in days:
        database.execute(insert(schema.capture).values(account_id=account, captured_at=utc(f"2026-{day}")))
    return account


def test_coverage_is_the_same_when_days_are_closed(database):
    """Two refreshes on 1 March count once; those of paused and untracked accounts not at all, closed or not."""
    add_tracked_account(database, "octo", "02-28", "03-01 06:00", "03-01 09:00", "03-09", "03-10 13:00")
    add_tracked_account(database, "hooli", "03-01", "03-10")
    add_tracked_account(database, "resting", "03-01", "03-02", paused=True)
    other = add_account(database, "dropped")
    database.execute(insert(schema.capture).values(account_id=other, captured_at=utc("2026-03-09")))
    expected = {"02-28": 1, "03-01": 2, "03-09": 1, "03-10": 1}
    assert refreshed() == expected
    for until in ("2026-03-01", "2026-03-09", "2026-03-10", "2026-03-11"):
        close(database, until)
        assert refreshed() == expected
    days = schema.capture_day
    assert database.scalar(select(days.c.accounts).where(days.c.day == date(2026, 3, 1))) == 3


def test_a_late_capture_reopens_what_is_closed(database):
    """Closed up to 10 March, a refresh of 5 March arrives: its day and stars count at once, and when closed again."""
    octo = add_tracked_account(database, "octo", "03-01", "03-09")
    id_ = add_repository(database, "octo/cat", {"2026-02-20": 10, "2026-03-01": 12})
    assert close(database, "2026-03-10") == 2  # February and March
    assert close(database, "2026-03-10") == 0
    at = utc("2026-03-05 08:00")
    writer.write_snapshots(database, [(id_, at, 15, 0, 10)])
    writer.write_capture(database, octo, at, 1, timedelta(hours=6))
    assert database.scalar(CLOSED_UNTIL) == at
    for _ in range(2):
        frame_cache.clear()
        assert refreshed()["03-05"] == 1
        seen = [repository_detail.by_id(id_, utc(f"2026-03-{day}"))["stars"].tolist() for day in ("04", "06", "10")]
        assert seen == [[12], [15], [15]]
        close(database, "2026-03-10")
    assert database.scalar(CLOSED_UNTIL) == utc("2026-03-10")


def test_a_refresh_before_anything_was_closed_closes_nothing(database):
    octo = add_tracked_account(database, "octo")
    database.execute(text("UPDATE source SET closing_until = '2026-03-10+00' WHERE id = 1"))
    writer.write_capture(database, octo, utc("2026-03-05"), 1, timedelta(hours=6))
    assert database.scalar(CLOSED_UNTIL) is None


def test_adopted_history_is_read_from_its_repository_in_closed_months(database):
    named = add_imported_repository(database, "octo/cat", {"2026-01-05": 3, "2026-02-09": 5})
    source_id = database.scalar(select(schema.source.c.id).where(schema.source.c.id != 1))
    closed_history.close_imported_history(database, source_id)
    real = add_repository(database, "octo/cat", {"2026-03-01": 9}, github_id=7, created_at=utc("2025-12-01"))
    assert adopt.adopt_imported_history(database, [real]) == [real]
    for at, stars in (("2026-01-04", []), ("2026-01-31", [3]), ("2026-02-20", [5]), ("2026-03-02", [9])):
        frame_cache.clear()
        assert repository_detail.by_id(real, utc(at))["stars"].tolist() == stars
    months = schema.repository_month
    assert set(database.scalars(select(months.c.repository_id))) == {real}
    assert named != real
