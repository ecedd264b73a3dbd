"""Rate limits: what each token owner has left, and the headers that say so."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock

from ingest.sandbox.server.messages import ApiRequest, ApiResponse, error_response
from ingest.sandbox.world.clock import Clock

HOUR_SECONDS = 3600
LIMIT_DOCS = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
SECONDARY_DOCS = "https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
SECONDARY_LIMIT_MESSAGE = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID."
)
# Two tokens of one person share a budget; the second owner is somebody else.
DEFAULT_TOKENS = {
    "sandbox-token-1": "sandbox-owner-1",
    "sandbox-token-1b": "sandbox-owner-1",
    "sandbox-token-2": "sandbox-owner-2",
    "sandbox-token-3": "sandbox-owner-3",
}
OTHER_RESOURCES = {"search": 30, "integration_manifest": 5000, "source_import": 100, "code_scanning_upload": 1000}


@dataclass(slots=True)
class HourlyBucket:
    """One hour's budget; the hour begins with the first request."""

    limit: int
    used: int = 0
    reset: int = 0

    @property
    def remaining(self) -> int:
        return max(self.limit - self.used, 0)

    def reset_if_due(self, now: int) -> "HourlyBucket":
        if now >= self.reset:
            self.used, self.reset = 0, now + HOUR_SECONDS
        return self


@dataclass(slots=True)
class MinuteWindow:
    """One client's requests of the last minute and those in flight."""

    spent: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    in_flight: int = 0

    def points(self, resource: str, now: float) -> int:
        spent = self.spent.setdefault(resource, deque())
        while spent and spent[0][0] <= now - 60:
            spent.popleft()
        return sum(points for _, points in spent)


class Limits:
    """Counts per owner and resource. All numbers may be changed while it runs.

    core, graphql     points an hour with a token
    anonymous         requests an hour per IP address without a token
    rest_a_minute, graphql_a_minute, concurrent   the secondary limits, in the time that `monotonic` tells
    """

    def __init__(
        self,
        clock: Clock,
        tokens: Mapping[str, str] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tokens = dict(DEFAULT_TOKENS if tokens is None else tokens)
        self.core, self.graphql, self.anonymous = 5000, 5000, 60
        self.limit_overrides: dict[str, int] = {}
        """The hourly budget of owners who have another one than the rest, such as installations of Apps."""
        self.rest_per_minute, self.graphql_per_minute, self.max_concurrent = 900, 2000, 100
        self.secondary_retry_after: int | None = 60
        self._clock = clock
        self.monotonic = monotonic
        self._buckets: dict[tuple[str, str], HourlyBucket] = {}
        self._minute_windows: dict[str, MinuteWindow] = {}
        self._lock = RLock()

    def bucket(self, who: str, resource: str = "core") -> HourlyBucket:
        """Return the budget of *who*, a token owner or an IP address."""
        limit = self.anonymous
        if who in self.tokens.values():
            limit = self.limit_overrides.get(who, self.graphql if resource == "graphql" else self.core)
        elif resource == "graphql":
            limit = 0
        with self._lock:
            bucket = self._buckets.setdefault((who, resource), HourlyBucket(limit))
            bucket.limit = limit
            return bucket.reset_if_due(self._clock.now())

    def set_remaining(self, remaining: int, *, who: str = "sandbox-owner-1", resource: str = "core") -> None:
        """Set what *who* has left to *remaining* points until the hour ends."""
        bucket = self.bucket(who, resource)
        bucket.used = bucket.limit - remaining

    def begin_request(self, request: ApiRequest, resource: str) -> ApiResponse | None:
        """Count a request that arrived; refuse it where a secondary limit is exceeded."""
        with self._lock:
            minute = self._minute_windows.setdefault(requester(request), MinuteWindow())
            minute.in_flight += 1
            now = self.monotonic()
            most = self.graphql_per_minute if resource == "graphql" else self.rest_per_minute
            if minute.in_flight > self.max_concurrent or minute.points(resource, now) >= most:
                return secondary_limit_response(403, self.secondary_retry_after)
            minute.spent[resource].append((now, 1))
        return None

    def end_request(self, request: ApiRequest) -> None:
        with self._lock:
            self._minute_windows[requester(request)].in_flight -= 1

    def spent(self, request: ApiRequest, resource: str) -> bool:
        return self.bucket(requester(request), resource).remaining <= 0

    def charge(self, request: ApiRequest, resource: str, points: int) -> None:
        with self._lock:
            self.bucket(requester(request), resource).used += points

    def headers(self, request: ApiRequest, resource: str) -> dict[str, str]:
        bucket = self.bucket(requester(request), resource)
        return {
            "x-ratelimit-limit": str(bucket.limit),
            "x-ratelimit-remaining": str(bucket.remaining),
            "x-ratelimit-reset": str(bucket.reset),
            "x-ratelimit-used": str(bucket.used),
            "x-ratelimit-resource": resource,
        }

    def rate_limit_response(self, request: ApiRequest, *, with_rate: bool) -> ApiResponse:
        """Answer `/rate_limit`, which is free; `rate` was removed in version 2026-03-10."""
        client, now = requester(request), self._clock.now()
        resources = {name: _bucket_body(self.bucket(client, name)) for name in ("core", "graphql")}
        resources |= {
            name: _bucket_body(HourlyBucket(limit, 0, now + HOUR_SECONDS)) for name, limit in OTHER_RESOURCES.items()
        }
        body: dict[str, object] = {"resources": resources}
        if with_rate:
            body["rate"] = resources["core"]
        response = ApiResponse.of(200, body, cache_control="no-cache")
        response.points = 0
        return response


def requester(request: ApiRequest) -> str:
    return request.owner or request.client


def secondary_limit_response(status: int, retry_after: int | None) -> ApiResponse:
    response = error_response(status, SECONDARY_LIMIT_MESSAGE, SECONDARY_DOCS)
    response.points = 0
    if retry_after is not None:
        response.headers["retry-after"] = str(retry_after)
    return response


def primary_limit_response(request: ApiRequest, status: int = 403) -> ApiResponse:
    """Refuse because the hour's budget is spent; the headers carry the reset time."""
    whom = f"user ID {request.owner}" if request.owner else request.client
    hint = "" if request.owner else " (But here's the good news: Authenticated requests get a higher rate limit.)"
    response = error_response(status, f"API rate limit exceeded for {whom}.{hint}", LIMIT_DOCS)
    response.points = 0
    return response


def graphql_limit_response(kind: str = "RATE_LIMITED") -> ApiResponse:
    """Refuse a query the way GraphQL does: HTTP 200 and an error."""
    error = {"type": kind, "message": "API rate limit exceeded for user ID 1431904."}
    response = ApiResponse.of(200, {"errors": [error]})
    response.points = 0
    return response


def _bucket_body(bucket: HourlyBucket) -> dict[str, int]:
    return {"limit": bucket.limit, "used": bucket.used, "remaining": bucket.remaining, "reset": bucket.reset}
