"""One gate for all threads and processes, over a real Valkey, and without one."""

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
    with a_gate.acquire(BUDGET_REQUEST) as passage:
        passage.record_response(limits, wait, "mona")


def test_a_pause_heard_by_one_process_holds_all(redis, time):
    one, other = make_gate(redis, time), make_gate(redis, time)
    report_response(one, RequiredWait("host", 30))
    before = time.now()
    report_response(other)
    assert time.now() - before >= timedelta(seconds=29.9)


def test_a_pause_is_kept_though_redis_forgets_it(redis, time):
    one = make_gate(redis, time)
    report_response(one, RequiredWait("host", 30))
    redis.flushdb()
    before = time.now()
    report_response(one)
    assert time.now() - before >= timedelta(seconds=29.9)
    # …and what one process remembers, the others hear again.
    report_response(one, RequiredWait("host", 50))
    redis.flushdb()
    one.buckets()
    before = time.now()
    report_response(make_gate(redis, time))
    assert time.now() - before >= timedelta(seconds=49)


def test_machines_whose_clocks_differ_mean_the_same_moment(redis):
    """One is an hour ahead. Both wait as long as GitHub said."""
    here, there = FakeClock(), FakeClock(datetime(2026, 11, 23, 13, tzinfo=UTC))
    report_response(make_gate(redis, here), RequiredWait("host", 30))
    before = there.now()
    report_response(make_gate(redis, there))
    assert timedelta(seconds=28) < there.now() - before < timedelta(seconds=31)


def test_a_wait_beyond_patience_is_raised_with_its_end(redis, time):
    one = make_gate(redis, time, max_wait_seconds=90)
    report_response(one, RequiredWait("host", 600))
    with pytest.raises(RateLimited) as refused:
        report_response(one)
    assert abs(refused.value.resets_at - time.now() - timedelta(seconds=600)) < timedelta(seconds=2)
    assert time.slept_seconds == 0


def test_a_spent_bucket_of_one_owner_lets_others_through(redis, time):
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


def test_a_stop_is_heard_while_waiting(redis, time):
    one = make_gate(redis, time)
    report_response(one, RequiredWait("host", 60))
    stop = threading.Event()
    one._sleep = lambda seconds: stop.set()
    with pytest.raises(Stopped), one.acquire(BUDGET_REQUEST, stop=stop):
        pass


def test_a_failed_request_gives_its_place_back(redis, time):
    one = make_gate(redis, time)
    report_response(one, limits=RateLimitStatus("core", 60, 1, 1000))
    with pytest.raises(ValueError, match="broken"), one.acquire(BUDGET_REQUEST):
        raise ValueError("broken")
    report_response(one)


def test_without_redis_the_gate_is_this_process_s_own(time):
    one = make_gate(None, time)
    report_response(one, RequiredWait("host", 30))
    report_response(one)
    assert time.slept_seconds >= 29.9


def test_redis_away_is_said_once_and_everything_goes_on(time, tmp_path):
    nowhere = Redis(unix_socket_path=str(tmp_path / "nobody"), retry=Retry(NoBackoff(), 0))
    one = make_gate(nowhere, time)
    with capture_logs() as logs:
        report_response(one, RequiredWait("host", 30))
        for _ in range(5):
            report_response(one)
    assert time.slept_seconds >= 29.9
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "Redis unavailable, rate budget kept in process"
    ]


def test_what_another_version_left_in_redis_is_no_obstacle(redis, time):
    redis.set(KEY, b'{"from": "the future"}')
    report_response(make_gate(redis, time))


def test_no_thread_starts_after_the_pause_was_heard(redis):
    """Eight threads in two processes' gates, as busy as they can be; one hears of a pause.

    By the gate's own time, which orders what all of them do.
    """
    clock = SimpleNamespace(now=lambda: datetime.now(UTC), sleep=real_time.sleep)
    gates = [make_gate(redis, clock), make_gate(redis, clock)]
    started: list[float] = []
    until = real_time.monotonic() + 1

    def work(number):
        told_already = False
        while real_time.monotonic() < until:
            with gates[number % 2].acquire(BUDGET_REQUEST) as passage:
                started.append(passage.started_at)
                if number == 0 and not told_already and real_time.monotonic() > until - 0.8:
                    passage.record_response(None, RequiredWait("host", 0.5), "mona")
                    told_already = True

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    state = RateBudgetState.from_json(redis.get(KEY))
    assert len(started) > 20
    assert [at for at in started if state.paused_at < at < state.paused_until] == []
    assert state.paused_until - state.paused_at == pytest.approx(0.5)
