"""The log of requests, in order of arrival."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request: `arrived` and `seconds` are real (monotonic) time, whatever the world's clock says."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    owner: str | None
    points: int
    nodes: int
    bytes: int
    arrived: float
    seconds: float


@dataclass(slots=True)
class RequestLog:
    """The entries so far; requests to `/_sandbox` are not in it."""

    entries: list[LoggedRequest] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def note(self, entry: LoggedRequest) -> None:
        with self._lock:
            self.entries.append(entry)

    def clear(self) -> None:
        with self._lock:
            self.entries.clear()

    def points(self, resource: str = "graphql") -> int:
        """Add up what GraphQL queries, or else REST requests, cost."""
        entries = [e for e in self.entries if e.path.endswith("/graphql") is (resource == "graphql")]
        return sum(entry.points for entry in entries)

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self.entries]

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(list(self.entries))

    def __len__(self) -> int:
        return len(self.entries)
