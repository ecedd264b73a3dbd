"""What the ingestor writes about GitHub's budgets is what the web process reads."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import RedisError

from core.budget import shared_state
from ingest.github.client import GitHub
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.rate_budget import LEASE_SECONDS

API = "https://github.example.org/api/v3"
NOW = datetime.now(UTC)


def test_the_ingestor_and_this_module_agree_about_the_key(redis):
    with GitHub(api_url=API, pool=CredentialPool.from_secrets(["token"]), redis=redis) as github:
        github._gate.rename_owner("nobody", "octo")  # any change of the shared state writes it
    assert redis.exists(shared_state.budget_key(API))
    assert shared_state.LEASE_SECONDS == LEASE_SECONDS


def test_what_the_gate_was_told_is_read_back(redis):
    from ingest.github.http.responses import RateLimitStatus

    with GitHub(api_url=API, pool=CredentialPool.from_secrets(["token"]), redis=redis) as github:
        github._gate.told(
            "octo", "graphql", RateLimitStatus(limit=5000, remaining=4321, resets_in_seconds=1800, resource="graphql")
        )
    seen = shared_state.load_rate_budget(redis, API, NOW)
    (bucket,) = seen.buckets
    assert (bucket.owner, bucket.resource, bucket.limit, bucket.remaining) == ("octo", "graphql", 5000, 4321)
    assert timedelta(minutes=29) < bucket.resets_at - datetime.now(UTC) <= timedelta(minutes=30, seconds=1)
    assert bucket.left(NOW + timedelta(hours=1)) == 5000
    assert seen.paused_until is None


def test_a_pause_shows_until_it_is_over():
    told = {"paused_until": NOW.timestamp() + 30, "buckets": {}, "in_flight": {}}
    assert shared_state.parse_rate_budget(told, NOW).paused_until == NOW + timedelta(seconds=30)
    assert shared_state.parse_rate_budget(told, NOW + timedelta(minutes=1)).paused_until is None


def test_requests_of_a_process_that_died_are_not_counted_for_ever():
    flying = {"a": {"bucket": "x", "cost": 1, "started_at": NOW.timestamp() - 1}}
    dead = {"b": {"bucket": "x", "cost": 1, "started_at": NOW.timestamp() - LEASE_SECONDS - 1}}
    told = {"paused_until": 0.0, "buckets": {}, "in_flight": flying | dead}
    assert shared_state.parse_rate_budget(told, NOW).in_flight == 1


@pytest.mark.parametrize("held", [b"", b"null", b"[]", b"{}", b"no json", b'{"buckets": {"x core": {}}}'])
def test_what_another_version_wrote_reads_as_nothing(redis, held):
    redis.set(shared_state.budget_key(API), held)
    assert shared_state.load_rate_budget(redis, API, NOW) == shared_state.RateBudgetSummary()


def test_redis_that_is_away_is_an_error(tmp_path):
    from redis import Redis

    with pytest.raises(RedisError):
        shared_state.load_rate_budget(Redis.from_url(f"unix://{tmp_path}/nobody.sock"), API, NOW)
