"""Pure: what may be asked now. Buckets, pauses, pace and requests in flight, shared by all processes.

Times are seconds on a clock that all processes share (see gate.py). Nothing here waits or sends.
"""

from dataclasses import dataclass
from typing import Literal

from core.budget.shared_state import LEASE_SECONDS, Bucket, InFlightRequest, StoredRateBudget

REST, GRAPHQL = "rest", "graphql"
# GitHub's secondary limits are 900 points a minute for REST and 2,000 for GraphQL, 100 requests at once.
# We stay below, and below the others who use the same token.
MAX_REQUESTS_PER_MINUTE = {REST: 850, GRAPHQL: 1900}
MAX_CONCURRENT_REQUESTS = 60
SLOT_SECONDS = 5
MINUTE = 60
# Two answers about one window can differ by a second or two.
SAME_WINDOW_TOLERANCE_SECONDS = 5.0
RECHECK_SECONDS = 0.05
INITIAL_BACKOFF_SECONDS = 60.0
MAX_BACKOFF_SECONDS = 900.0


@dataclass(frozen=True)
class AdmissionRequest:
    """A request that wants to start. `reserve` is the share of the bucket it must leave for people who wait."""

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
    """Go, or why not and until when."""

    go: bool
    until: float = 0.0
    why: Literal["", "paused", "spent", "pace", "busy"] = ""


@dataclass
class RateBudgetState(StoredRateBudget):
    """The shared state with the decisions made on it: admit a request, settle it, pause."""

    # Starting and ending a request --------------------------------------------------------------------------------

    def admit(self, wish: AdmissionRequest, now: float) -> AdmissionDecision:
        """Let *wish* start, or say until when it has to wait. Having started, it is in flight until settled."""
        self._drop_expired(now)
        verdict = self._decide(wish, now)
        if verdict.go:
            self.in_flight[wish.id] = InFlightRequest(wish.bucket, wish.cost, now)
            slots = self.paced.setdefault(f"{wish.owner} {wish.kind}", {})
            slot = str(int(now // SLOT_SECONDS))
            slots[slot] = slots.get(slot, 0) + 1
        return verdict

    def settle(
        self, wish: AdmissionRequest, *, owner: str, resource: str | None = None, told: Bucket | None = None
    ) -> None:
        """*wish* has been answered, and GitHub told the state of a bucket; what is left never rises in one window."""
        self.in_flight.pop(wish.id, None)
        if told is not None:
            key = f"{owner} {resource or wish.resource}"
            held = self.buckets.get(key)
            self.buckets[key] = told if held is None else newer_bucket(held, told)

    def reset_strikes(self, started_at: float) -> None:
        """A request that started after the last pause went through: the next pause starts from a minute again."""
        if self.strikes and started_at > self.paused_at:
            self.strikes = 0

    # Being told to wait -------------------------------------------------------------------------------------------

    def pause(self, seconds: float, now: float) -> None:
        """Nothing starts for *seconds*."""
        self.paused_until = max(self.paused_until, now + seconds)
        self.paused_at = max(self.paused_at, now)

    def pause_with_backoff(self, started_at: float, now: float, jitter: float) -> None:
        """GitHub did not say how long: a minute, then twice as long each time. *jitter* is from 0 to 1."""
        if started_at >= self.paused_at:  # those in flight together are one warning, not several
            self.strikes += 1
        seconds = min(INITIAL_BACKOFF_SECONDS * 2 ** (max(1, self.strikes) - 1), MAX_BACKOFF_SECONDS)
        if now + seconds > self.paused_until:
            self.pause(seconds * (1 + jitter / 4), now)

    def mark_exhausted(self, key: str, limit: int, resets_at: float) -> None:
        """GitHub refused because this bucket is empty: that counts more than what was heard before."""
        self.buckets[key] = Bucket(limit, 0, resets_at)

    # Several processes --------------------------------------------------------------------------------------------

    def rename_owner(self, old: str, new: str) -> None:
        """Two tokens turned out to be one owner's: their buckets are one."""
        for key in [key for key in self.buckets if key.startswith(f"{old} ")]:
            renamed = f"{new} {key.split(' ', 1)[1]}"
            bucket = self.buckets.pop(key)
            held = self.buckets.get(renamed)
            self.buckets[renamed] = bucket if held is None else newer_bucket(held, bucket)

    def merge(self, other: "RateBudgetState") -> None:
        """Take over what *other* heard: the longer pause, the newer state of each bucket."""
        if other.paused_at > self.paused_at:
            self.paused_at, self.strikes = other.paused_at, other.strikes
        self.paused_until = max(self.paused_until, other.paused_until)
        for key, bucket in other.buckets.items():
            held = self.buckets.get(key)
            self.buckets[key] = bucket if held is None else newer_bucket(held, bucket)

    # Deciding -----------------------------------------------------------------------------------------------------

    def _decide(self, wish: AdmissionRequest, now: float) -> AdmissionDecision:
        if now < self.paused_until:
            return AdmissionDecision(False, self.paused_until, "paused")
        bucket = self.buckets.get(wish.bucket)
        if bucket:
            reserved = round(bucket.limit * wish.reserve)
            if bucket.remaining - wish.cost < reserved:
                return AdmissionDecision(False, bucket.resets_at, "spent")
            if self._remaining_after_in_flight(wish.bucket, bucket) - wish.cost < reserved:
                # What is in flight may turn out to be free (304) or cheaper than feared: look again soon.
                return AdmissionDecision(False, now + RECHECK_SECONDS, "busy")
        if len(self.in_flight) >= MAX_CONCURRENT_REQUESTS:
            return AdmissionDecision(False, now + RECHECK_SECONDS, "busy")
        return self._check_secondary_limit(wish)

    def _check_secondary_limit(self, wish: AdmissionRequest) -> AdmissionDecision:
        slots = self.paced.get(f"{wish.owner} {wish.kind}", {})
        if sum(slots.values()) < MAX_REQUESTS_PER_MINUTE[wish.kind]:
            return AdmissionDecision(True)
        oldest = min(int(slot) for slot in slots)
        return AdmissionDecision(False, (oldest + 1) * SLOT_SECONDS + MINUTE, "pace")

    def _remaining_after_in_flight(self, key: str, bucket: Bucket) -> int:
        return bucket.remaining - sum(flying.cost for flying in self.in_flight.values() if flying.bucket == key)

    def _drop_expired(self, now: float) -> None:
        self.buckets = {key: bucket for key, bucket in self.buckets.items() if bucket.resets_at > now}
        self.in_flight = {
            key: flying for key, flying in self.in_flight.items() if flying.started_at > now - LEASE_SECONDS
        }
        first = int((now - MINUTE) // SLOT_SECONDS)
        paced = {
            key: {slot: count for slot, count in slots.items() if int(slot) >= first}
            for key, slots in self.paced.items()
        }
        self.paced = {key: slots for key, slots in paced.items() if slots}


def newer_bucket(held: Bucket, told: Bucket) -> Bucket:
    """Choose between two states of a bucket, whatever the order they came in."""
    if abs(held.resets_at - told.resets_at) <= SAME_WINDOW_TOLERANCE_SECONDS:
        return Bucket(told.limit, min(held.remaining, told.remaining), max(held.resets_at, told.resets_at))
    return max(held, told, key=lambda bucket: bucket.resets_at)
