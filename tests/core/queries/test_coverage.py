"""Coverage: the share of tracked account-days with a refresh, each from its first; the calendar adds up to it."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert

from core.as_of import end_of_day
from core.db import schema
from core.db.frames import clear_frames
from core.queries import coverage
from tests.seed_data import add_account, add_imported_repository, add_repository

TODAY = date(2026, 3, 31)
UNTIL = end_of_day(TODAY)


def add_tracked_account(database: Connection, login: str, *refreshes: datetime, **values: object) -> int:
    account = add_account(database, login)
    database.execute(insert(schema.tracked_account).values(account_id=account, **values))
    add_refreshes(database, account, *refreshes)
    return account


def add_refreshes(database: Connection, account: int, *refreshes: datetime) -> None:
    for at in refreshes:
        database.execute(insert(schema.capture_open).values(account_id=account, captured_at=at))
        last = func.greatest(schema.account.c.checked_at, at)
        database.execute(schema.account.update().where(schema.account.c.id == account).values(checked_at=last))


def days_ago(*counts: int) -> list[datetime]:
    return [datetime(2026, 3, 31, 9, tzinfo=UTC) - timedelta(days=count) for count in counts]


def installation_coverage(until: datetime = UNTIL) -> float | None:
    return coverage.freshness_and_coverage(until).coverage


def test_accounts_captured_on_30_4_0_and_4_of_30_days_are_covered_to_31_percent(database):
    """(30 + 4 + 0 + 4) of 4 × 30 account-days: 38 / 120. All were first captured before these 30 days."""
    add_tracked_account(database, "daily", *days_ago(*range(40)))
    add_tracked_account(database, "lately", *days_ago(0, 1, 2, 3, 90))
    add_tracked_account(database, "long-ago", *days_ago(40, 41, 42))
    add_tracked_account(database, "now-and-then", *days_ago(5, 11, 17, 23, 30, 60))
    assert installation_coverage() == 38 / 120


def test_days_before_an_account_was_first_refreshed_do_not_count(database):
    """30 of 30 days, and 3 of the 4 days since the first: 33 / 34. An account without any refresh counts nothing."""
    add_tracked_account(database, "daily", *days_ago(*range(30)))
    add_tracked_account(database, "new", *days_ago(3, 1, 0))
    add_tracked_account(database, "waiting")
    assert installation_coverage() == 33 / 34


def test_paused_deleted_and_untracked_accounts_do_not_count(database):
    add_tracked_account(database, "daily", *days_ago(*range(30)))
    add_tracked_account(database, "resting", *days_ago(29), paused=True)
    gone = add_tracked_account(database, "gone", *days_ago(29))
    database.execute(schema.account.update().where(schema.account.c.id == gone).values(gone_at=days_ago(28)[0]))
    add_refreshes(database, add_account(database, "dropped"), *days_ago(29))
    assert installation_coverage() == 1


def test_several_refreshes_on_a_day_count_once_and_imported_captures_do_not(database):
    add_tracked_account(database, "octo", *days_ago(1), *days_ago(1.25))
    add_imported_repository(database, "octo/cat", {"2026-03-31": 5})
    assert installation_coverage() == 1 / 2


def test_without_any_refresh_there_is_no_coverage(database):
    add_tracked_account(database, "waiting")
    assert installation_coverage() is None
    assert coverage.daily_coverage(UNTIL, 3)["share"].isna().all()


def test_as_of_a_day_later_refreshes_do_not_count(database):
    """On 28 March: 1 of 2 days. The account's other refreshes come later."""
    add_tracked_account(database, "octo", *days_ago(4, 2, 1, 0))
    assert installation_coverage(end_of_day(date(2026, 3, 28))) == 1 / 2


def test_as_of_a_day_the_last_refresh_is_the_last_capture_not_the_last_change(database):
    """Nothing changed since 1 January; the account was refreshed on 28 March and again today."""
    add_repository(database, "octo/cat", {"2026-01-01": 5})
    add_refreshes(database, add_account(database, "octo"), *days_ago(3, 0))
    assert coverage.freshness_and_coverage(end_of_day(date(2026, 3, 30))).latest_capture_at == days_ago(3)[0]


def test_each_day_of_the_calendar_has_its_share(database):
    add_tracked_account(database, "octo", *days_ago(2, 0))
    add_tracked_account(database, "cat", *days_ago(1, 0))
    found = coverage.daily_coverage(UNTIL, 4)
    assert found["day"].astype(str).tolist() == ["2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31"]
    assert found["refreshed"].tolist() == [0, 1, 1, 2]
    assert found["accounts"].tolist() == [0, 1, 2, 2]
    assert found["share"].isna().tolist() == [True, False, False, False]
    assert found["share"].dropna().tolist() == [1, 0.5, 1]


def test_one_account_has_the_same_coverage_on_its_page_tracked_or_not(database):
    octo = add_tracked_account(database, "octo", *days_ago(3, 0))
    dropped = add_account(database, "dropped")
    add_refreshes(database, dropped, *days_ago(40))
    imported = add_account(database, "imported")
    assert coverage.account_coverage(octo, UNTIL) == installation_coverage() == 2 / 4
    assert coverage.account_coverage(dropped, UNTIL) == 0
    assert coverage.account_coverage(imported, UNTIL) is None


HISTORIES = st.lists(
    st.fixed_dictionaries(
        {
            "runs": st.lists(st.tuples(st.integers(0, 1_700), st.integers(0, 300), st.integers(2, 40)), max_size=3),
            "tracking": st.sampled_from(["tracked", "tracked", "paused", "removed"]),
            "failures": st.integers(0, 5),
        }
    ),
    max_size=4,
)
"""Accounts refreshed in runs: so many hours before the end, for so many hours, every so many hours. Between the runs
the account rested, failed, or was not there yet."""


@given(histories=HISTORIES, days=st.integers(1, 40), until_hours=st.integers(0, 900))
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_coverage_agrees_with_asking_day_by_day_and_account_by_account(database, histories, days, until_hours):
    clear_frames()  # as a new data version would
    with database.begin_nested() as savepoint:
        end, until = UNTIL, UNTIL - timedelta(hours=until_hours)
        captured: dict[str, tuple[int, set[datetime]]] = {}
        for n, one in enumerate(histories):
            moments = {
                end - timedelta(hours=ago - hours)
                for ago, length, every in one["runs"]
                for hours in range(0, min(length, ago) + 1, every)
            }
            account = add_account(database, f"a{n}")
            add_refreshes(database, account, *sorted(moments))
            if one["tracking"] != "removed":
                row = {"account_id": account, "paused": one["tracking"] == "paused", "failures": one["failures"]}
                database.execute(insert(schema.tracked_account).values(**row))
            captured[one["tracking"] + str(n)] = (account, {at for at in moments if at <= until})

        window = [until.date() - timedelta(days=ago) for ago in range(days)]

        def counted(account_moments: list[set[datetime]]) -> float | None:
            possible = covered = 0
            for moments in account_moments:
                for day in window:
                    if any(at.date() <= day for at in moments):
                        possible += 1
                        covered += any(at.date() == day for at in moments)
            return covered / possible if possible else None

        tracked = [moments for name, (_, moments) in captured.items() if name.startswith("tracked")]
        frame = coverage.daily_coverage(until, days)
        assert [str(day)[:10] for day in frame["day"]] == [f"{day}" for day in reversed(window)]
        assert coverage.covered_share(frame) == counted(tracked)
        assert ((frame["share"].dropna() >= 0) & (frame["share"].dropna() <= 1)).all()
        window = [until.date() - timedelta(days=ago) for ago in range(coverage.WINDOW_DAYS)]
        assert installation_coverage(until) == counted(tracked)
        for account, moments in captured.values():
            assert coverage.account_coverage(account, until) == counted([moments])
        savepoint.rollback()
