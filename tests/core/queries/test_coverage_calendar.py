"""Daily coverage: refreshed accounts over those tracked that day."""

from sqlalchemy import Connection, insert

from core.db import schema
from core.queries import ingestions
from tests.seed_data import add_account, utc

UNTIL = utc("2026-03-10 23:59")


def add_tracked_account(database: Connection, login: str, since: str, *looks: str) -> None:
    one = add_account(database, login)
    database.execute(insert(schema.tracked_account).values(account_id=one, added_at=utc(since)))
    for look in looks:
        database.execute(insert(schema.capture).values(account_id=one, captured_at=utc(look)))


def test_each_day_has_its_share_and_days_before_tracking_have_none(database):
    add_tracked_account(
        database, "octo", "2026-03-08 09:00", "2026-03-08 10:00", "2026-03-08 11:00", "2026-03-10 10:00"
    )
    add_tracked_account(database, "cat", "2026-03-09 09:00", "2026-03-10 10:00")
    found = ingestions.daily_coverage(UNTIL, 4)
    assert found["refreshed"].tolist() == [0, 1, 0, 2]
    assert found["tracked"].tolist() == [0, 1, 2, 2]
    assert found["share"].isna().tolist() == [True, False, False, False]
    assert found["share"].dropna().tolist() == [1, 0, 1]


def test_imported_captures_do_not_count_as_refreshes(database):
    add_tracked_account(database, "octo", "2026-03-08")
    other = database.scalar(insert(schema.source).values(name="elsewhere").returning(schema.source.c.id))
    database.execute(
        insert(schema.capture).values(
            account_id=add_account(database, "octo"), captured_at=utc("2026-03-09"), source_id=other
        )
    )
    assert ingestions.daily_coverage(UNTIL, 3)["refreshed"].tolist() == [0, 0, 0]
