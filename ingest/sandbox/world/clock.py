"""The clock of a world: real by default, frozen and advanced by tests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import lru_cache


class Clock:
    """Returns whole seconds since 1970, the resolution of GitHub's timestamps."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self._frozen_at = frozen_at.timestamp() if frozen_at else None
        self._ahead = 0.0

    def now(self) -> int:
        return int((time.time() if self._frozen_at is None else self._frozen_at) + self._ahead)

    def freeze(self, at: datetime | None = None) -> None:
        """Freeze at *at*, or at the present time."""
        self._frozen_at, self._ahead = (at.timestamp() if at else float(self.now())), 0.0

    @contextmanager
    def frozen_at(self, timestamp: int) -> Iterator[None]:
        """Freeze at *timestamp* while the block runs."""
        before = self._frozen_at, self._ahead
        self._frozen_at, self._ahead = float(timestamp), 0.0
        try:
            yield
        finally:
            self._frozen_at, self._ahead = before

    def advance(self, by: timedelta) -> None:
        """Advance by *by*, frozen or not. A world cannot go back: its accounts would not exist yet."""
        if by < timedelta():
            raise ValueError("the clock of a world only moves ahead")
        self._ahead += by.total_seconds()


@lru_cache(maxsize=65536)
def iso_timestamp(timestamp: int) -> str:
    """Write *timestamp* as GitHub's bodies do: `2026-08-18T20:26:54Z`."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=65536)
def http_date(timestamp: int) -> str:
    """Write *timestamp* as headers do: `Tue, 18 Aug 2026 20:26:54 GMT`."""
    return formatdate(timestamp, usegmt=True)


def epoch(text: str) -> int:
    """Read a day such as `2026-06-01` as midnight UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
