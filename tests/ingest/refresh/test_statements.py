"""What a refresh asks of Postgres: how many statements for all accounts whose responses come together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from core.db.engine import pooled_engine
from core.tracking import accounts
from ingest.github.fetch import fetcher
from tests.ingest.conftest import Ingestor

# Each costs one Postgres a quarter of a millisecond, whatever it does, and a cluster up to twenty times that.
UNCHANGED_STATEMENTS, CHANGED_STATEMENTS = 14, 22


@pytest.fixture(autouse=True)
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for all responses, and store them together."""
    monkeypatch.setattr(fetcher, "GROUP_SECONDS", 60)


@pytest.fixture
def pooled(ingestor: Ingestor) -> Iterator[Ingestor]:
    """With one connection for all accounts, as in a worker."""
    engine = pooled_engine(ingestor.engine.url.render_as_string(hide_password=False))
    ingestor.engine = ingestor.refresher.engine = engine
    yield ingestor
    engine.dispose()


@contextmanager
def counted(ingestor: Ingestor) -> Iterator[list[list[str]]]:
    """Collect the statements of each transaction that stores accounts."""
    transactions: list[list[str]] = []

    def execute(_connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        transactions[-1].append(" ".join(sql.split()))

    event.listen(ingestor.engine, "begin", lambda _connection: transactions.append([]))
    event.listen(ingestor.engine, "before_cursor_execute", execute)
    found: list[list[str]] = []
    yield found
    found += [one for one in transactions if any(sql.startswith("INSERT INTO ingest_item") for sql in one)]


def test_unchanged_accounts_cost_few_statements_together(pooled: Ingestor) -> None:
    logins = pooled.world.logins()
    with pooled.engine.begin() as connection:
        for login in logins:
            accounts.track(connection, login, None)
    pooled.refresh(*logins)
    with counted(pooled) as transactions:
        assert {item.state for item in pooled.refresh(*logins).items} == {"unchanged"}
    (statements,) = transactions
    assert len(statements) <= UNCHANGED_STATEMENTS, statements


def test_changed_accounts_cost_a_few_more(pooled: Ingestor) -> None:
    """However many of them and of their repositories changed."""
    logins = pooled.world.logins()
    pooled.refresh(*logins)
    for login in logins:
        for repository in pooled.sandbox.ground_truth(login)["repositories"]:
            pooled.world.edit.star(repository["full_name"], 3)
            pooled.world.edit.push(repository["full_name"])
    with counted(pooled) as transactions:
        assert pooled.refresh(*logins).stored == len(logins)
    (statements,) = transactions
    assert len(statements) <= CHANGED_STATEMENTS, statements


def test_accounts_with_many_repositories_are_stored_in_several_transactions(
    pooled: Ingestor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held in memory, and how long others wait, does not grow with the accounts."""
    logins = pooled.world.logins()
    monkeypatch.setattr(fetcher, "MAX_REPOSITORIES_TOGETHER", 100)
    with counted(pooled) as transactions:
        assert pooled.refresh(*logins).stored == len(logins)
    # 230 of the 420 are of one account, and no transaction has 100 of others beside its last account.
    assert 2 <= len(transactions) < len(logins)
