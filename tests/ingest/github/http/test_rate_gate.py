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
from ingest.github.http.rate_budget import Budget, Wish
from ingest.github.http.rate_gate import Gate, Ledger
from ingest.github.http.responses import Limits, Wait
from tests.ingest.github.conftest import FakeTime

WISH = Wish("", "mona", "core")
KEY = "almanac:github:{test}:budget"


def gate(redis, time, **other):
    return Gate(Ledger(redis, KEY, time.now), clock=time.now, sleep=time.sleep, jitter=lambda: 0.0, **other)


def told(a_gate, wait=None, limits=None):
    with a_gate.passing(WISH) as passage:
        passage.answered(limits, wait, "mona")


def test_a_pause_heard_by_one_process_holds_all(redis, time):
    one, other = gate(redis, time), gate(redis, time)
    told(one, Wait("host", 30))
    before = time.now()
    told(other)
    assert time.now() - before >= timedelta(seconds=29.9)


def test_a_pause_is_kept_though_redis_forgets_it(redis, time):
    one = gate(redis, time)
    told(one, Wait("host", 30))
    redis.flushdb()
    before = time.now()
    told(one)
    assert time.now() - before >= timedelta(seconds=29.9)
    # …and what one process remembers, the others hear again.
    told(one, Wait("host", 50))
    redis.flushdb()
    one.buckets()
    before = time.now()
    told(gate(redis, time))
    assert time.now() - before >= timedelta(seconds=49)


def test_machines_whose_clocks_differ_mean_the_same_moment(redis):
    """One is an hour ahead. Both wait as long as GitHub said."""
    here, there = FakeTime(), FakeTime(datetime(2026, 11, 23, 13, tzinfo=UTC))
    told(gate(redis, here), Wait("host", 30))
    before = there.now()
    told(gate(redis, there))
    assert timedelta(seconds=28) < there.now() - before < timedelta(seconds=31)


def test_a_wait_beyond_patience_is_raised_with_its_end(redis, time):
    one = gate(redis, time, patience=90)
    told(one, Wait("host", 600))
    with pytest.raises(RateLimited) as refused:
        told(one)
    assert abs(refused.value.resets_at - time.now() - timedelta(seconds=600)) < timedelta(seconds=2)
    assert time.slept == 0


def test_a_spent_bucket_of_one_owner_lets_others_through(redis, time):
    one = gate(redis, time)
    told(one, limits=Limits("core", 60, 0, 1000))
    with pytest.raises(RateLimited):
        told(one)
    with one.passing(Wish("", "hubot", "core")):
        pass
    with one.passing(Wish("", "mona", "graphql")):
        pass
    (state,) = one.buckets()
    assert (state.owner, state.resource, state.limit, state.remaining) == ("mona", "core", 60, 0)
    assert abs(state.resets_at - time.now() - timedelta(seconds=1000)) < timedelta(seconds=2)


def test_a_stop_is_heard_while_waiting(redis, time):
    one = gate(redis, time)
    told(one, Wait("host", 60))
    stop = threading.Event()
    one._sleep = lambda seconds: stop.set()
    with pytest.raises(Stopped), one.passing(WISH, stop=stop):
        pass


def test_a_failed_request_gives_its_place_back(redis, time):
    one = gate(redis, time)
    told(one, limits=Limits("core", 60, 1, 1000))
    with pytest.raises(ValueError, match="broken"), one.passing(WISH):
        raise ValueError("broken")
    told(one)


def test_without_redis_the_gate_is_this_process_s_own(time):
    one = gate(None, time)
    told(one, Wait("host", 30))
    told(one)
    assert time.slept >= 29.9


def test_redis_away_is_said_once_and_everything_goes_on(time, tmp_path):
    nowhere = Redis(unix_socket_path=str(tmp_path / "nobody"), retry=Retry(NoBackoff(), 0))
    one = gate(nowhere, time)
    with capture_logs() as logs:
        told(one, Wait("host", 30))
        for _ in range(5):
            told(one)
    assert time.slept >= 29.9
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "redis is away, the request budget is this process's own"
    ]


def test_what_another_version_left_in_redis_is_no_obstacle(redis, time):
    redis.set(KEY, b'{"from": "the future"}')
    told(gate(redis, time))


def test_no_thread_starts_after_the_pause_was_heard(redis):
    """Eight threads in two processes' gates, as busy as they can be; one hears of a pause.

    By the gate's own time, which orders what all of them do.
    """
    clock = SimpleNamespace(now=lambda: datetime.now(UTC), sleep=real_time.sleep)
    gates = [gate(redis, clock), gate(redis, clock)]
    started: list[float] = []
    until = real_time.monotonic() + 1

    def work(number):
        told_already = False
        while real_time.monotonic() < until:
            with gates[number % 2].passing(WISH) as passage:
                started.append(passage.started_at)
                if number == 0 and not told_already and real_time.monotonic() > until - 0.8:
                    passage.answered(None, Wait("host", 0.5), "mona")
                    told_already = True

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    state = Budget.from_json(redis.get(KEY))
    assert len(started) > 20
    assert [at for at in started if state.paused_at < at < state.paused_until] == []
    assert state.paused_until - state.paused_at == pytest.approx(0.5)
