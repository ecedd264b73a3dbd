"""What the planner expects a refresh to cost is what GitHub charges for it; `charged` adds that up from our queries."""

import random
from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.budget.cost_model import AccountCostInputs, forecast_refresh, page_count, refresh_cost
from core.queue.jobs import BATCH_SIZE, AccountToQueue, pack_into_jobs
from ingest.planning.enqueue import MAX_QUERIES_PER_JOB
from tests.ingest.github.charged import charged_points, query_cost

JOB = MAX_QUERIES_PER_JOB * BATCH_SIZE
sizes = st.lists(st.integers(0, 100) | st.integers(0, 1_500), min_size=1, max_size=400)


def test_a_query_costs_the_connections_of_its_pages():
    assert query_cost(["account"] * 40 + ["account with rare counts"] * 7 + ["further page"] * 30).requests == 138


@given(st.integers(0, 450), st.integers(1, 400))
@example(100, 250)  # 25 in a query: ten points, where their connections alone would fit into four
def test_accounts_of_one_size_cost_their_price(size, accounts):
    """Beyond that a query of each round of pages is not full, and takes whole accounts: 35 of 70 repositories."""
    price = accounts * refresh_cost(size, with_token=True)
    charged = charged_points([size] * accounts)
    assert price / 1.03 <= charged < price * 1.03 + max(1, ceil(size / 100))


@given(st.integers(1, 1_000))
def test_first_refreshes_cost_their_price(accounts):
    price = accounts * refresh_cost(None, with_token=True)
    assert price <= charged_points([None] * accounts) < price * 1.01 + 1


@given(sizes)
@example([200] * 25 + [20] * 375)
def test_a_forecast_is_what_the_client_pays(repositories):
    """Which further pages still go with first ones depends on which response comes first: a few points."""
    inputs = [AccountCostInputs("", repositories=size, repositories_with_languages=size) for size in repositories]
    charged = charged_points(repositories)
    assert forecast_refresh(inputs, with_token=True).points == pytest.approx(charged, rel=0.1, abs=3)


@pytest.mark.parametrize("mean", [4, 10, 30, 100])
def test_jobs_of_accounts_as_uneven_as_on_github_cost_their_price(mean):
    """5,000 are due at once. Beyond their price are the pages of the largest account, which in the end go alone."""
    chance = random.Random(mean)
    weights = [chance.lognormvariate(0, 1.6) for _ in range(5_000)]
    repositories = [round(weight * 5_000 * mean / sum(weights)) for weight in weights]
    price = sum(refresh_cost(size, with_token=True) for size in repositories)
    packed = pack_into_jobs([AccountToQueue(i, repositories=size) for i, size in enumerate(repositories)], JOB)
    charged = sum(charged_points([repositories[i] for i in job]) for job in packed)
    assert price / 1.15 <= charged <= price * 1.05 + page_count(max(repositories))
    as_given = [repositories[start : start + JOB] for start in range(0, 5_000, JOB)]
    assert charged <= sum(charged_points(job) for job in as_given) * (1.05 if mean < 30 else 0.9)
