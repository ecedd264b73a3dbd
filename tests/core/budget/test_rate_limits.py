from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis, RedisError

from core.budget import rate_limits
from core.budget.rate_limits import LEASE_SECONDS, InFlightRequest, StoredRateBudget
from ingest.github.client import GitHub
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.responses import RateLimitStatus
from ingest.planning.rate_budget import RateBudget

API = "https://github.example.org/api/v3"


def test_what_the_ingestor_writes_is_read_back(redis, now):
    with GitHub(api_url=API, pool=CredentialPool.from_secrets(["token"]), redis=redis) as github:
        github._gate.record_status(
            "octo", "graphql", RateLimitStatus(limit=5000, remaining=4321, resets_in_seconds=1800, resource="graphql")
        )
    summary = rate_limits.load_rate_budget(redis, API, now)
    (bucket,) = summary.buckets
    assert (bucket.owner, bucket.resource, bucket.limit, bucket.remaining) == ("octo", "graphql", 5000, 4321)
    assert timedelta(minutes=29) < bucket.resets_at - datetime.now(UTC) <= timedelta(minutes=30, seconds=1)
    assert bucket.remaining_at(now + timedelta(hours=1)) == 5000
    assert summary.paused_until is None


def report(github, owner, remaining):
    status = RateLimitStatus(limit=5000, remaining=remaining, resets_in_seconds=1800, resource="graphql")
    github._gate.record_status(owner, "graphql", status)


def test_a_token_that_is_no_longer_configured_does_not_count(redis, now):
    """Yesterday's token left 4,000 points in Redis, the configured ones have 100: nobody has 4,100."""
    old, new = CredentialPool.from_secrets(["old"]), CredentialPool.from_secrets(["new"])
    with GitHub(api_url=API, pool=old, redis=redis) as github:
        report(github, old.owner(old.credentials[0]), 4000)
    with GitHub(api_url=API, pool=new, redis=redis) as github:
        report(github, new.owner(new.credentials[0]), 100)
        assert [one.remaining for one in github.rate_budgets()] == [100]
    RateBudget(new, redis, API).publish_credentials()
    assert [one.remaining for one in rate_limits.load_rate_budget(redis, API, now).buckets] == [100]


def test_an_owner_whose_login_github_reported_is_known_by_it(redis, now):
    pool = CredentialPool.from_secrets(["token"])
    ResponseCache(redis, rate_limits.key_prefix(API)).learn_owner(pool.credentials[0].fingerprint, "octo")
    with GitHub(api_url=API, pool=pool, redis=redis) as github:
        report(github, "octo", 100)
        report(github, "somebody", 4000)
        assert [one.owner for one in github.rate_budgets()] == ["octo"]
    RateBudget(pool, redis, API).publish_credentials()
    assert [one.owner for one in rate_limits.load_rate_budget(redis, API, now).buckets] == ["octo"]


def test_the_first_response_of_a_token_counts_before_the_next_plan_publishes_its_owner(redis, now):
    """The plan before it published the fingerprint, as nobody knew the login yet."""
    pool = CredentialPool.from_secrets(["token", "unused"])
    RateBudget(pool, redis, API).publish_credentials()
    with GitHub(api_url=API, pool=pool, redis=redis) as github:
        ResponseCache(redis, rate_limits.key_prefix(API)).learn_owner(pool.credentials[0].fingerprint, "octo")
        report(github, "octo", 100)
    assert [one.owner for one in rate_limits.load_rate_budget(redis, API, now).buckets] == ["octo"]
    assert rate_limits.load_credentials(redis, API).owners == {"octo", pool.credentials[1].fingerprint}


def test_owners_that_two_processes_learn_at_once_are_both_published(redis, monkeypatch):
    pool = CredentialPool.from_secrets(["one", "two"])
    first, second = (credential.fingerprint for credential in pool.credentials)
    RateBudget(pool, redis, API).publish_credentials()
    key, read = rate_limits.key_prefix(API) + rate_limits.CREDENTIALS_KEY_SUFFIX, rate_limits._read_credentials

    def read_before_the_other_writes(stored):
        monkeypatch.setattr(rate_limits, "_read_credentials", read)
        rate_limits.publish_owner(redis, key, second, "cat")
        return read(stored)

    monkeypatch.setattr(rate_limits, "_read_credentials", read_before_the_other_writes)
    rate_limits.publish_owner(redis, key, first, "octo")
    assert rate_limits.load_credentials(redis, API).owners == {"octo", "cat"}
    assert 0 < redis.ttl(key) <= rate_limits.CREDENTIALS_TTL_SECONDS


@pytest.mark.parametrize("was_published", [False, True])
def test_an_owner_that_is_learned_while_a_plan_publishes_is_published(redis, monkeypatch, was_published):
    pool = CredentialPool.from_secrets(["token"])
    budget, worker = RateBudget(pool, redis, API), ResponseCache(redis, rate_limits.key_prefix(API))
    if was_published:
        budget.publish_credentials()
    load = budget._load_token_owners

    def load_before_the_worker_learns():
        load()
        monkeypatch.setattr(budget, "_load_token_owners", load)
        worker.learn_owner(pool.credentials[0].fingerprint, "octo")

    monkeypatch.setattr(budget, "_load_token_owners", load_before_the_worker_learns)
    budget.publish_credentials()
    assert rate_limits.load_credentials(redis, API).owners == {"octo"}


def test_an_owner_is_stored_before_it_is_published(redis, monkeypatch):
    """A plan that publishes right after finds it, and does not publish the fingerprint again."""
    pool = CredentialPool.from_secrets(["token"])
    fingerprint, published = pool.credentials[0].fingerprint, rate_limits.publish_owner

    def publish_before_a_plan(*given):
        published(*given)
        RateBudget(pool, redis, API).publish_credentials()

    monkeypatch.setattr(rate_limits, "publish_owner", publish_before_a_plan)
    ResponseCache(redis, rate_limits.key_prefix(API)).learn_owner(fingerprint, "octo")
    assert rate_limits.load_credentials(redis, API).owners == {"octo"}


def test_a_pause_shows_until_it_has_ended(now):
    state = StoredRateBudget(paused_until=now.timestamp() + 30)
    assert state.summary(now).paused_until == now + timedelta(seconds=30)
    assert state.summary(now + timedelta(minutes=1)).paused_until is None


def test_requests_of_a_dead_process_count_until_their_lease_expires(now):
    recent = InFlightRequest("x", 1, now.timestamp() - 1)
    expired = InFlightRequest("x", 1, now.timestamp() - LEASE_SECONDS - 1)
    assert StoredRateBudget(in_flight={"a": recent, "b": expired}).summary(now).in_flight == 1


@pytest.mark.parametrize("stored", [b"", b"null", b"[]", b"{}", b"no json", b'{"buckets": {"x core": {}}}'])
def test_what_another_version_wrote_reads_as_empty(redis, stored, now):
    redis.set(rate_limits.budget_key(API), stored)
    assert rate_limits.load_rate_budget(redis, API, now) == rate_limits.RateBudgetSummary()


def test_an_unavailable_redis_is_an_error(tmp_path, now):
    with pytest.raises(RedisError):
        rate_limits.load_rate_budget(Redis.from_url(f"unix://{tmp_path}/none.sock"), API, now)
