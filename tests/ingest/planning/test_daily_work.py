"""Daily work is done once for each day, also when nobody was awake at 00:10 UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.planning import daily_work
from ingest.scheduler import ScheduledJobs, build_scheduler

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def at(**later):
    return MIDNIGHT + timedelta(**later)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        (at(minutes=9, seconds=59), at(days=-1, minutes=10)),
        (at(minutes=10), at(minutes=10)),
        (at(hours=23, minutes=59), at(minutes=10)),
    ],
)
def test_the_latest_start_is_ten_past_midnight(now, latest):
    assert daily_work.latest_start(now) == latest


@given(st.timedeltas(timedelta(days=-1000), timedelta(days=1000)).map(lambda ago: MIDNIGHT + ago))
def test_the_latest_start_is_the_only_one_in_the_last_day(now):
    latest = daily_work.latest_start(now)
    assert now - timedelta(days=1) < latest <= now
    assert (latest.hour, latest.minute, latest.second) == (0, 10, 0)


class Laptop:
    """A scheduler's daily work by a clock that is set by hand; `days` are the days on which it was done."""

    def __init__(self, database, monkeypatch):
        self.now, self.days = MIDNIGHT, []
        self.scheduled = ScheduledJobs(database, clock=lambda: self.now)
        monkeypatch.setattr(
            "ingest.scheduler.summaries.update_all_summaries", lambda _begin: self.days.append(self.now)
        )

    def wake(self, now):
        self.now = now
        self.scheduled.run_daily_maintenance()
        return len(self.days)


@pytest.fixture
def laptop(committing_database, monkeypatch):
    return Laptop(committing_database, monkeypatch)


def test_a_laptop_asleep_at_ten_past_midnight_does_its_daily_work_once_when_it_wakes(laptop):
    assert laptop.wake(at(minutes=-30)) == 1  # its first start
    assert laptop.wake(at(hours=7)) == 2  # it slept from 23:30 to 07:00
    assert laptop.wake(at(hours=7, minutes=5)) == 2
    assert laptop.wake(at(hours=23)) == 2
    assert laptop.wake(at(days=4, hours=3)) == 3  # four days asleep: once, not four times
    assert laptop.wake(at(days=5, minutes=9)) == 3
    assert laptop.wake(at(days=5, minutes=10)) == 4


def test_daily_work_that_failed_is_done_again(laptop, monkeypatch):
    def fail(*_):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("ingest.scheduler.language_rollups.update_language_day", fail)
        with pytest.raises(RuntimeError):
            laptop.wake(at(hours=1))
    assert laptop.wake(at(hours=1, minutes=5)) == 2


def test_a_clock_that_was_years_ahead_does_not_stop_daily_work(laptop):
    assert laptop.wake(at(days=3650)) == 1
    assert laptop.wake(at(hours=1)) == 2


def test_the_schedule_asks_every_few_minutes(committing_database):
    """A fixed time of day is missed by a machine that is asleep then."""
    job = build_scheduler(ScheduledJobs(committing_database), lambda: True).get_job("run_daily_maintenance")
    assert job.trigger.interval <= timedelta(minutes=10)
