"""The rate gate that every request passes, in all threads and processes; its state is in Redis and in this process."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog
from redis import Redis
from redis.exceptions import RedisError, WatchError

from core.budget.rate_limits import Bucket
from core.circuit_breaker import CircuitBreaker
from ingest.github.errors import RateLimited, Stopped
from ingest.github.http.rate_budget import AdmissionDecision, AdmissionRequest, RateBudgetState
from ingest.github.http.responses import RateLimitStatus, RequiredWait
from ingest.github.types import BucketState

log = structlog.get_logger()
Clock = Callable[[], datetime]
Sleep = Callable[[float], None]
Result = TypeVar("Result")


class StopSignal(Protocol):
    """A flag that ends waiting when it is set, such as a threading.Event."""

    def is_set(self) -> bool: ...


SLEEP_SLICE_SECONDS = 0.25
# Times are stored to the microsecond: a shorter sleep might not advance the clock, and the wait would never end.
CLOCK_TICK_SECONDS = 0.001
STATE_TTL_SECONDS = 2 * 3600
CLOCK_SYNC_INTERVAL_SECONDS = 300.0
CLOCK_JUMP_SECONDS = 20.0
MAX_WAIT_SECONDS = 90.0


class RateBudgetStore:
    """The rate budget's state: in Redis for all processes, and a copy here should Redis lose it or be unavailable.

    Its times are by Redis' clock, so that machines whose clocks differ agree.
    """

    def __init__(self, redis: "Redis | None", key: str, clock: Clock) -> None:
        self._redis = redis
        self._key = key
        self._clock = clock
        self._lock = Lock()
        self._local_state = RateBudgetState()
        self._clock_offset = 0.0
        self._clock_synced_at: float | None = None
        self._wall_clock_offset = 0.0
        self._circuit_breaker = CircuitBreaker()

    def update(self, change: Callable[[RateBudgetState, float], Result]) -> Result:
        """Apply *change* to the state and the current shared time, atomically, and return its result."""
        with self._lock:
            if self._redis is not None and self._circuit_breaker.allow_request():
                try:
                    result = self._update_in_redis(self._redis, change)
                except RedisError as error:
                    if self._circuit_breaker.record_failure(error):
                        log.warning("Redis unavailable, rate budget kept in process", error=str(error))
                else:
                    self._circuit_breaker.record_success()
                    return result
            return change(self._local_state, self._now())

    def to_local_time(self, shared_time: float) -> datetime:
        """Convert shared time to our clock's."""
        return datetime.fromtimestamp(shared_time - self._clock_offset, UTC)

    def _now(self) -> float:
        return self._clock().timestamp() + self._clock_offset

    def _update_in_redis(self, redis: "Redis", change: Callable[[RateBudgetState, float], Result]) -> Result:
        self._sync_clock(redis)
        with redis.pipeline() as pipe:
            while True:
                try:
                    pipe.watch(self._key)  # type: ignore[no-untyped-call]
                    state = self._read(pipe.get(self._key))  # type: ignore[arg-type]  # not queued
                    result = change(state, self._now())
                    pipe.multi()
                    pipe.set(self._key, state.to_json(), ex=STATE_TTL_SECONDS)
                    pipe.execute()
                except WatchError:
                    continue  # another process changed it meanwhile: decide again on its state
                self._local_state = state
                return result

    def _read(self, stored: bytes | None) -> RateBudgetState:
        """Merge the state in Redis with our copy, in case Redis lost its own."""
        try:
            state = RateBudgetState.from_json(stored) if stored else RateBudgetState()
        except (ValueError, KeyError, TypeError, AttributeError):  # written by another version
            state = RateBudgetState()
        state.merge(self._local_state)
        return state

    def _sync_clock(self, redis: "Redis") -> None:
        now = time.monotonic()
        wall_clock_offset = self._clock().timestamp() - now
        is_due = self._clock_synced_at is None or now - self._clock_synced_at > CLOCK_SYNC_INTERVAL_SECONDS
        # Otherwise all times would lie far ahead, and each wait last as long.
        was_set_back = self._wall_clock_offset - wall_clock_offset > CLOCK_JUMP_SECONDS
        if is_due or was_set_back:
            seconds, microseconds = redis.time()
            self._clock_offset = seconds + microseconds / 1e6 - self._clock().timestamp()
            self._clock_synced_at, self._wall_clock_offset = now, wall_clock_offset


class RateGate:
    """Admits requests or makes them wait: during a pause that GitHub demanded of any process, no request starts.

    Source: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
    """

    def __init__(
        self,
        store: RateBudgetStore,
        *,
        clock: Clock,
        sleep: Sleep = time.sleep,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._max_wait_seconds = max_wait_seconds
        self._jitter = jitter

    @contextmanager
    def acquire(
        self, request: AdmissionRequest, *, waits_for_budget: bool = True, stop: StopSignal | None = None
    ) -> Iterator["RequestPermit"]:
        """Wait until *request* may start, and count it as in flight inside the `with` block.

        Raises RateLimited when the wait would exceed the maximum, or when the budget is exhausted and
        *waits_for_budget* is False; Stopped when *stop* is set meanwhile.
        """
        # Each attempt gets its own id: the end of one must not release another.
        request = replace(request, id=uuid4().hex[:12])
        started_at = self._wait_for_admission(request, waits_for_budget, stop)
        permit = RequestPermit(self._store, request, started_at, self._jitter)
        try:
            yield permit
        finally:
            permit.close()

    def wait(self, seconds: float, stop: StopSignal | None = None) -> None:
        """Sleep in slices, so that a stop takes effect soon. Raises Stopped."""
        # Counted down: the system clock may be set back meanwhile.
        while True:
            if stop is not None and stop.is_set():
                raise Stopped
            if seconds < CLOCK_TICK_SECONDS:
                return
            part = min(seconds, SLEEP_SLICE_SECONDS)
            self._sleep(part)
            seconds -= part

    def buckets(self) -> list[BucketState]:
        """Return the rate limits as last reported."""

        def read(state: RateBudgetState, now: float) -> list[BucketState]:
            return [
                BucketState(
                    owner, resource, bucket.limit, bucket.remaining, self._store.to_local_time(bucket.resets_at)
                )
                for key, bucket in sorted(state.buckets.items())
                for owner, resource in [key.split(" ", 1)]
                if bucket.resets_at > now
            ]

        return self._store.update(read)

    def rename_owner(self, old: str, new: str) -> None:
        self._store.update(lambda state, _now: state.rename_owner(old, new))

    def record_status(self, owner: str, resource: str, status: RateLimitStatus) -> None:
        """Record a rate limit that was reported in a body instead of the headers."""
        request = AdmissionRequest("", owner, resource)
        self._store.update(lambda state, now: state.settle(request, owner=owner, reported=_bucket(status, now)))

    def _wait_for_admission(self, request: AdmissionRequest, waits_for_budget: bool, stop: StopSignal | None) -> float:
        last_reason = ""
        while True:
            if stop is not None and stop.is_set():
                raise Stopped
            decision, now = self._store.update(lambda state, now: (state.admit(request, now), now))
            if decision.is_admitted:
                return now
            seconds = decision.until - now
            if decision.reason in ("paused", "exhausted"):
                self._raise_if_wait_too_long(decision, seconds, waits_for_budget)
                if decision.reason != last_reason and seconds > 1:
                    log.info(
                        "waiting for GitHub rate gate",
                        reason=decision.reason,
                        seconds=round(seconds, 1),
                        bucket=request.bucket,
                    )
                last_reason = decision.reason
            self.wait(max(seconds, 2 * CLOCK_TICK_SECONDS), stop)

    def _raise_if_wait_too_long(self, decision: AdmissionDecision, seconds: float, waits_for_budget: bool) -> None:
        if seconds > self._max_wait_seconds or (decision.reason == "exhausted" and not waits_for_budget):
            is_exhausted = decision.reason == "exhausted"
            reason = "GitHub's rate limit is exhausted" if is_exhausted else "GitHub demands a pause"
            raise RateLimited(self._store.to_local_time(decision.until), reason, is_exhausted=is_exhausted)


class RequestPermit:
    """A request in flight. Its response updates the shared state for all processes."""

    def __init__(
        self, store: RateBudgetStore, request: AdmissionRequest, started_at: float, jitter: Callable[[], float]
    ) -> None:
        self._store = store
        self._request = request
        self.started_at = started_at
        self._jitter = jitter
        self._is_settled = False

    def record_response(
        self, status: RateLimitStatus | None, wait: RequiredWait | None, owner: str, *, has_failed: bool = False
    ) -> None:
        """Record the reported rate limit and the required wait before another request may start.

        *owner* is the token's owner as known now: GitHub may have reported the login since the request started.
        *has_failed* tells that GitHub's server did: whether a rate limit is over, that does not show.
        """
        jitter = self._jitter()

        def apply(state: RateBudgetState, now: float) -> None:
            reported = None if status is None else _bucket(status, now)
            resource = status.resource if status else None
            state.settle(self._request, owner=owner, resource=resource, reported=reported)
            if wait is None:
                if not has_failed:
                    state.reset_strikes(self.started_at)
            elif wait.scope == "host":
                state.pause(wait.seconds, now)
            elif wait.scope == "unspecified":
                state.pause_with_backoff(self.started_at, now, jitter)
            elif status is not None:
                resets_at = now + status.resets_in_seconds
                state.mark_exhausted(f"{owner} {resource or self._request.resource}", status.limit, resets_at)
                # Requested as one resource and refused as another: neither is requested before the reset.
                state.mark_exhausted(f"{owner} {self._request.resource}", status.limit, resets_at)

        self._store.update(apply)
        self._is_settled = True

    def close(self) -> None:
        """End a request that got no response."""
        if not self._is_settled:
            self._store.update(lambda state, _now: state.settle(self._request, owner=self._request.owner))
            self._is_settled = True


def _bucket(status: RateLimitStatus, now: float) -> Bucket:
    return Bucket(status.limit, status.remaining, now + status.resets_in_seconds)
