"""The rate gate across threads and processes, with a real Valkey and without."""

import threading
import time as real_time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from ingest.github import RateLimited, Stopped
from ingest.github.http.rate_budget import AdmissionRequest, RateBudgetState
from ingest.github.http.rate_gate import RateBudgetStore, RateGate
from ingest.github.http.responses import RateLimitStatus, RequiredWait
from tests.ingest.github.conftest import FakeClock

BUDGET_REQUEST = AdmissionRequest("", "mona", "core")
KEY = "almanac:github:{test}:budget"


def make_gate(redis, time, **other):
    return RateGate(
        RateBudgetStore(redis, KEY, time.now), clock=time.now, sleep=time.sleep, jitter=lambda: 0.0, **other
    )


def report_response(a_gate, wait=None, limits=None):
    with a_gate.acquire(BUDGET_REQUEST) as permit:
        permit.record_response(limits, wait, "mona")


def test_a_pause_of_one_process_holds_all(redis, time):
    one, other = make_gate(redis, time), make_gate(redis, time)
    report_response(one, RequiredWait("host", 30))
    before = time.now()
    report_response(other)
    assert time.now() - before >= timedelta(seconds=29.9)


def test_a_pause_survives_data_loss_in_redis(redis, time):
    one = make_gate(redis, time)
    report_response(one, RequiredWait("host", 30))
    redis.flushdb()
    before = time.now()
    report_response(one)
    assert time.now() - before >= timedelta(seconds=29.9)
    # A process that remembers the pause restores it in Redis for the others.
    report_response(one, RequiredWait("host", 50))
    redis.flushdb()
    one.buckets()
    before = time.now()
    report_response(make_gate(redis, time))
    assert time.now() - before >= timedelta(seconds=49)


def test_machines_with_different_clocks_agree(redis):
    """One clock is an hour ahead; both wait as long as GitHub demanded."""
    here, there = FakeClock(), FakeClock(datetime(2026, 11, 23, 13, tzinfo=UTC))
    report_response(make_gate(redis, here), RequiredWait("host", 30))
    before = there.now()
    report_response(make_gate(redis, there))
    assert timedelta(seconds=28) < there.now() - before < timedelta(seconds=31)


class ClockSetBack(FakeClock):
    """A clock that is set back by an hour during the first sleep."""

    def sleep(self, seconds):
        if not self.slept_seconds:
            self._now -= timedelta(hours=1)
        super().sleep(seconds)


def test_a_clock_that_is_set_back_prolongs_no_wait(redis):
    """Of two of 30 and 20 s the first counts once more: Redis' clock does not move while this one sleeps."""
    time = ClockSetBack()
    one = make_gate(redis, time)
    report_response(one, RequiredWait("host", 30))
    report_response(one, RequiredWait("host", 20))
    report_response(one)
    assert 49 < time.slept_seconds < 81


def test_a_wait_beyond_the_maximum_raises_rate_limited(redis, time):
    one = make_gate(redis, time, max_wait_seconds=90)
    report_response(one, RequiredWait("host", 600))
    with pytest.raises(RateLimited) as refused:
        report_response(one)
    assert abs(refused.value.resets_at - time.now() - timedelta(seconds=600)) < timedelta(seconds=2)
    assert time.slept_seconds == 0


def test_an_exhausted_bucket_does_not_hold_other_owners(redis, time):
    one = make_gate(redis, time)
    report_response(one, limits=RateLimitStatus("core", 60, 0, 1000))
    with pytest.raises(RateLimited):
        report_response(one)
    with one.acquire(AdmissionRequest("", "hubot", "core")):
        pass
    with one.acquire(AdmissionRequest("", "mona", "graphql")):
        pass
    (state,) = one.buckets()
    assert (state.owner, state.resource, state.limit, state.remaining) == ("mona", "core", 60, 0)
    assert abs(state.resets_at - time.now() - timedelta(seconds=1000)) < timedelta(seconds=2)


def test_a_stop_ends_waiting(redis, time):
    one = make_gate(redis, time)
    report_response(one, RequiredWait("host", 60))
    stop = threading.Event()
    one._sleep = lambda seconds: stop.set()
    with pytest.raises(Stopped), one.acquire(BUDGET_REQUEST, stop=stop):
        pass


def test_a_failed_request_is_no_longer_in_flight(redis, time):
    one = make_gate(redis, time)
    report_response(one, limits=RateLimitStatus("core", 60, 1, 1000))
    with pytest.raises(ValueError, match="broken"), one.acquire(BUDGET_REQUEST):
        raise ValueError("broken")
    report_response(one)


def test_without_redis_the_gate_works_in_process(time):
    one = make_gate(None, time)
    report_response(one, RequiredWait("host", 30))
    report_response(one)
    assert time.slept_seconds >= 29.9


def test_with_redis_unavailable_one_warning_is_logged(time, tmp_path):
    unavailable = Redis(unix_socket_path=str(tmp_path / "nobody"), retry=Retry(NoBackoff(), 0))
    one = make_gate(unavailable, time)
    with capture_logs() as logs:
        report_response(one, RequiredWait("host", 30))
        for _ in range(5):
            report_response(one)
    assert time.slept_seconds >= 29.9
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "Redis unavailable, rate budget kept in process"
    ]


def test_state_of_another_version_is_replaced(redis, time):
    redis.set(KEY, b'{"from": "the future"}')
    report_response(make_gate(redis, time))


def test_no_thread_starts_a_request_during_a_pause(redis):
    """Eight threads use two gates at full speed and one of them gets a pause; times are by the gate's shared clock."""
    clock = SimpleNamespace(now=lambda: datetime.now(UTC), sleep=real_time.sleep)
    gates = [make_gate(redis, clock), make_gate(redis, clock)]
    for gate in gates:
        report_response(gate)  # measures how far Redis' clock is from ours, as exactly as the machine is quick
    gates[1]._store._clock_offset = gates[0]._store._clock_offset
    started: list[float] = []
    reported_after: list[int] = []

    def work(number):
        # Twenty requests before the pause, twenty after it, however long a machine needs for them.
        while not reported_after or len(started) < reported_after[0] + 20:
            with gates[number % 2].acquire(BUDGET_REQUEST) as permit:
                started.append(permit.started_at)
                if number == 0 and not reported_after and len(started) >= 20:
                    permit.record_response(None, RequiredWait("host", 0.5), "mona")
                    reported_after.append(len(started))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    state = RateBudgetState.from_json(redis.get(KEY))
    assert [at for at in started if state.paused_at < at < state.paused_until] == []
    assert state.paused_until - state.paused_at == pytest.approx(0.5)
