"""What a sweep over many accounts costs, from the scheduler's decision to the stored snapshots."""

from collections.abc import Iterator

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from core.queue.jobs import JobOrigin
from ingest.planning.enqueue import enqueue_due_accounts
from ingest.refresh.batch import RefreshRequest
from ingest.sandbox import Sandbox, World, serve
from tests.ingest.conftest import TOKEN, Ingestor, github_client

ACCOUNTS = 160


@pytest.fixture
def many() -> Iterator[Sandbox]:
    with serve(World(accounts=ACCOUNTS, repositories=800, biggest=120, seed=5)) as sandbox:
        sandbox.world.freeze()
        yield sandbox


@pytest.fixture
def due(many: Sandbox, redis: Redis, committing_database: Engine) -> Iterator[Ingestor]:
    """All accounts are stored and due; ten repositories were pushed to since."""
    with github_client(many, redis, TOKEN) as github:
        ingestor = Ingestor(many, github, committing_database)
        _make_due(ingestor)
        yield ingestor


def _make_due(ingestor: Ingestor) -> None:
    ingestor.refresh(*ingestor.world.logins(), urgent=False)
    with ingestor.engine.begin() as connection:
        connection.execute(text("INSERT INTO tracked_account (account_id, due_at) SELECT id, now() FROM account"))
    ingestor.world.advance(seconds=3600)
    names = sorted(
        one.full_name for one in ingestor.world.repositories.values()
        if ingestor.world.shows(one) and not one.empty and not one.fork
    )  # fmt: skip
    for name in names[:10]:
        ingestor.world.edit.push(name)
    ingestor.sandbox.log.clear()


def sweep(ingestor: Ingestor) -> list[str]:
    """Refresh what the scheduler queues; returns the state of each account."""
    with ingestor.engine.begin() as connection:
        now = connection.execute(text("SELECT now() + interval '1 minute'")).scalar_one()
        assert enqueue_due_accounts(connection, None, now).accounts == ACCOUNTS
        jobs = connection.execute(text("SELECT id, args FROM procrastinate_jobs ORDER BY id")).all()
    assert [len(job.args["account_ids"]) for job in jobs] == [74, 74, 12]
    runs = [
        ingestor.refresher.run(RefreshRequest(JobOrigin("schedule"), job.args["account_ids"], job_id=job.id))
        for job in jobs
    ]
    return [item.state for run in runs for item in run.items]


def test_a_sweep_costs_a_point_for_74_accounts_and_one_for_its_languages(due):
    states = sweep(due)
    assert len(states) == ACCOUNTS
    assert set(states) <= {"stored", "unchanged"}
    # Three jobs: a query of first pages, at most one of languages, and one for the second page of the largest account.
    assert due.sandbox.log.points() <= 3 + 3 + 1
    unread = due.rows("SELECT count(*) FROM repository WHERE languages_pushed_at < pushed_at AND NOT is_fork")
    assert unread == [(0,)]


def test_a_sweep_loses_no_account_where_a_twentieth_of_the_responses_are_errors(due):
    due.sandbox.faults.errors(share=0.05)
    states = sweep(due)
    assert len(states) == ACCOUNTS
    assert set(states) <= {"stored", "unchanged"}
