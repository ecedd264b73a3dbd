"""Shared fixtures: a fake clock that advances only by sleeping, and clients that use it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.github import GitHub
from ingest.github.http.credentials import CredentialPool

TOKEN = "ghp_secretsecretsecretsecretsecretsecret"


class FakeClock:
    """A clock that advances only by `sleep`."""

    def __init__(self, now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.slept_seconds = 0.0

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self.slept_seconds += seconds


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(time: FakeClock) -> Iterator[Callable[..., GitHub]]:
    """Create clients of a server: `client(url, token…)`, with the fake clock unless another one is passed."""
    with ExitStack() as stack:

        def make(url: str, *tokens: str, **others: Any) -> GitHub:
            defaults: dict[str, Any] = {
                "clock": time.now,
                "sleep": time.sleep,
                "pool": CredentialPool.from_secrets(tokens),
            }
            return stack.enter_context(GitHub(api_url=url, **defaults | others))

        yield make
