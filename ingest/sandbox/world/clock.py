"""The clock of a world: real by default, frozen and moved by tests."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import lru_cache


class Clock:
    """Tells whole seconds since 1970; GitHub's moments are no finer."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self._frozen_at = frozen_at.timestamp() if frozen_at else None
        self._ahead = 0.0

    def now(self) -> int:
        return int((time.time() if self._frozen_at is None else self._frozen_at) + self._ahead)

    def freeze(self, at: datetime | None = None) -> None:
        """Stop at *at*, or where the clock stands."""
        self._frozen_at, self._ahead = (at.timestamp() if at else float(self.now())), 0.0

    def advance(self, by: timedelta) -> None:
        """Move ahead by *by*, frozen or not. A world has no way back: its accounts would un-happen."""
        if by < timedelta():
            raise ValueError("the clock of a world only moves ahead")
        self._ahead += by.total_seconds()


@lru_cache(maxsize=65536)
def iso_timestamp(moment: int) -> str:
    """Write *moment* as GitHub's bodies do: `2026-08-18T20:26:54Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=65536)
def http_date(moment: int) -> str:
    """Write *moment* as headers do: `Tue, 18 Aug 2026 20:26:54 GMT`."""
    return formatdate(moment, usegmt=True)


def epoch(text: str) -> int:
    """Read a day such as `2026-06-01` as midnight UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
