"""A sandbox GitHub with a refreshed account, and enrichment of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from core.tracking import accounts
from ingest.enrichment import Enricher
from ingest.sandbox import Sandbox, World, serve
from tests.ingest.conftest import Ingestor


def now_of(sandbox: Sandbox) -> datetime:
    return datetime.fromtimestamp(sandbox.world.now(), UTC)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a small world."""
    with serve(World(accounts=8, repositories=90, biggest=40, seed=3)) as sandbox:
        yield sandbox


class EnrichmentHarness:
    """`harness.read("star_history", "owner/name")`; its clock is the sandbox GitHub's."""

    def __init__(self, ingestor: Ingestor) -> None:
        self.ingestor = ingestor
        self.sandbox, self.engine, self.rows = ingestor.sandbox, ingestor.engine, ingestor.rows
        self.enricher = Enricher(ingestor.github, ingestor.engine, ingestor.github.api_url, clock=self.now)

    def now(self) -> datetime:
        return now_of(self.sandbox)

    def track(self, login: str) -> None:
        with self.engine.begin() as connection:
            accounts.track(connection, login, "test")
        self.ingestor.one(login)

    def read(self, kind: str, *names: str, **given: Any) -> Any:
        return self.enricher.run(kind, [self.id_of(name) for name in names], **given)

    def id_of(self, name: str) -> int:
        table, column = ("repository", "full_name") if "/" in name else ("account", "login")
        return int(self.rows(f"SELECT id FROM {table} WHERE {column} = :name", name=name)[0][0])

    def state(self, kind: str, name: str) -> tuple[Any, ...]:
        subject = "repository_id" if "/" in name else "account_id"
        return self.rows(
            "SELECT state, failed_attempts, reason, due_at, captured_at FROM enrichment"
            f" WHERE kind = :kind AND {subject} = :id",
            kind=kind, id=self.id_of(name),
        )[0]  # fmt: skip

    def asked(self, part: str) -> list[str]:
        return [entry.path for entry in self.sandbox.log.entries if part in entry.path]


@pytest.fixture
def harness(ingestor: Ingestor) -> EnrichmentHarness:
    return EnrichmentHarness(ingestor)


@pytest.fixture
def most_starred(harness: EnrichmentHarness) -> str:
    """Track the most starred repository whose history has several pages and return its full name."""
    world = harness.sandbox.world
    found = max(
        (
            r
            for r in world.repositories.values()
            if world.shows(r) and not r.fork and world.now() - r.created_at > 3 * 365 * 86400
        ),
        key=lambda r: r.counts(world.now()).stars,
    )
    harness.track(found.owner.login)
    return found.full_name
