"""One definition of "on time", whoever asks: the frame, the system page, `/metrics`, the alert rule and the check."""

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from core.db import schema
from core.launcher import check
from core.queries import freshness, metrics, overview, system
from core.queries.freshness import FreshnessCounts
from core.settings import settings
from core.web.routes import metrics as metrics_route
from ingest.alerts import evaluate
from ingest.planning import due_accounts
from tests import seed_data
from tests.seed_data import utc

NOW = utc("2026-03-10 12:00")
SIX_HOURS = timedelta(hours=6)  # REFRESH_EVERY


def add_tracked_account(
    database, login: str, age: timedelta | None, *, is_deleted: bool = False, **values: object
) -> int:
    """Track an account whose last capture is *age* old; None: it has none."""
    account = seed_data.add_account(
        database, login, checked_at=None if age is None else NOW - age, gone_at=NOW if is_deleted else None
    )
    database.execute(insert(schema.tracked_account).values(account_id=account, **values))
    return account


def states() -> dict[str, str]:
    return freshness.account_freshness(NOW).set_index("login")["state"].to_dict()


def test_an_account_is_on_time_until_two_of_its_own_intervals_have_passed(database):
    """The default is 6 h: 12 h are on time, a second more is not. A cadence of its own beats the planned one."""
    second, hour, day = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
    add_tracked_account(database, "in-time", 2 * SIX_HOURS)
    add_tracked_account(database, "late", 2 * SIX_HOURS + second)
    add_tracked_account(database, "own", 2 * day, cadence=day, planned_cadence=hour)
    add_tracked_account(database, "planned", 2 * hour + second, planned_cadence=hour)
    add_tracked_account(database, "never", None)
    add_tracked_account(database, "resting", 900 * SIX_HOURS, paused=True)
    add_tracked_account(database, "gone", 900 * SIX_HOURS, is_deleted=True, failures=40)
    assert states() == {
        "in-time": "on_time",
        "late": "overdue",
        "own": "on_time",
        "planned": "overdue",
        "never": "never",
        "resting": "paused",
        "gone": "deleted",
    }
    assert system.freshness_counts(NOW) == FreshnessCounts(tracked=5, on_time=2, overdue=2, never=1, failing=0)


def test_accounts_that_are_late_or_fail_can_be_asked_for_alone(database):
    add_tracked_account(database, "in-time", SIX_HOURS)
    add_tracked_account(database, "late", 3 * SIX_HOURS)
    add_tracked_account(database, "never", None)
    add_tracked_account(database, "failing", SIX_HOURS, failures=2)
    add_tracked_account(database, "resting", 900 * SIX_HOURS, paused=True)
    add_tracked_account(database, "resting-failing", 900 * SIX_HOURS, paused=True, failures=1)
    add_tracked_account(database, "gone", 900 * SIX_HOURS, is_deleted=True, failures=40)
    late = freshness.account_freshness(NOW, only_late=True)["login"].tolist()
    assert late == ["never", "resting-failing", "late", "failing"]


def test_accounts_that_keep_failing_raise_the_alert(database):
    """3 of 7 are ten days old. Each attempt moved when they are due, into the future: 4 / 7 is less than 90 %."""
    for n in range(7):
        account = add_tracked_account(database, f"a{n}", timedelta(days=10) if n < 3 else timedelta(hours=1))
        if n < 3:
            for _ in range(12):
                due_accounts.record_failure(database, account, NOW, SIX_HOURS, None, random.Random(1))
    assert database.scalar(text("SELECT count(*) FROM tracked_account WHERE due_at > :now"), {"now": NOW}) >= 3
    assert evaluate.update_state_alerts(database, (), NOW, SIX_HOURS) == (1, 0)
    message = database.scalar(text("SELECT message FROM alert"))
    assert message == "3 of 7 tracked accounts were not refreshed on time"
    assert system.freshness_counts(NOW) == FreshnessCounts(tracked=7, on_time=4, overdue=3, never=0, failing=3)


def test_deleted_accounts_raise_no_alert(database):
    """Two of three are gone from GitHub, and asked for once a day in vain: the third is on time, 1 / 1."""
    add_tracked_account(database, "in-time", timedelta(hours=1))
    for login in ("gone", "private"):
        add_tracked_account(database, login, timedelta(days=90), is_deleted=True, failures=90)
    assert evaluate.update_state_alerts(database, (), NOW, SIX_HOURS) == (0, 0)


def test_the_alert_speaks_of_one_account_in_the_singular():
    fired = list(evaluate.check_freshness(1, 0.9, FreshnessCounts(tracked=1, on_time=0, overdue=1, never=0, failing=0)))
    assert [one.message for one in fired] == ["1 of 1 tracked account was not refreshed on time"]


def test_without_accounts_there_is_no_share_and_no_alert(database):
    assert system.freshness_counts(NOW).share_on_time is None
    assert evaluate.update_state_alerts(database, (), NOW, SIX_HOURS) == (0, 0)


ACCOUNTS = st.lists(
    st.fixed_dictionaries(
        {
            "age_minutes": st.none() | st.integers(0, 5_000),
            "cadence_minutes": st.none() | st.integers(1, 3_000),
            "planned_minutes": st.none() | st.integers(1, 3_000),
            "paused": st.booleans(),
            "is_deleted": st.booleans(),
            "failures": st.integers(0, 3),
            "due_minutes": st.integers(-5_000, 5_000),
        }
    ),
    max_size=12,
)


def minutes(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(minutes=count)


@given(accounts=ACCOUNTS)
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frame_system_metrics_alert_and_check_agree_with_counting_one_by_one(database, accounts):
    with database.begin_nested() as savepoint:
        counted = dict.fromkeys(("tracked", "on_time", "overdue", "never", "failing", "never_failing"), 0)
        for n, one in enumerate(accounts):
            add_tracked_account(
                database,
                f"a{n}",
                minutes(one["age_minutes"]),
                cadence=minutes(one["cadence_minutes"]),
                planned_cadence=minutes(one["planned_minutes"]),
                paused=one["paused"],
                is_deleted=one["is_deleted"],
                failures=one["failures"],
                due_at=NOW + timedelta(minutes=one["due_minutes"]),
            )
            if one["paused"] or one["is_deleted"]:
                continue
            interval = one["cadence_minutes"] or one["planned_minutes"] or 360
            state = (
                "never" if one["age_minutes"] is None else "overdue" if one["age_minutes"] > 2 * interval else "on_time"
            )
            counted["tracked"] += 1
            counted[state] += 1
            counted["failing"] += one["failures"] > 0
            counted["never_failing"] += state == "never" and one["failures"] > 0

        expected = FreshnessCounts(**counted)
        assert system.freshness_counts(NOW) == expected
        shown = overview.counted_accounts(freshness.account_freshness(NOW))["state"].tolist()
        assert len(shown) == expected.tracked
        assert {name: shown.count(name) for name in ("on_time", "overdue", "never")} == {
            name: counted[name] for name in ("on_time", "overdue", "never")
        }
        assert freshness.freshness_counts(database, NOW, settings().refresh_every) == expected
        fired = list(evaluate.check_freshness(1, 0.9, expected))
        assert bool(fired) == (expected.tracked > 0 and counted["on_time"] / expected.tracked < 0.9)
        assert [one.details for one in fired] == [{"accounts": expected.tracked, "late": expected.late}] * len(fired)
        ages = [
            one["age_minutes"] * 60.0
            for one in accounts
            if not one["paused"] and not one["is_deleted"] and one["age_minutes"] is not None
        ]
        quantiles = metrics.refresh_age_quantiles(NOW)
        assert bool(quantiles) == bool(ages)
        assert all(min(ages) <= age <= max(ages) for age in quantiles.values())
        savepoint.rollback()


def test_metrics_count_each_account_once(database, monkeypatch):
    class Clock:
        @staticmethod
        def now(_zone: object) -> object:
            return NOW

    add_tracked_account(database, "in-time", SIX_HOURS)
    add_tracked_account(database, "late", 3 * SIX_HOURS, failures=1)
    add_tracked_account(database, "never", None)
    monkeypatch.setattr(metrics_route, "datetime", Clock)
    found = {metric.name: metric for metric in metrics_route.postgres_metrics()}
    samples = {one.labels["freshness"]: one.value for one in found["almanac_tracked_accounts"].samples}
    assert samples == {"on_time": 1, "overdue": 1, "never_refreshed": 1}
    assert [one.value for one in found["almanac_tracked_accounts_failing"].samples] == [1]


@pytest.fixture
def check_freshness(committing_database, monkeypatch):
    """Run the check of `python -m core check` at NOW."""

    class Clock:
        @staticmethod
        def now(_zone: object) -> object:
            return NOW

    monkeypatch.setattr(check, "datetime", Clock)
    url = committing_database.url.render_as_string(hide_password=False)
    return lambda: check._run_check("freshness", lambda: check._check_freshness(url, settings()))


def test_the_check_fails_when_more_than_a_tenth_is_overdue(committing_database, check_freshness):
    assert check_freshness() == check.CheckResult("freshness", is_ok=True, message="no account is tracked")
    with committing_database.begin() as connection:
        for n in range(9):
            add_tracked_account(connection, f"a{n}", SIX_HOURS)
        add_tracked_account(connection, "late", timedelta(days=10), failures=4)
    found = check_freshness()
    assert (found.is_ok, found.message) == (True, "9 of 10 tracked accounts on time, 1 overdue, 1 failing")
    with committing_database.begin() as connection:
        add_tracked_account(connection, "later", timedelta(days=10))
    found = check_freshness()
    assert (found.is_ok, found.message) == (False, "9 of 11 tracked accounts on time, 2 overdue, 1 failing")


def test_accounts_that_wait_for_their_first_refresh_do_not_fail_the_check(committing_database, check_freshness):
    with committing_database.begin() as connection:
        add_tracked_account(connection, "new", None)
    found = check_freshness()
    assert (found.is_ok, found.message) == (True, "0 of 1 tracked account on time, 1 never refreshed")


def test_accounts_whose_first_refresh_fails_fail_the_check(committing_database, check_freshness):
    """As where GitHub cannot be reached: nothing is ever overdue."""
    with committing_database.begin() as connection:
        add_tracked_account(connection, "new", None, failures=2)
    found = check_freshness()
    assert (found.is_ok, found.message) == (
        False,
        "0 of 1 tracked account on time, 1 never refreshed, 1 failing",
    )
