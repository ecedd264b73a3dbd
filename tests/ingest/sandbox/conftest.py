"""A small sandbox GitHub with a frozen clock, and clients for it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from ingest.sandbox import Sandbox, World, serve

# `verify=False` spares each test the loading of certificates that plain HTTP has no use for.
FROZEN_AT = datetime(2026, 9, 14, 12, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    return World(accounts=16, repositories=420, biggest=230, seed=3, frozen_at=FROZEN_AT)


@pytest.fixture
def sandbox(world: World) -> Iterator[Sandbox]:
    with serve(world) as running:
        yield running


@pytest.fixture
def signed_in(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer sandbox-token-1", "User-Agent": "tests"}
    with httpx.Client(base_url=sandbox.url, headers=headers, verify=False, timeout=60) as client:
        yield client


@pytest.fixture
def anonymous(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers={"User-Agent": "tests"}, verify=False, timeout=60) as client:
        yield client
