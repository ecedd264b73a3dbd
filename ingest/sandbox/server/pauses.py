"""A pause: everybody is told to wait, and who does not is counted."""

from dataclasses import dataclass, field
from math import ceil

from ingest.sandbox.server.limits import secondary_limit_response
from ingest.sandbox.server.messages import ApiResponse

# The time an answer needs to reach the asker's ears.
DELIVERY_SECONDS = 0.05


@dataclass(slots=True)
class Pause:
    """Refuses everything for *seconds*, from the request after the next *after* ones.

    arrivals are the moments (monotonic) of the requests that came while it lasted; the first was told at
    `told_at`, so what came later than that, plus what the answer needs to arrive, came although told.
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
        """Take note of a request at *now*; return what it is told, None before and after the pause."""
        if self.started_at is None:
            if self.after > 0:
                self.after -= 1
                return None
            self.started_at = now
        left = self.started_at + self.seconds - now
        if left <= 0:
            return None
        self.arrivals.append(now)
        answer = secondary_limit_response(self.status, ceil(left) if self.retry_after else None)
        self._first = self._first or answer
        return answer

    def on_response_sent(self, answer: ApiResponse, now: float) -> None:
        """Note when the first refusal left the house."""
        if answer is self._first:
            self.first_sent_at = now

    @property
    def ignored(self) -> int:
        """Count requests that came although the asker had been told."""
        if self.first_sent_at is None:
            return 0
        return sum(at > self.first_sent_at + DELIVERY_SECONDS for at in self.arrivals)

    @property
    def in_flight(self) -> int:
        """Count requests that were under way when the first was told."""
        return len(self.arrivals) - self.ignored
