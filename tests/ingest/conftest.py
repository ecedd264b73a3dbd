"""A sandbox GitHub, a client for it, and an ingestor on a separate database."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import Engine, create_engine, text

from core.queue.jobs import JobOrigin
from core.settings import Settings
from ingest.cli import show
from ingest.github import GitHub
from ingest.refresh.batch import Refresher, RefreshRequest
from ingest.refresh.run_log import IngestItem, Run
from ingest.sandbox import Sandbox, World, serve

TOKEN = "sandbox-token-1"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve 16 accounts with 420 repositories, 230 of them in one organization, with a running clock."""
    with serve(World(accounts=16, repositories=420, biggest=230, seed=3)) as sandbox:
        yield sandbox


def github_client(sandbox: Sandbox, redis: Redis, *tokens: str) -> GitHub:
    given = tuple(SecretStr(token) for token in tokens)
    return GitHub.from_settings(Settings(github_api_url=sandbox.url, github_tokens=given), redis)


@pytest.fixture
def ingestor(sandbox: Sandbox, redis: Redis, committing_database: Engine) -> Iterator["Ingestor"]:
    """Refresh and read: `ingestor.refresh("octocat")`, `ingestor.stored_account("octocat")`."""
    with github_client(sandbox, redis, TOKEN) as github:
        yield Ingestor(sandbox, github, committing_database)


@pytest.fixture
def anonymous(sandbox: Sandbox, redis: Redis, committing_database: Engine) -> Iterator["Ingestor"]:
    sandbox.limits.anonymous = 5000
    with github_client(sandbox, redis) as github:
        yield Ingestor(sandbox, github, committing_database)


class Ingestor:
    """Refreshes accounts of a sandbox GitHub and reads what was stored."""

    def __init__(self, sandbox: Sandbox, github: GitHub, engine: Engine) -> None:
        self.sandbox, self.world, self.github, self.engine = sandbox, sandbox.world, github, engine
        self.refresher = Refresher(github, engine, timedelta(hours=6), rng=random.Random(1))

    def refresh(self, *logins: str, **given: Any) -> Run:
        """Refresh as for a person who is waiting, unless `urgent=False` is given."""
        return self.refresher.run(RefreshRequest(JobOrigin("test"), logins=logins, **{"urgent": True} | given))

    def one(self, login: str, **given: Any) -> IngestItem:
        """Refresh one account and return its item."""
        (item,) = self.refresh(login, **given).items
        return item

    def stored_account(self, login: str) -> dict[str, Any]:
        with self.engine.begin() as connection:
            return show.stored_account(connection, login)

    def changes(self, login: str) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT change.kind, before, after FROM change JOIN account ON account.id = account_id"
            " WHERE lower(login) = lower(:login) ORDER BY change.id",
            login=login,
        )

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def login_with_most_repositories(self, kind: str | None = None) -> str:
        """Return the login with the most repositories."""
        accounts = [found for login in self.world.logins() if (found := self.world.account(login))]
        return max(
            (one for one in accounts if kind in (None, one.kind.lower())), key=lambda one: len(self.world.owned(one))
        ).login

    def active_repository(self, login: str, *, fork: bool = False) -> str:
        """Return the full name of a repository that was pushed to and is not archived."""
        for one in self.sandbox.ground_truth(login)["repositories"]:
            if one["pushed_at"] and not one["is_archived"] and one["is_fork"] is fork:
                return str(one["full_name"])
        raise LookupError(login)


class IngestProcess(subprocess.Popen[bytes]):
    """Runs `python -m ingest` with a command. Its log is a file: a pipe that nobody reads would stop it once full."""

    def __init__(self, command: str, environment: dict[str, str], log: Path) -> None:
        self.read_log = log.read_text
        with log.open("wb") as out:
            super().__init__([sys.executable, "-m", "ingest", command], env=environment, stderr=out)


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., IngestProcess]]:
    """Start processes, `start("worker", REFRESH_EVERY="1h")`; those that still run at the end are killed."""
    running: list[IngestProcess] = []

    def begin(command: str, **given: str) -> IngestProcess:
        running.append(IngestProcess(command, environment | given, tmp_path / f"{command}-{len(running)}.log"))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def new_engine(committing_database: Engine) -> Iterator[Callable[[], Engine]]:
    """Make engines with connections of their own, as other processes have."""
    engines: list[Engine] = []

    def make() -> Engine:
        engines.append(create_engine(committing_database.url))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()
