"""The one gate all requests pass, in all threads and processes: its state lives in Redis, and in this process too."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog
from redis import Redis
from redis.exceptions import RedisError, WatchError

from core.budget.shared_state import Bucket
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
    """Something that can be set to end the waiting, such as an Event."""

    def is_set(self) -> bool:
        """Whether we are to stop."""


SLEEP_SLICE_SECONDS = 0.25
# Moments are kept to the microsecond: less than this may not move the clock, and waiting for it would never end.
CLOCK_TICK_SECONDS = 0.001
STATE_TTL_SECONDS = 2 * 3600
CLOCK_SYNC_INTERVAL_SECONDS = 300.0
MAX_WAIT_SECONDS = 90.0


class RateBudgetStore:
    """Keeps the Budget: in Redis for everybody, here for the case that Redis forgets or is away.

    Its time is Redis' own, so that machines whose clocks differ mean the same moment.
    """

    def __init__(self, redis: "Redis | None", key: str, clock: Clock) -> None:
        self._redis = redis
        self._key = key
        self._clock = clock
        self._lock = Lock()
        self._local_state = RateBudgetState()
        self._ahead = 0.0
        self._clock_synced_at: float | None = None
        self._circuit_breaker = CircuitBreaker()

    def update(self, change: Callable[[RateBudgetState, float], Result]) -> Result:
        """Apply *change* to the shared state, as if nobody else did at that moment; it gets the state and the time."""
        with self._lock:
            if self._redis is not None and self._circuit_breaker.allow_request():
                try:
                    result = self._shared(self._redis, change)
                except RedisError as error:
                    if self._circuit_breaker.record_failure(error):
                        log.warning("Redis unavailable, rate budget kept in process", error=str(error))
                else:
                    self._circuit_breaker.record_success()
                    return result
            return change(self._local_state, self._now())

    def until(self, moment: float) -> datetime:
        """Translate shared time into our clock's."""
        return datetime.fromtimestamp(moment - self._ahead, UTC)

    def _now(self) -> float:
        return self._clock().timestamp() + self._ahead

    def _shared(self, redis: "Redis", change: Callable[[RateBudgetState, float], Result]) -> Result:
        self._sync_clock(redis)
        with redis.pipeline() as pipe:
            while True:
                try:
                    pipe.watch(self._key)  # type: ignore[no-untyped-call]
                    state = self._read(pipe.get(self._key))  # type: ignore[arg-type]  # it answers at once
                    result = change(state, self._now())
                    pipe.multi()
                    pipe.set(self._key, state.to_json(), ex=STATE_TTL_SECONDS)
                    pipe.execute()
                except WatchError:
                    continue  # another process was quicker: decide again on what it left
                self._local_state = state
                return result

    def _read(self, held: bytes | None) -> RateBudgetState:
        """What Redis holds, and what we heard ourselves should Redis have forgotten it."""
        try:
            state = RateBudgetState.from_json(held) if held else RateBudgetState()
        except (ValueError, KeyError, TypeError, AttributeError):  # written by another version
            state = RateBudgetState()
        state.merge(self._local_state)
        return state

    def _sync_clock(self, redis: "Redis") -> None:
        now = time.monotonic()
        if self._clock_synced_at is None or now - self._clock_synced_at > CLOCK_SYNC_INTERVAL_SECONDS:
            seconds, microseconds = redis.time()
            self._ahead = seconds + microseconds / 1e6 - self._clock().timestamp()
            self._clock_synced_at = now


class RateGate:
    """Lets requests start, or makes them wait. No request starts while GitHub told anyone to wait."""

    def __init__(
        self,
        ledger: RateBudgetStore,
        *,
        clock: Clock,
        sleep: Sleep = time.sleep,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = ledger
        self._clock = clock
        self._sleep = sleep
        self._max_wait_seconds = max_wait_seconds
        self._jitter = jitter

    @contextmanager
    def acquire(
        self, wish: AdmissionRequest, *, waits_for_budget: bool = True, stop: StopSignal | None = None
    ) -> Iterator["RequestPermit"]:
        """Hold a place for *wish* while its request is under way.

        Raises RateLimited when the wait would be too long, or the budget is spent and *waits_for_budget* is not
        wished; Stopped when *stop* is set meanwhile.
        """
        # Every attempt is one of its own: a second one must not end the first one's place.
        wish = AdmissionRequest(uuid4().hex[:12], wish.owner, wish.resource, wish.kind, wish.cost, wish.reserve)
        started_at = self._wait_for_admission(wish, waits_for_budget, stop)
        passage = RequestPermit(self._store, wish, started_at, self._jitter)
        try:
            yield passage
        finally:
            passage.close()

    def wait(self, seconds: float, stop: StopSignal | None = None) -> None:
        """Sleep in slices, so that a stop is heard. Raises Stopped."""
        until = self._clock().timestamp() + seconds
        while True:
            if stop is not None and stop.is_set():
                raise Stopped
            left = until - self._clock().timestamp()
            if left < CLOCK_TICK_SECONDS:
                return
            self._sleep(min(left, SLEEP_SLICE_SECONDS))

    def buckets(self) -> list[BucketState]:
        """Tell what is left of each budget, as last heard."""

        def read(state: RateBudgetState, now: float) -> list[BucketState]:
            return [
                BucketState(owner, resource, bucket.limit, bucket.remaining, self._store.until(bucket.resets_at))
                for key, bucket in sorted(state.buckets.items())
                for owner, resource in [key.split(" ", 1)]
                if bucket.resets_at > now
            ]

        return self._store.update(read)

    def rename_owner(self, old: str, new: str) -> None:
        self._store.update(lambda state, _now: state.rename_owner(old, new))

    def told(self, owner: str, resource: str, limits: RateLimitStatus) -> None:
        """Note the state of a bucket that came in a body instead of the headers."""

        def note(state: RateBudgetState, now: float) -> None:
            wish = AdmissionRequest("", owner, resource)
            state.settle(wish, owner=owner, told=Bucket(limits.limit, limits.remaining, now + limits.resets_in_seconds))

        self._store.update(note)

    def _wait_for_admission(self, wish: AdmissionRequest, waits_for_budget: bool, stop: StopSignal | None) -> float:
        last_why = ""
        while True:
            if stop is not None and stop.is_set():
                raise Stopped
            verdict, now = self._store.update(lambda state, now: (state.admit(wish, now), now))
            if verdict.go:
                return now
            seconds = verdict.until - now
            if verdict.why in ("paused", "spent"):
                self._raise_if_wait_too_long(verdict, seconds, waits_for_budget)
                if verdict.why != last_why and seconds > 1:
                    log.info("waiting for github", why=verdict.why, seconds=round(seconds, 1), bucket=wish.bucket)
                last_why = verdict.why
            self.wait(max(seconds, 2 * CLOCK_TICK_SECONDS), stop)

    def _raise_if_wait_too_long(self, verdict: AdmissionDecision, seconds: float, waits_for_budget: bool) -> None:
        if seconds > self._max_wait_seconds or (verdict.why == "spent" and not waits_for_budget):
            reason = "GitHub told us to wait" if verdict.why == "paused" else "GitHub's rate limit is spent"
            raise RateLimited(self._store.until(verdict.until), reason)


class RequestPermit:
    """One request under way; told what GitHub answered, it tells everybody."""

    def __init__(
        self, ledger: RateBudgetStore, wish: AdmissionRequest, started_at: float, jitter: Callable[[], float]
    ) -> None:
        self._store = ledger
        self._request = wish
        self.started_at = started_at
        self._jitter = jitter
        self._is_settled = False

    def record_response(self, limits: RateLimitStatus | None, wait: RequiredWait | None, owner: str) -> None:
        """Note what is left, and whether we are to wait, before anybody else may start.

        *owner* is whose budget it is, as far as is known now: that may have come out since the request started.
        """
        jitter = self._jitter()

        def note(state: RateBudgetState, now: float) -> None:
            told = None if limits is None else Bucket(limits.limit, limits.remaining, now + limits.resets_in_seconds)
            resource = limits.resource if limits else None
            state.settle(self._request, owner=owner, resource=resource, told=told)
            if wait is None:
                state.reset_strikes(self.started_at)
            elif wait.scope == "host":
                state.pause(wait.seconds, now)
            elif wait.scope == "unstated":
                state.pause_with_backoff(self.started_at, now, jitter)
            elif limits is not None:
                key = f"{owner} {resource or self._request.resource}"
                state.mark_exhausted(key, limits.limit, now + limits.resets_in_seconds)
                # Asked as one resource, refused as another: neither is asked again before.
                state.mark_exhausted(f"{owner} {self._request.resource}", limits.limit, now + limits.resets_in_seconds)

        self._store.update(note)
        self._is_settled = True

    def close(self) -> None:
        """End a request that got no answer."""
        if not self._is_settled:
            self._store.update(lambda state, _now: state.settle(self._request, owner=self._request.owner))
            self._is_settled = True
