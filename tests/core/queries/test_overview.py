"""The whole: what is tracked, how fresh, what moved, what changed."""

from datetime import date, timedelta

from sqlalchemy import insert, update

from core.db import schema
from core.queries import coverage, overview
from tests import holdings
from tests.holdings import moment

NOW = moment("2026-03-10 12:00")


def track(database, login: str, **values: object) -> int:
    account = holdings.account(database, login)
    database.execute(insert(schema.tracked_account).values(account_id=account, **values))
    return account


def test_an_empty_almanac_counts_nothing(database):
    assert overview.tracking(NOW)["tracked"] == 0
    assert overview.held()["repositories"] == 0
    assert overview.reference(None) is None
    assert overview.movers(None, 30).empty
    assert overview.freshness(NOW).empty
    assert coverage.data_state(NOW, in_the_past=False) == {"newest_look": None, "coverage": None}


def test_tracking_tells_apart_due_paused_queued_and_failing(database):
    track(database, "due", due_at=NOW - timedelta(hours=1))
    track(database, "later", due_at=NOW + timedelta(hours=1), failures=2)
    track(database, "resting", due_at=NOW - timedelta(hours=1), paused=True)
    track(database, "going", due_at=NOW - timedelta(hours=1), queued_at=NOW)
    told = overview.tracking(NOW)
    assert told == {
        "tracked": 4,
        "paused": 1,
        "due": 1,
        "queued": 1,
        "failing": 1,
        "next_due_at": NOW + timedelta(hours=1),
    }


def test_an_account_is_stale_after_twice_its_own_cadence(database):
    for login, hours, every in (("quick", 13, None), ("slow", 13, timedelta(days=1)), ("never", None, None)):
        account = track(database, login, every=every)
        if hours:
            database.execute(
                update(schema.account)
                .where(schema.account.c.id == account)
                .values(checked_at=NOW - timedelta(hours=hours))
            )
    states = overview.freshness(NOW).set_index("login")["state"].to_dict()
    assert states == {"quick": "stale", "slow": "fresh", "never": "never"}


def test_movers_are_compared_up_to_the_newest_look(database):
    """An import that ended long ago says nothing about this month."""
    fresh = holdings.repository(database, "octo/cat", {"2026-03-01": 100}, growth={30: 5})
    database.execute(
        update(schema.repository_current)
        .where(schema.repository_current.c.repository_id == fresh)
        .values(growth_as_of=moment("2026-03-10"))
    )
    holdings.imported(database, "old/fame", {"2025-01-01": 1000}, growth={30: 900})
    assert overview.reference(None) == moment("2026-03-10")
    found = overview.movers(None, 30)
    assert found[["full_name", "growth", "compared"]].to_numpy().tolist() == [["octo/cat", 5, 1]]


def test_movers_of_an_import_alone_are_those_of_its_last_days(database):
    holdings.imported(database, "old/fame", {"2025-01-01": 1000}, growth={30: 900})
    holdings.imported(database, "older/fame", {"2024-01-01": 1000}, growth={30: 950})
    assert overview.movers(None, 30)["full_name"].tolist() == ["old/fame"]


def test_movers_of_a_day_in_the_past_are_computed_from_what_was_known_then(database):
    holdings.imported(database, "octo/cat", {"2025-01-05": 10, "2025-02-02": 40, "2025-06-01": 9000})
    holdings.imported(database, "octo/new", {"2025-02-02": 500})
    found = overview.movers(moment("2025-02-05"), 7 * 4)
    assert found[["full_name", "growth"]].to_numpy().tolist() == [["octo/cat", 30]]


def test_a_change_long_ago_is_still_the_base_of_our_own_growth(database):
    holdings.repository(database, "octo/cat", {"2025-01-01": 10, "2026-03-01": 60})
    found = overview.movers(moment("2026-03-02"), 30)
    assert found["growth"].tolist() == [50]


def test_changes_come_newest_first_and_not_from_the_future(database):
    cat = holdings.repository(database, "octo/cat", {"2026-01-01": 1})
    holdings.changed(database, cat, "archived", "2026-01-05")
    holdings.changed(database, cat, "restored", "2026-02-05")
    assert overview.changes(None)["kind"].tolist() == ["restored", "archived"]
    assert overview.changes(moment("2026-01-06"))["kind"].tolist() == ["archived"]


def test_the_course_adds_up_each_source_by_itself(database):
    elsewhere = holdings.source(database, "weekly list")
    for day, source, language, stars in (
        (date(2026, 1, 1), 1, "C", 1),
        (date(2026, 1, 1), 1, "", 2),
        (date(2026, 1, 1), elsewhere, "C", 100),
    ):
        database.execute(
            insert(schema.language_day).values(
                day=day, source_id=source, language=language, stars=stars, repositories=1
            )
        )
    course = overview.course(moment("2026-02-01"))
    assert course[["source", "stars", "languages"]].to_numpy().tolist() == [["GitHub", 3, 1], ["weekly list", 100, 1]]


def test_coverage_is_the_share_of_days_with_a_look_since_the_first(database):
    octo = track(database, "octo")
    for day in ("2026-03-01", "2026-03-01 06:00", "2026-03-03", "2026-03-04"):
        database.execute(insert(schema.capture).values(account_id=octo, captured_at=moment(day)))
    told = coverage.data_state(moment("2026-03-04 23:00"), in_the_past=False)
    assert told["coverage"] == 0.75


def test_the_newest_look_of_the_past_is_of_the_past(database):
    holdings.repository(database, "octo/cat", {"2026-01-01": 1, "2026-03-01": 2})
    assert coverage.data_state(NOW, in_the_past=False)["newest_look"] == moment("2026-03-01")
    assert coverage.data_state(moment("2026-02-01"), in_the_past=True)["newest_look"] == moment("2026-01-01")


def test_what_is_gone_moves_no_more(database):
    lost = holdings.imported(database, "octo/lost", {"2025-01-01": 10}, growth={30: 5}, gone_at=moment("2024-12-31"))
    assert lost
    assert overview.movers(None, 30).empty
