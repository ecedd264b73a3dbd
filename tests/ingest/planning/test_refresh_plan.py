"""The scheduler computes a refresh plan; each refresh then computes its next interval from the shadow price."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.queries import tracking
from ingest.github.http.credentials import CredentialPool
from ingest.planning import due_accounts
from ingest.planning import refresh_plan as planner
from ingest.planning.backoff import JITTER
from ingest.planning.change_rate import ChangeObservation
from ingest.planning.rate_budget import RateBudget
from ingest.planning.refresh_plan import PlanInputs

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIX_HOURS = timedelta(hours=6)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


@pytest.fixture
def rate_budget():
    return RateBudget(CredentialPool.from_secrets(["one-token"]), None, "https://github.test")


@pytest.fixture
def anonymous_budget():
    return RateBudget(CredentialPool.from_secrets([]), None, "https://github.test")


@pytest.fixture
def engine(committing_database):
    return committing_database


def track(engine, *logins, **columns):
    """Track accounts with a long history; *columns* as in the table."""
    known = {
        "change_rate": 1.0,
        "change_rate_shape": 5.0,
        "change_rate_samples": 50,
        "stars": 100,
        "repositories": 30,
    } | columns
    with engine.begin() as connection:
        connection.execute(
            text(f"""
                WITH new AS (INSERT INTO account (login) SELECT unnest(CAST(:logins AS text[])) RETURNING id)
                INSERT INTO tracked_account (account_id, {", ".join(known)})
                SELECT id, {", ".join(f":{name}" for name in known)} FROM new
            """),
            known | {"logins": list(logins)},
        )


def latest_plan(engine):
    with engine.begin() as connection:
        return connection.execute(text("SELECT * FROM refresh_plan ORDER BY id DESC LIMIT 1")).one()


def tracked_row(engine, login):
    with engine.begin() as connection:
        return connection.execute(
            text("SELECT * FROM tracked_account JOIN account ON id = account_id WHERE login = :l"), {"l": login}
        ).one()


def record_refresh(engine, login, now, *, days=1.0, changes=10, at_least=False, stars=100):
    with engine.begin() as connection:
        observation = ChangeObservation(days, changes, at_least, stars, 30)
        account_id = connection.scalar(text("SELECT id FROM account WHERE login = :l"), {"l": login})
        due_accounts.record_successes(connection, {account_id: observation}, now, SIX_HOURS, random.Random(1))
    return tracked_row(engine, login)


def test_fast_changing_accounts_are_refreshed_more_often_for_the_same_cost(engine, rate_budget):
    track(engine, "fast", change_rate=500.0)
    track(engine, *(f"quiet-{number}" for number in range(9)), change_rate=0.05)
    assert planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)
    plan = latest_plan(engine)
    assert plan.planned_per_hour <= plan.default_cadence_per_hour * 1.000001
    fast = record_refresh(engine, "fast", NOW, changes=500)
    quiet = record_refresh(engine, "quiet-0", NOW, changes=0)
    assert HOUR <= fast.planned_cadence < SIX_HOURS < quiet.planned_cadence <= WEEK


def test_the_default_applies_until_there_are_enough_samples(engine, rate_budget):
    track(engine, "known")
    track(engine, "new", change_rate=None, change_rate_samples=0)
    planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)
    assert latest_plan(engine).without_estimate == 1
    for refreshes in range(1, 4):
        row = record_refresh(engine, "new", NOW, changes=1000)
        assert row.change_rate_samples == refreshes
        assert (row.planned_cadence is None) is (refreshes < 3)
    assert (
        abs((record_refresh(engine, "known", NOW).due_at - NOW) / tracked_row(engine, "known").planned_cadence - 1)
        <= JITTER
    )


def test_the_first_refresh_is_not_a_change_rate_sample(engine, rate_budget):
    track(engine, "new", change_rate=None, change_rate_samples=0)
    row = record_refresh(engine, "new", NOW, days=None, changes=30, stars=1000)
    assert row.change_rate_samples == 0
    assert (row.stars, row.repositories) == (1000, 30)


def test_a_pinned_interval_overrides_the_plan(engine, rate_budget):
    track(engine, "pinned", cadence=timedelta(hours=2), change_rate=0.001)
    planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)
    assert latest_plan(engine).pinned == 1
    row = record_refresh(engine, "pinned", NOW)
    assert abs((row.due_at - NOW) / timedelta(hours=2) - 1) <= JITTER


def test_a_default_below_the_floor_is_kept(engine, rate_budget):
    """`REFRESH_EVERY=2m` means two minutes."""
    track(engine, "octocat", "hubot", change_rate=50.0)
    planner.update_refresh_plan(engine, rate_budget, timedelta(minutes=2), NOW)
    assert record_refresh(engine, "octocat", NOW, changes=2).planned_cadence == timedelta(minutes=2)


def test_a_short_budget_lengthens_all_intervals_and_reports_it(engine, anonymous_budget):
    track(engine, *(f"account-{number}" for number in range(600)))
    track(engine, "wanted", priority=4)
    planner.update_refresh_plan(engine, anonymous_budget, SIX_HOURS, NOW)
    plan = latest_plan(engine)
    assert plan.slowdown > 4
    assert plan.planned_per_hour <= plan.usable_per_hour < 60
    assert "rate budget is short" in plan.summary
    usual = record_refresh(engine, "account-1", NOW, changes=1).planned_cadence
    assert record_refresh(engine, "wanted", NOW, changes=1).planned_cadence < usual / 2


def test_a_plan_is_recomputed_after_a_day_or_when_inputs_change(engine, rate_budget, anonymous_budget):
    track(engine, "octocat")
    assert planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)
    assert not planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW + timedelta(hours=23))
    assert planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW + timedelta(hours=25))
    assert planner.update_refresh_plan(engine, rate_budget, timedelta(hours=12), NOW + timedelta(hours=26))
    assert planner.update_refresh_plan(engine, anonymous_budget, timedelta(hours=12), NOW + timedelta(hours=27))
    track(engine, *(f"account-{number}" for number in range(7)))
    assert planner.update_refresh_plan(engine, anonymous_budget, timedelta(hours=12), NOW + timedelta(hours=28))
    # A plan from the future was made by a wrong clock.
    assert planner.update_refresh_plan(engine, anonymous_budget, timedelta(hours=12), NOW)


def test_accounts_with_shorter_intervals_are_brought_forward_and_spread(engine, rate_budget):
    logins = [f"account-{number}" for number in range(50)]
    track(engine, *logins, change_rate=100.0, planned_cadence=WEEK, due_at=NOW + timedelta(days=6))
    planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)
    dues = {tracked_row(engine, login).due_at for login in logins}
    assert len(dues) == 50
    assert NOW <= min(dues) < max(dues) <= NOW + SIX_HOURS * 1.01


def test_due_times_years_ahead_are_corrected(engine):
    track(engine, "lost", due_at=NOW + timedelta(days=900), planned_cadence=WEEK)
    track(engine, "fine", due_at=NOW + timedelta(days=8), planned_cadence=WEEK)
    with engine.begin() as connection:
        assert planner.reset_implausible_due_dates(connection, SIX_HOURS, NOW) == 1
    assert NOW <= tracked_row(engine, "lost").due_at <= NOW + WEEK
    assert tracked_row(engine, "fine").due_at == NOW + timedelta(days=8)


def test_rows_are_loaded_with_their_stored_values(engine):
    track(engine, "one", stars=5_000_000_000, priority=-3, cadence=timedelta(days=1, hours=6))
    track(engine, "two", stars=None, repositories=None, change_rate=None, planned_cadence=timedelta(hours=36))
    track(engine, "asleep", paused=True)
    with engine.begin() as connection:
        rows = planner.read_tracked_accounts(connection)
    first, second = (list(rows["id"]).index(tracked_row(engine, login).account_id) for login in ("one", "two"))
    loaded = {name: (column[first].item(), column[second].item()) for name, column in rows.items()}
    assert len(rows["id"]) == 2
    assert (loaded["stars"], loaded["repositories"]) == ((5_000_000_000, 0), (30, 1))
    assert (loaded["priority"], loaded["changes_per_day"], loaded["samples"]) == ((-3, 0), (1, 0), (50, 50))
    assert (loaded["pinned"][0], loaded["planned"][1]) == (1.25, 1.5)
    assert loaded["pinned"][1] != loaded["pinned"][1]


def test_rows_are_loaded_in_chunks_without_loss(engine, monkeypatch):
    monkeypatch.setattr(planner, "BATCH_ROWS", 3)
    for count, more in ((0, ()), (3, "abc"), (4, "d")):
        track(engine, *more)
        with engine.begin() as connection:
            rows = planner.read_tracked_accounts(connection)
        assert {len(column) for column in rows.values()} == {count}
        assert len(set(rows["id"].tolist())) == count


def test_pages_read_the_current_plan(engine, rate_budget):
    track(engine, "octocat")
    planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)
    track(engine, *"abcdefghi")
    planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)
    assert "Refreshing 10 accounts takes" in tracking.latest_plan_summary()


def test_without_tracked_accounts_there_is_no_plan(engine, rate_budget):
    assert not planner.update_refresh_plan(engine, rate_budget, SIX_HOURS, NOW)


def test_a_longer_default_raises_the_ceiling():
    assert PlanInputs(timedelta(days=30), 5000, with_token=True).bounds.ceiling == 30
