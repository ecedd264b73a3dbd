"""Rate budget decisions: which request may start now. Nothing here waits or sends.

Times are seconds on a clock that all processes share (see `rate_gate`).
Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
"""

from dataclasses import dataclass
from typing import Literal

from core.budget.rate_limits import LEASE_SECONDS, Bucket, InFlightRequest, StoredRateBudget

REST, GRAPHQL = "rest", "graphql"
# GitHub's secondary rate limits are 900 points per minute for REST, 2,000 for GraphQL, and 100 concurrent requests.
# These are lower, to leave room for other programs that use the same token. Source:
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
MAX_REQUESTS_PER_MINUTE = {REST: 850, GRAPHQL: 1900}
MAX_CONCURRENT_REQUESTS = 60
SLOT_SECONDS = 5
MINUTE = 60
# Responses report the reset of one window up to a second or two apart.
SAME_WINDOW_TOLERANCE_SECONDS = 5.0
RECHECK_SECONDS = 0.05
INITIAL_BACKOFF_SECONDS = 60.0
MAX_BACKOFF_SECONDS = 900.0


@dataclass(frozen=True)
class AdmissionRequest:
    """A request that is to start. `reserve` is the share of the bucket it must leave for people who are waiting."""

    id: str
    owner: str
    resource: str
    kind: str = REST
    cost: int = 1
    reserve: float = 0.0

    @property
    def bucket(self) -> str:
        return f"{self.owner} {self.resource}"


@dataclass(frozen=True)
class AdmissionDecision:
    """Whether a request may start now; if not, why, and when to try again."""

    is_admitted: bool
    until: float = 0.0
    reason: Literal["", "paused", "exhausted", "throttled", "busy"] = ""


@dataclass
class RateBudgetState(StoredRateBudget):
    """The shared state with the decisions made on it: admit a request, settle it, pause."""

    def admit(self, request: AdmissionRequest, now: float) -> AdmissionDecision:
        """Decide whether *request* may start now. An admitted one is in flight until settled, or its lease expires."""
        self._drop_expired(now)
        decision = self._decide(request, now)
        if decision.is_admitted:
            self.in_flight[request.id] = InFlightRequest(request.bucket, request.cost, now)
            slots = self.paced.setdefault(f"{request.owner} {request.kind}", {})
            slot = str(int(now // SLOT_SECONDS))
            slots[slot] = slots.get(slot, 0) + 1
        return decision

    def settle(
        self, request: AdmissionRequest, *, owner: str, resource: str | None = None, reported: Bucket | None = None
    ) -> None:
        """End *request* and store the reported bucket; within one window `remaining` never rises."""
        self.in_flight.pop(request.id, None)
        if reported is not None:
            key = f"{owner} {resource or request.resource}"
            current = self.buckets.get(key)
            self.buckets[key] = reported if current is None else newer_bucket(current, reported)

    def reset_strikes(self, started_at: float) -> None:
        """Reset the backoff after a success of a request that started after the last pause."""
        if self.strikes and started_at > self.paused_at:
            self.strikes = 0

    def pause(self, seconds: float, now: float) -> None:
        """Admit no request for *seconds*."""
        self.paused_until = max(self.paused_until, now + seconds)
        self.paused_at = max(self.paused_at, now)

    def pause_with_backoff(self, started_at: float, now: float, jitter: float) -> None:
        """Pause a minute, then twice as long each time; GitHub did not state how long. *jitter* is from 0 to 1."""
        if started_at >= self.paused_at:  # refusals of requests in flight together count once
            self.strikes += 1
        seconds = min(INITIAL_BACKOFF_SECONDS * 2 ** (max(1, self.strikes) - 1), MAX_BACKOFF_SECONDS)
        if now + seconds > self.paused_until:
            self.pause(seconds * (1 + jitter / 4), now)

    def mark_exhausted(self, key: str, limit: int, resets_at: float) -> None:
        """Record a refusal because this bucket is exhausted, which overrides what was reported before."""
        self.buckets[key] = Bucket(limit, 0, resets_at)

    def rename_owner(self, old: str, new: str) -> None:
        """Merge the buckets of two tokens that turned out to have the same owner."""
        for key in [key for key in self.buckets if key.startswith(f"{old} ")]:
            renamed = f"{new} {key.split(' ', 1)[1]}"
            bucket = self.buckets.pop(key)
            current = self.buckets.get(renamed)
            self.buckets[renamed] = bucket if current is None else newer_bucket(current, bucket)

    def merge(self, other: "RateBudgetState") -> None:
        """Merge another process's state: the longer pause, the newer state of each bucket."""
        if other.paused_at > self.paused_at:
            self.paused_at, self.strikes = other.paused_at, other.strikes
        self.paused_until = max(self.paused_until, other.paused_until)
        for key, bucket in other.buckets.items():
            current = self.buckets.get(key)
            self.buckets[key] = bucket if current is None else newer_bucket(current, bucket)

    def _decide(self, request: AdmissionRequest, now: float) -> AdmissionDecision:
        if now < self.paused_until:
            return AdmissionDecision(False, self.paused_until, "paused")
        bucket = self.buckets.get(request.bucket)
        if bucket:
            reserved = round(bucket.limit * request.reserve)
            if bucket.remaining - request.cost < reserved:
                return AdmissionDecision(False, bucket.resets_at, "exhausted")
            if self._remaining_after_in_flight(request.bucket, bucket) - request.cost < reserved:
                # Requests in flight may turn out to be free (304) or cheaper than estimated: check again soon.
                return AdmissionDecision(False, now + RECHECK_SECONDS, "busy")
        if len(self.in_flight) >= MAX_CONCURRENT_REQUESTS:
            return AdmissionDecision(False, now + RECHECK_SECONDS, "busy")
        return self._check_secondary_limit(request)

    def _check_secondary_limit(self, request: AdmissionRequest) -> AdmissionDecision:
        slots = self.paced.get(f"{request.owner} {request.kind}", {})
        if sum(slots.values()) < MAX_REQUESTS_PER_MINUTE[request.kind]:
            return AdmissionDecision(True)
        oldest = min(int(slot) for slot in slots)
        return AdmissionDecision(False, (oldest + 1) * SLOT_SECONDS + MINUTE, "throttled")

    def _remaining_after_in_flight(self, key: str, bucket: Bucket) -> int:
        return bucket.remaining - sum(one.cost for one in self.in_flight.values() if one.bucket == key)

    def _drop_expired(self, now: float) -> None:
        self.buckets = {key: bucket for key, bucket in self.buckets.items() if bucket.resets_at > now}
        self.in_flight = {key: one for key, one in self.in_flight.items() if one.started_at > now - LEASE_SECONDS}
        first = int((now - MINUTE) // SLOT_SECONDS)
        paced = {
            key: {slot: count for slot, count in slots.items() if int(slot) >= first}
            for key, slots in self.paced.items()
        }
        self.paced = {key: slots for key, slots in paced.items() if slots}


def newer_bucket(current: Bucket, reported: Bucket) -> Bucket:
    """Choose between two states of a bucket, which may have arrived in either order.

    Of one window the smaller `remaining` is the newer; of two windows the later one.
    """
    if abs(current.resets_at - reported.resets_at) <= SAME_WINDOW_TOLERANCE_SECONDS:
        remaining = min(current.remaining, reported.remaining)
        return Bucket(reported.limit, remaining, max(current.resets_at, reported.resets_at))
    return max(current, reported, key=lambda bucket: bucket.resets_at)
