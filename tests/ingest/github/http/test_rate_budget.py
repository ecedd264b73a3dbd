"""Rate budget decisions, without Redis, threads or a clock."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.budget.rate_limits import LEASE_SECONDS, Bucket
from ingest.github.http.rate_budget import (
    GRAPHQL,
    MAX_CONCURRENT_REQUESTS,
    MAX_REQUESTS_PER_MINUTE,
    REST,
    AdmissionRequest,
    RateBudgetState,
    newer_bucket,
)

NOW = 1_000_000.0
BUDGET_REQUEST = AdmissionRequest("1", "mona", "core")


def budget_request(number, **other):
    return replace(BUDGET_REQUEST, id=str(number), **other)


def test_no_request_is_admitted_during_a_pause():
    budget = RateBudgetState()
    budget.pause(10, NOW)
    for owner in ("mona", "hubot"):
        for resource, kind in (("core", REST), ("graphql", GRAPHQL)):
            decision = budget.admit(AdmissionRequest("x", owner, resource, kind), NOW + 9.9)
            assert not decision.is_admitted
            assert decision.until == NOW + 10
    assert budget.admit(BUDGET_REQUEST, NOW + 10).is_admitted


def test_a_pause_is_never_shortened():
    budget = RateBudgetState()
    budget.pause(60, NOW)
    budget.pause(5, NOW + 1)
    assert budget.paused_until == NOW + 60


def test_an_unspecified_pause_backs_off_exponentially():
    budget = RateBudgetState()
    ends = []
    now = NOW
    for _ in range(6):
        budget.pause_with_backoff(started_at=now, now=now + 1, jitter=0)
        ends.append(budget.paused_until - now - 1)
        now = budget.paused_until
    assert ends == [60, 120, 240, 480, 900, 900]


def test_refusals_of_requests_in_flight_together_count_once():
    budget = RateBudgetState()
    for late in range(5):
        budget.pause_with_backoff(started_at=NOW, now=NOW + 1 + late / 10, jitter=0)
    assert budget.strikes == 1
    assert budget.paused_until < NOW + 1 + 62


def test_a_success_after_a_pause_resets_the_backoff():
    budget = RateBudgetState()
    budget.pause_with_backoff(started_at=NOW, now=NOW, jitter=0)
    budget.reset_strikes(started_at=NOW - 5)  # started before the pause: proves nothing
    assert budget.strikes == 1
    budget.reset_strikes(started_at=NOW + 61)
    assert budget.strikes == 0


def test_an_exhausted_bucket_admits_no_request():
    budget = RateBudgetState(buckets={"mona core": Bucket(60, 0, NOW + 100)})
    decision = budget.admit(BUDGET_REQUEST, NOW)
    assert (decision.is_admitted, decision.reason, decision.until) == (False, "exhausted", NOW + 100)
    assert budget.admit(budget_request(2, owner="hubot"), NOW).is_admitted
    assert budget.admit(budget_request(3, resource="graphql"), NOW).is_admitted
    assert budget.admit(budget_request(4), NOW + 101).is_admitted


def test_a_reserve_is_left_for_urgent_requests():
    budget = RateBudgetState(buckets={"mona core": Bucket(100, 5, NOW + 100)})
    assert not budget.admit(budget_request(1, reserve=0.05), NOW).is_admitted
    assert budget.admit(budget_request(2, reserve=0.0), NOW).is_admitted


def test_requests_in_flight_count_as_spent():
    budget = RateBudgetState(buckets={"mona core": Bucket(60, 2, NOW + 100)})
    assert budget.admit(budget_request(1), NOW).is_admitted
    assert budget.admit(budget_request(2), NOW).is_admitted
    third = budget.admit(budget_request(3), NOW)
    assert (third.is_admitted, third.reason) == (False, "busy")
    # One of them was free of charge (304).
    budget.settle(budget_request(1), owner="mona", reported=Bucket(60, 2, NOW + 100))
    assert budget.admit(budget_request(3), NOW).is_admitted


def test_requests_of_a_dead_process_expire():
    budget = RateBudgetState()
    for number in range(MAX_CONCURRENT_REQUESTS):
        assert budget.admit(budget_request(number), NOW).is_admitted
    assert not budget.admit(budget_request("more"), NOW).is_admitted
    assert budget.admit(budget_request("more"), NOW + LEASE_SECONDS + 1).is_admitted


@pytest.mark.parametrize("kind", [REST, GRAPHQL])
def test_no_minute_exceeds_the_secondary_limit(kind):
    """Every window of sixty seconds stays below the secondary rate limit."""
    budget = RateBudgetState()
    now, started = NOW, []
    while len(started) < 2 * MAX_REQUESTS_PER_MINUTE[kind]:
        decision = budget.admit(budget_request(len(started), kind=kind), now)
        if decision.is_admitted:
            started.append(now)
            budget.settle(budget_request(len(started) - 1), owner="mona")
            now += 0.01
        else:
            assert decision.until > now
            now = decision.until
    allowed = {REST: 900, GRAPHQL: 2000}[kind]
    for i, at in enumerate(started):
        assert sum(1 for other in started[i:] if other < at + 60) < allowed


def test_responses_out_of_order_do_not_raise_remaining():
    budget = RateBudgetState()
    for remaining in (50, 48, 49):
        budget.settle(BUDGET_REQUEST, owner="mona", reported=Bucket(60, remaining, NOW + 100))
    assert budget.buckets["mona core"].remaining == 48


def test_a_new_window_replaces_the_bucket():
    budget = RateBudgetState()
    budget.settle(BUDGET_REQUEST, owner="mona", reported=Bucket(60, 0, NOW + 100))
    budget.settle(BUDGET_REQUEST, owner="mona", reported=Bucket(60, 59, NOW + 3700))
    assert budget.buckets["mona core"].remaining == 59


def test_the_bucket_is_the_resource_github_reports():
    budget = RateBudgetState()
    budget.settle(BUDGET_REQUEST, owner="mona", resource="search", reported=Bucket(30, 0, NOW + 100))
    assert list(budget.buckets) == ["mona search"]


def test_two_tokens_of_one_owner_share_one_budget():
    budget = RateBudgetState(
        buckets={"abc core": Bucket(5000, 10, NOW + 50), "mona core": Bucket(5000, 4000, NOW + 50)}
    )
    budget.rename_owner("abc", "mona")
    assert budget.buckets == {"mona core": Bucket(5000, 10, NOW + 50)}


BUCKETS = st.builds(Bucket, st.integers(1, 5000), st.integers(0, 5000), st.floats(NOW, NOW + 9000))
STATES = st.builds(
    RateBudgetState,
    paused_until=st.floats(0, NOW * 2),
    paused_at=st.floats(0, NOW * 2),
    strikes=st.integers(0, 9),
    buckets=st.dictionaries(st.sampled_from(["mona core", "mona graphql", "hubot core"]), BUCKETS, max_size=3),
)


@given(STATES, STATES)
def test_merging_keeps_the_longest_pause_and_all_buckets(one, other):
    """Merging takes the longer pause and is idempotent."""
    longest = max(one.paused_until, other.paused_until)
    keys = set(one.buckets) | set(other.buckets)
    one.merge(other)
    assert one.paused_until == longest
    assert set(one.buckets) == keys
    again = RateBudgetState.from_json(one.to_json())
    again.merge(other)
    assert again == one


@given(BUCKETS, BUCKETS)
def test_of_one_window_the_smaller_remaining_is_kept(one, other):
    chosen = newer_bucket(one, other)
    assert chosen.remaining in (one.remaining, other.remaining)
    assert chosen.resets_at == max(one.resets_at, other.resets_at)


@given(STATES)
def test_the_state_survives_serialisation(state):
    state.admit(BUDGET_REQUEST, NOW)
    assert RateBudgetState.from_json(state.to_json()) == state
