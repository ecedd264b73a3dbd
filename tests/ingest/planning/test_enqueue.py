"""The scheduler queues what the rate budget in Redis pays for; the rest waits for the next minute or hour."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from core.budget import rate_limits
from core.budget.cost_model import ACCOUNTS_PER_QUERY
from core.budget.rate_limits import Bucket
from core.queue import jobs
from ingest.github.http.credentials import ANONYMOUS, CredentialPool
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.rate_budget import RateBudgetState
from ingest.planning import due_accounts, enqueue
from ingest.planning.enqueue import enqueue_due_accounts
from ingest.planning.fair_queue import HourlyLimit
from ingest.planning.rate_budget import RateBudget

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
API = "https://github.test"


class StoredBudget:
    """Store the rate budget of tokens in Redis as the client does."""

    def __init__(self, redis, *tokens):
        self.redis = redis
        self.pool = CredentialPool.from_secrets(tokens)
        self.rate_budget = RateBudget(self.pool, redis, API)

    def report(self, *, limit=5000, remaining=5000, resets_in=1800, paused=0):
        resource = "core" if self.pool.is_anonymous else "graphql"
        owners = [credential.fingerprint for credential in self.pool.credentials]
        until = NOW.timestamp() + resets_in
        state = RateBudgetState(
            paused_until=NOW.timestamp() + paused,
            buckets={f"{owner} {resource}": Bucket(limit, remaining, until) for owner in owners},
        )
        self.redis.set(rate_limits.budget_key(API), state.to_json())
        return self.rate_budget

    def report_anonymous(self, *, remaining):
        bucket = Bucket(60, remaining, NOW.timestamp() + 1800)
        state = RateBudgetState(paused_until=0, buckets={f"{ANONYMOUS} core": bucket})
        self.redis.set(rate_limits.budget_key(API), state.to_json())


@pytest.fixture
def token(redis):
    return StoredBudget(redis, "one-token")


@pytest.fixture
def anonymous(redis):
    return StoredBudget(redis)


def track(connection, count, *, repositories=30, priority=0):
    connection.execute(
        text("""
            WITH new AS (INSERT INTO account (login)
                 SELECT 'account-' || :priority || '-' || n FROM generate_series(1, :count) AS n RETURNING id)
            INSERT INTO tracked_account (account_id, due_at, repositories, priority)
            SELECT id, :due, :repositories, :priority FROM new
        """),
        {"count": count, "due": NOW - timedelta(minutes=5), "repositories": repositories, "priority": priority},
    )


def queued_count(connection):
    return connection.scalar(text("SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL"))


def finish_all_jobs(connection):
    connection.execute(text("DELETE FROM procrastinate_jobs"))
    connection.execute(
        text("UPDATE tracked_account SET queued_at = NULL, job_id = NULL, due_at = :later WHERE queued_at IS NOT NULL"),
        {"later": NOW + timedelta(days=1)},
    )


def test_what_all_tokens_are_denied_is_paid_with_anonymous_requests(database, token, redis):
    """One request for the account and one for its page: of 60 an hour, 5 % is left for people, 20 go in one minute.

    (60 - 3) / 2 = 28.5 accounts an hour, 20 / 2 = 10 in a minute. The other account costs hardly a point.
    """
    budget = token.report()
    track(database, 40)
    track(database, 1, priority=1)
    cache = ResponseCache(redis, rate_limits.key_prefix(API))
    for n in range(1, 41):
        cache.store_denial(token.pool.credentials[0].fingerprint, f"account-0-{n}", "policy")
    assert enqueue_due_accounts(database, budget, NOW).accounts == 11
    finish_all_jobs(database)
    budget.publish_credentials()  # as the scheduler does each minute: anonymous requests are of no configured owner
    token.report_anonymous(remaining=3)
    assert enqueue_due_accounts(database, budget, NOW).accounts == 0
    redis.flushdb()  # after a day the tokens are asked again
    assert enqueue_due_accounts(database, budget, NOW).accounts == 30


def test_an_unknown_budget_counts_as_the_default_limit(database, token):
    track(database, 40)
    assert enqueue_due_accounts(database, token.rate_budget, NOW).accounts == 40


def test_without_a_token_the_budget_is_sixty_requests_an_hour(database, anonymous):
    track(database, 100)
    enqueued = enqueue_due_accounts(database, anonymous.report(limit=60, remaining=60), NOW)
    assert 0 < enqueued.accounts * 2 <= 20
    assert enqueued.postponed == 100 - enqueued.accounts


def test_queued_work_never_exceeds_the_remaining_budget(database, anonymous):
    """The scheduler runs every minute while no worker spends anything."""
    track(database, 100)
    rate_budget = anonymous.report(limit=60, remaining=43)
    for minute in range(30):
        enqueue_due_accounts(database, rate_budget, NOW + timedelta(seconds=minute))
    assert queued_count(database) * 2 <= 43 - 60 * 0.05


def test_an_exhausted_budget_queues_nothing_until_its_reset(database, token):
    track(database, 10)
    rate_budget = token.report(remaining=200, resets_in=600)
    assert enqueue_due_accounts(database, rate_budget, NOW).accounts == 0
    assert enqueue_due_accounts(database, rate_budget, NOW + timedelta(seconds=601)).accounts == 10


def test_nothing_is_queued_during_a_pause_of_github(database, token):
    track(database, 10)
    enqueued = enqueue_due_accounts(database, token.report(paused=60), NOW)
    assert enqueued.accounts == 0
    assert enqueued.paused_until == NOW + timedelta(seconds=60)


def test_the_highest_priorities_are_queued_first(database, anonymous):
    track(database, 30)
    track(database, 5, priority=2)
    enqueue_due_accounts(database, anonymous.report(limit=60, remaining=60), NOW)
    wanted = database.scalar(text("SELECT count(*) FROM tracked_account WHERE priority = 2 AND queued_at IS NOT NULL"))
    assert wanted == 5


def test_an_account_that_costs_more_than_an_hours_budget_is_queued_alone(database, anonymous):
    track(database, 1, repositories=9_000, priority=7)
    assert enqueue_due_accounts(database, anonymous.report(limit=60, remaining=60), NOW).accounts == 1
    finish_all_jobs(database)
    track(database, 2, repositories=9_000, priority=1)
    assert enqueue_due_accounts(database, anonymous.report(limit=60, remaining=40), NOW).accounts == 0
    assert enqueue_due_accounts(database, anonymous.report(limit=60, remaining=60), NOW).accounts == 1


def test_after_a_clock_jump_due_accounts_are_spread_over_minutes(database, anonymous):
    """Each minute queues its share, and all accounts are queued within the hours that the budget allows."""
    track(database, 60)
    minutes, left = 0, 60
    while database.scalar(text("SELECT count(*) FROM tracked_account WHERE due_at <= :now"), {"now": NOW}):
        spent = enqueue_due_accounts(database, anonymous.report(limit=60, remaining=left), NOW).accounts * 2
        assert spent <= 20
        left, minutes = (left - spent, minutes + 1) if spent else (60, minutes + 60)
        finish_all_jobs(database)
    assert 60 < minutes < 240


def test_after_a_github_outage_accounts_recover_without_a_burst(database, token):
    """All accounts failed together; each minute then queues its share until all have recovered."""
    track(database, 100, repositories=12_500)
    chance, down_until = random.Random(5), NOW + timedelta(minutes=10)
    ids = database.scalars(text("SELECT account_id FROM tracked_account")).all()
    database.execute(text("UPDATE tracked_account SET failures = 1"))
    for account_id in ids:
        due_accounts.record_failure(database, account_id, NOW + timedelta(minutes=5), timedelta(hours=6), None, chance)
    assert enqueue_due_accounts(database, token.report(), down_until).accounts == 0
    taken = []
    for minute in range(1, 30):
        taken.append(enqueue_due_accounts(database, token.report(), down_until + timedelta(minutes=minute)).accounts)
        finish_all_jobs(database)
    assert sum(taken) == 100
    assert max(taken) * 12_500 / 2_500 <= 5000 * 0.05


def test_accounts_queued_together_are_one_ingestion(database, token):
    track(database, jobs.BATCH_SIZE + 1)
    enqueue_due_accounts(database, token.report(), NOW)
    assert database.execute(text("SELECT accounts FROM ingestion")).scalars().all() == [jobs.BATCH_SIZE + 1]
    assert database.scalar(text("SELECT count(*) FROM ingestion_job")) == 2


def job_sizes(database):
    return database.scalars(text("SELECT accounts FROM ingestion_job ORDER BY accounts")).all()


def test_many_due_accounts_are_packed_into_few_jobs(database, token):
    """Queries that are not full are lost once for each job; a worker still gets several jobs."""
    track(database, 1000)
    enqueue_due_accounts(database, token.report(), NOW)
    # Four jobs of 250 would not be whole queries of 74.
    assert job_sizes(database) == [1000 - 3 * 296, 296, 296, 296]


def test_several_workers_share_a_sweep(database, token):
    track(database, 1000)
    database.execute(
        text("INSERT INTO procrastinate_workers (last_heartbeat) SELECT now() FROM generate_series(1, :registered)"),
        {"registered": 3 * len(jobs.QUEUES)},
    )
    database.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"))
    enqueue_due_accounts(database, token.report(), NOW)
    assert job_sizes(database) == [1000 - 6 * 148, *[148] * 6]


@given(st.integers(1, 100_000), st.integers(0, 50))
def test_a_job_is_whole_queries_of_a_size_that_leaves_several_for_each_worker(accounts, workers):
    size = enqueue.accounts_per_job(accounts, workers)
    assert size % ACCOUNTS_PER_QUERY == 0
    assert ACCOUNTS_PER_QUERY <= size <= 13 * ACCOUNTS_PER_QUERY
    fair = accounts / (4 * max(workers, 1))
    assert size < fair + ACCOUNTS_PER_QUERY


def test_each_owners_accounts_use_that_owners_budget(database, redis):
    """One owner's budget is exhausted: only accounts of the other are queued."""
    stored_budget = StoredBudget(redis, "first-token", "second-token")
    track(database, 40)
    rate_budget = stored_budget.report()
    spent, free = (credential.fingerprint for credential in stored_budget.pool.credentials)
    state = RateBudgetState.from_json(redis.get(rate_limits.budget_key(API)))
    state.buckets[f"{spent} graphql"].remaining = 0
    redis.set(rate_limits.budget_key(API), state.to_json())
    enqueue_due_accounts(database, rate_budget, NOW)
    payer_of = rate_budget.payer()
    logins = database.scalars(
        text("SELECT login FROM account JOIN tracked_account ON account_id = id WHERE queued_at IS NOT NULL")
    ).all()
    assert logins
    assert {payer_of(login, None) for login in logins} == {free}


def test_accounts_of_an_exhausted_budget_do_not_block_others(database, redis, monkeypatch):
    """The first accounts of a limited read are not affordable."""
    monkeypatch.setattr(enqueue, "MAX_DUE_ACCOUNTS", 5)
    stored_budget = StoredBudget(redis, "first-token", "second-token")
    rate_budget = stored_budget.report()
    spent, free = (credential.fingerprint for credential in stored_budget.pool.credentials)
    state = RateBudgetState.from_json(redis.get(rate_limits.budget_key(API)))
    state.buckets[f"{spent} graphql"].remaining = 0
    redis.set(rate_limits.budget_key(API), state.to_json())
    for priority, token in ((3, spent), (0, free)):
        track(database, 20, priority=priority)
        database.execute(
            text("UPDATE account SET token_fingerprint = :token WHERE token_fingerprint IS NULL"), {"token": token}
        )
    assert enqueue_due_accounts(database, rate_budget, NOW).accounts == 5


def test_accounts_that_nothing_pays_for_do_not_block_others(database, token, redis, monkeypatch):
    """All tokens are denied the four that are due longest, and anonymous requests are spent: the fifth is queued."""
    monkeypatch.setattr(enqueue, "MAX_DUE_ACCOUNTS", 2)
    budget = token.report()
    track(database, 4, priority=1)
    track(database, 1)
    cache = ResponseCache(redis, rate_limits.key_prefix(API))
    for n in range(1, 5):
        cache.store_denial(token.pool.credentials[0].fingerprint, f"account-1-{n}", "policy")
    token.report_anonymous(remaining=3)
    enqueued = enqueue_due_accounts(database, budget, NOW)
    assert (enqueued.accounts, enqueued.postponed) == (1, 4)
    logins = "SELECT login FROM account JOIN tracked_account ON account_id = id WHERE queued_at IS NOT NULL"
    assert database.scalars(text(logins)).all() == ["account-0-1"]


def test_accounts_are_queued_without_redis(database):
    class Away:
        def get(self, key):
            from redis.exceptions import ConnectionError as Gone

            raise Gone

    track(database, 3)
    assert (
        enqueue_due_accounts(database, RateBudget(CredentialPool.from_secrets(["t"]), Away(), API), NOW).accounts == 3
    )


def test_enrichment_sees_what_is_left_of_the_rate_limit_that_its_kind_spends(token):
    """REST is unknown, so full; a token that is no longer configured is taken over by the one that is."""
    limit_of = token.report(limit=6000, remaining=3500).enrichment_limits(NOW)
    assert limit_of(token.pool.credentials[0].fingerprint, "graphql") == HourlyLimit(6000, 3500)
    assert limit_of(token.pool.credentials[0].fingerprint, "core") == HourlyLimit(5000, 5000)
    assert limit_of("no longer configured", "graphql") == limit_of(None, "graphql") == HourlyLimit(6000, 3500)


def test_a_pause_leaves_enrichment_nothing(token):
    assert token.report(remaining=3500, paused=60).enrichment_limits(NOW)(None, "graphql") == HourlyLimit(5000, 0)


def test_enrichment_without_a_token_sees_its_sixty_requests(anonymous):
    assert anonymous.report(limit=60, remaining=50).enrichment_limits(NOW)(None, "core") == HourlyLimit(
        60, 50, is_anonymous=True
    )
