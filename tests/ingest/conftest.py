"""A sandbox GitHub, a client for it, and an ingestor on a separate database."""

import random
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from core.queue.jobs import JobOrigin
from core.settings import Settings
from ingest.cli import show
from ingest.github import GitHub
from ingest.refresh.batch import Refresher, RefreshRequest
from ingest.sandbox import Sandbox, World, serve

TOKEN = "sandbox-token-1"


@pytest.fixture
def pretend() -> Iterator[Sandbox]:
    """Serve 16 accounts with 420 repositories, 230 of them in one organization, with a running clock."""
    with serve(World(accounts=16, repositories=420, biggest=230, seed=3)) as sandbox:
        yield sandbox


def github_client(sandbox, redis, *tokens) -> GitHub:
    given = tuple(SecretStr(token) for token in tokens)
    return GitHub.from_settings(Settings(github_api_url=sandbox.url, github_tokens=given), redis)


@pytest.fixture
def ingestor(pretend, redis, committing_database):
    """Refresh and read: `ingestor.refresh("octocat")`, `ingestor.stored_account("octocat")`."""
    with github_client(pretend, redis, TOKEN) as github:
        yield Ingestor(pretend, github, committing_database)


@pytest.fixture
def anonymous(pretend, redis, committing_database):
    pretend.limits.anonymous = 5000
    with github_client(pretend, redis) as github:
        yield Ingestor(pretend, github, committing_database)


class Ingestor(SimpleNamespace):
    def __init__(self, sandbox, github, engine):
        super().__init__(sandbox=sandbox, world=sandbox.world, github=github, engine=engine)
        self.refresher = Refresher(github, engine, timedelta(hours=6), rng=random.Random(1))

    def refresh(self, *logins, **given):
        return self.refresher.run(RefreshRequest(JobOrigin("test"), logins=logins, **given))

    def one(self, login, **given):
        """Refresh one account and return its item."""
        (item,) = self.refresh(login, **given).items
        return item

    def stored_account(self, login):
        with self.engine.begin() as connection:
            return show.stored_account(connection, login)

    def ledger(self, login):
        return self.rows(
            "SELECT change.kind, before, after FROM change JOIN account ON account.id = account_id"
            " WHERE lower(login) = lower(:login) ORDER BY change.id",
            login=login,
        )

    def rows(self, sql, **values):
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def count(self, table):
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def login_with_most_repositories(self, kind=None):
        """Return the login with the most repositories."""
        accounts = [self.world.account(login) for login in self.world.logins()]
        return max(
            (one for one in accounts if kind in (None, one.kind.lower())), key=lambda one: len(self.world.owned(one))
        ).login

    def active_repository(self, login, *, fork=False):
        """Return the full name of a repository that was pushed to and is not archived."""
        for one in self.sandbox.ground_truth(login)["repositories"]:
            if one["pushed_at"] and not one["is_archived"] and one["is_fork"] is fork:
                return one["full_name"]
        raise LookupError(login)
