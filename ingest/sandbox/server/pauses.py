"""A pause: all requests are refused for a while, and those that ignore it are counted."""

from dataclasses import dataclass, field
from math import ceil

from ingest.sandbox.server.limits import secondary_limit_response
from ingest.sandbox.server.messages import ApiResponse

# The time a response needs to reach the client.
DELIVERY_SECONDS = 0.05


@dataclass(slots=True)
class Pause:
    """Refuses everything for *seconds*, from the request after the next *after* ones.

    arrivals are the (monotonic) times of the requests that came while it lasted; the first was refused at
    `first_refused_at`, so those later than that, plus the time the response travels, ignored the pause.
    """

    seconds: float
    after: int = 0
    status: int = 403
    retry_after: bool = True
    started_at: float | None = None
    first_sent_at: float | None = None
    arrivals: list[float] = field(default_factory=list)
    _first: ApiResponse | None = None

    def on_request(self, now: float) -> ApiResponse | None:
        """Record a request at *now*; return its refusal, None before and after the pause."""
        if self.started_at is None:
            if self.after > 0:
                self.after -= 1
                return None
            self.started_at = now
        left = self.started_at + self.seconds - now
        if left <= 0:
            return None
        self.arrivals.append(now)
        response = secondary_limit_response(self.status, ceil(left) if self.retry_after else None)
        self._first = self._first or response
        return response

    def on_response_sent(self, response: ApiResponse, now: float) -> None:
        """Record when the first refusal was sent."""
        if response is self._first:
            self.first_sent_at = now

    @property
    def ignored(self) -> int:
        """Count requests that came after the first refusal was sent."""
        if self.first_sent_at is None:
            return 0
        return sum(at > self.first_sent_at + DELIVERY_SECONDS for at in self.arrivals)

    @property
    def in_flight(self) -> int:
        """Count requests that were in flight when the first was refused."""
        return len(self.arrivals) - self.ignored
