"""Forecasts of the cost of GitHub requests."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.budget.cost_model import (
    ACCOUNTS_PER_QUERY,
    AccountCostInputs,
    BudgetTotals,
    forecast_refresh,
    refresh_cost,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
accounts = st.lists(
    st.builds(
        AccountCostInputs,
        login=st.just("octocat"),
        is_organization=st.booleans(),
        repositories=st.none() | st.integers(0, 5000),
        repositories_with_languages=st.integers(0, 5000),
        expected_pushes=st.floats(0, 5000),
        expected_changes=st.none() | st.floats(0, 1e6),
    ),
    min_size=1,
    max_size=50,
)


def test_two_hundred_accounts_with_a_token_cost_few_points():
    inputs = [AccountCostInputs(f"account-{number}", repositories=27) for number in range(200)]
    result = forecast_refresh(inputs, with_token=True)
    assert result.points <= 80
    assert result.requests <= 120


def test_stored_languages_cost_nothing():
    assert (
        forecast_refresh(
            [AccountCostInputs("octocat", repositories=100, repositories_with_languages=100)], with_token=True
        ).points
        == 1
    )


def test_languages_are_fetched_again_after_a_push():
    result = forecast_refresh(
        [AccountCostInputs("octocat", repositories=100, repositories_with_languages=100, expected_pushes=7.2)],
        with_token=False,
    )
    assert (result.languages, result.requests) == (8, 1 + 1 + 8)


def test_without_a_token_each_page_and_each_missing_language_costs_a_request():
    result = forecast_refresh(
        [AccountCostInputs("octocat", repositories=250, repositories_with_languages=248)], with_token=False
    )
    assert (result.requests, result.points) == (1 + 3 + 2, 0)


def test_pages_of_one_account_are_fetched_in_sequence():
    """Each page needs a query, because its cursor is in the previous response."""
    result = forecast_refresh(
        [AccountCostInputs("octocat", repositories=3000, repositories_with_languages=3000)], with_token=True
    )
    assert (result.requests, result.points) == (30, 30)


def known_account(repositories, **others):
    return AccountCostInputs("octocat", repositories=repositories, repositories_with_languages=repositories, **others)


def test_accounts_are_batched_as_in_the_client():
    """A point pays for 149 connections, two for each account: its repositories and its followers."""
    assert ACCOUNTS_PER_QUERY == 74
    assert forecast_refresh([known_account(20)] * 74, with_token=True).points == 1
    assert forecast_refresh([known_account(20)] * 75, with_token=True).points == 2


def test_a_query_lists_no_more_repositories_than_25_full_pages():
    assert forecast_refresh([known_account(100)] * 50, with_token=True).points == 2


def test_further_pages_go_with_the_first_pages_of_others():
    """1,000 accounts are 14 queries, which 20 second pages fit into; those of one giant follow it alone."""
    small, large = [known_account(20)] * 980, [known_account(150)] * 20
    # 2 x 1,000 connections and 20 of second pages are 2,020, or 13.6 queries.
    assert forecast_refresh(small + large, with_token=True).points == 14
    # 40 pages: three of them while the first pages of others are fetched (14 queries, four at a time), then 36.
    assert forecast_refresh([*small, *large, known_account(4000)], with_token=True).points == 14 + 36


def test_an_account_that_was_never_refreshed_is_expected_to_have_thirty_repositories():
    """Four connections of the account and thirty of its languages."""
    result = forecast_refresh([AccountCostInputs("new")], with_token=True)
    assert (result.points, result.languages) == (1 + 1, 30)
    # 100 x 4 connections are three queries, 3,000 languages are 20.1.
    assert forecast_refresh([AccountCostInputs("new")] * 100, with_token=True).points == 3 + 21


def test_one_refresh_among_many_costs_its_connections_or_its_share_of_25_full_pages():
    """33 repositories are less of a query's 2,500 than two of its 149 connections, 34 are more."""
    assert refresh_cost(0, with_token=True) == refresh_cost(33, with_token=True) == 2 / 149
    assert refresh_cost(34, with_token=True) == 34 / 2_500
    assert refresh_cost(100, with_token=True) == 1 / 25
    assert refresh_cost(101, with_token=True) == 1 / 25 + 1 / 149
    assert refresh_cost(250, with_token=True) == 1 / 25 + 150 / 2_500
    assert list(refresh_cost(np.array([0, 100, 250]), with_token=True)) == [2 / 149, 1 / 25, 1 / 25 + 150 / 2_500]


def test_a_first_refresh_costs_four_connections():
    assert refresh_cost(None, with_token=True) == 4 / 149
    assert refresh_cost(None, with_token=False) == 2


def test_rare_changes_are_expected_as_304_responses():
    quiet = AccountCostInputs("octocat", repositories=250, repositories_with_languages=250, expected_changes=0.0)
    assert forecast_refresh([quiet], with_token=False).not_modified_share == 1
    assert (
        forecast_refresh(
            [AccountCostInputs("octocat", repositories=250, expected_changes=None)], with_token=False
        ).not_modified
        == 0
    )


def test_minutes_follow_the_measured_latency():
    inputs = [AccountCostInputs("octocat", repositories=100, repositories_with_languages=100)]
    assert forecast_refresh(inputs, with_token=False, seconds_per_request=30).minutes == 1


def test_requests_over_the_budget_wait_for_its_resets():
    """130 requests: 10 now, 60 after the reset in half an hour, the last 60 an hour later."""
    inputs = [known_account(1)] * 65
    budget = BudgetTotals(remaining=10, limit=60, resets_at=NOW + timedelta(minutes=30))
    result = forecast_refresh(inputs, with_token=False, budget=budget, now=NOW, seconds_per_request=0.001)
    assert result.requests == 130
    assert not result.is_affordable
    assert round(result.minutes) == 90
    assert result.remaining_after == 0


@given(accounts, st.booleans())
def test_a_forecast_never_promises_less_than_one_request(inputs, with_token):
    result = forecast_refresh(inputs, with_token=with_token)
    assert result.requests >= 1
    assert result.accounts == len(inputs)
    assert result.unknown == sum(one.repositories is None for one in inputs)
    assert 0 <= result.not_modified <= result.requests
    assert result.minutes >= 0


@given(accounts, st.integers(0, 5000), st.booleans())
def test_a_forecast_fits_exactly_when_the_budget_covers_it(inputs, remaining, with_token):
    result = forecast_refresh(inputs, with_token=with_token, budget=BudgetTotals(remaining=remaining))
    cost = result.points if with_token else result.requests
    assert result.is_affordable is (cost <= remaining)
    assert result.remaining_after == max(0, remaining - cost)


@given(accounts, st.booleans())
def test_more_pushes_never_make_it_cheaper(inputs, with_token):
    quiet = [
        AccountCostInputs(one.login, one.is_organization, one.repositories, one.repositories_with_languages)
        for one in inputs
    ]
    assert forecast_refresh(quiet, with_token=with_token).cost <= forecast_refresh(inputs, with_token=with_token).cost
