"""What a refresh asks of Postgres for each account: how many statements, and how many of them are planned again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from core.db.engine import pooled_engine
from core.db.statement import EXECUTIONS_BEFORE_PREPARE
from core.tracking import accounts
from ingest.refresh import batch
from tests.ingest.conftest import Ingestor

# Each costs a quarter of a millisecond, whatever it does.
UNCHANGED_STATEMENTS, CHANGED_STATEMENTS = 14, 21
PLANS = """
    SELECT coalesce(sum(generic_plans), 0), coalesce(sum(custom_plans), 0)
      FROM pg_prepared_statements WHERE statement LIKE '%INSERT INTO repository_summary%'
"""


@pytest.fixture
def pooled(ingestor: Ingestor) -> Iterator[Ingestor]:
    """With one connection for all accounts, as in a worker."""
    engine = pooled_engine(ingestor.engine.url.render_as_string(hide_password=False))
    ingestor.engine = ingestor.refresher.engine = engine
    yield ingestor
    engine.dispose()


def test_the_summaries_of_many_accounts_share_a_plan(pooled: Ingestor) -> None:
    logins = pooled.world.logins()
    pooled.refresh(*logins)
    ((shared, own),) = pooled.rows(PLANS)
    with_repositories = [login for login in logins if pooled.sandbox.ground_truth(login)["repositories"]]
    assert own <= 5  # Postgres compares as many with the shared one
    assert shared + own == len(with_repositories) - EXECUTIONS_BEFORE_PREPARE


def test_an_account_with_many_repositories_has_plans_of_its_own(
    pooled: Ingestor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan made for ten repositories would compare each of three thousand with each."""
    largest = pooled.login_with_most_repositories()
    repositories = len(pooled.sandbox.ground_truth(largest)["repositories"])
    monkeypatch.setattr(batch, "MAX_REPOSITORIES_PREPARED", repositories - 1)
    for _ in range(4):
        pooled.refresh(largest)
    assert pooled.rows("SELECT count(*) FROM pg_prepared_statements") == [(0,)]


@contextmanager
def counted(ingestor: Ingestor) -> Iterator[list[str]]:
    """Collect the statements of the transactions that store an account."""
    transactions: list[list[str]] = []

    def execute(_connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        transactions[-1].append(" ".join(sql.split()))

    event.listen(ingestor.engine, "begin", lambda _connection: transactions.append([]))
    event.listen(ingestor.engine, "before_cursor_execute", execute)
    found: list[str] = []
    yield found
    (storing,) = (one for one in transactions if any(sql.startswith("INSERT INTO ingest_item") for sql in one))
    found += storing


def test_an_unchanged_account_costs_few_statements(pooled: Ingestor) -> None:
    login = pooled.login_with_most_repositories("user")
    with pooled.engine.begin() as connection:
        accounts.track(connection, login, None)
    pooled.refresh(login)
    with counted(pooled) as statements:
        assert pooled.one(login).state == "unchanged"
    assert len(statements) <= UNCHANGED_STATEMENTS, statements


def test_a_changed_account_costs_a_few_more(pooled: Ingestor) -> None:
    """However many of its repositories changed."""
    login = pooled.login_with_most_repositories("user")
    pooled.refresh(login)
    for repository in pooled.sandbox.ground_truth(login)["repositories"]:
        pooled.world.edit.star(repository["full_name"], 3)
        pooled.world.edit.push(repository["full_name"])
    with counted(pooled) as statements:
        assert pooled.one(login).state == "stored"
    assert len(statements) <= CHANGED_STATEMENTS, statements
