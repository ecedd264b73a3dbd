"""What a refresh asks of Postgres for each account: how many statements, and how many of them are planned anew."""

from collections.abc import Iterator

import pytest

from core.db.engine import pooled_engine
from core.db.statement import EXECUTIONS_BEFORE_PREPARE
from ingest.refresh import batch
from tests.ingest.conftest import Ingestor

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
