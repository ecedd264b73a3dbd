"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable
from pathlib import Path

TIMEOUT_SECONDS = 120.0


def wait_until(condition: Callable[[], object], *logs: Path, seconds: float = TIMEOUT_SECONDS) -> None:
    """Return once *condition* holds; fail with the text of *logs* when it does not within *seconds*."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "\n".join(["it did not happen in time", *(log.read_text() for log in logs)])
        time.sleep(0.05)
