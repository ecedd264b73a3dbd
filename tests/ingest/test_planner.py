"""What is due, what it will cost, when to come back: decided without looking at a clock or a database."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.github.by_graphql import ACCOUNTS_AT_ONCE
from ingest.planner import ACCOUNTS_PER_QUERY, SPREAD, Known, batches, forecast, next_due, retry_due

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
intervals = st.timedeltas(timedelta(hours=1), timedelta(days=7))
accounts = st.lists(
    st.builds(
        Known,
        login=st.just("octocat"),
        is_organization=st.booleans(),
        repositories=st.none() | st.integers(0, 5000),
        languages_known=st.integers(0, 5000),
    ),
    min_size=1,
    max_size=50,
)


def test_two_hundred_accounts_with_a_token_cost_few_points():
    known = [Known(f"account-{number}", repositories=27) for number in range(200)]
    told = forecast(known, with_token=True)
    assert told.points <= 80
    assert told.requests <= 120


def test_languages_that_are_known_cost_nothing():
    assert forecast([Known("octocat", repositories=100, languages_known=100)], with_token=True).points == 1


def test_without_a_token_each_page_and_each_unread_language_is_a_request():
    told = forecast([Known("octocat", repositories=250, languages_known=248)], with_token=False)
    assert (told.requests, told.points) == (1 + 3 + 2, 0)


@given(accounts, st.booleans())
def test_a_forecast_never_promises_less_than_one_request(known, with_token):
    told = forecast(known, with_token=with_token)
    assert told.requests >= 1
    assert told.accounts == len(known)
    assert told.unknown == sum(one.repositories is None for one in known)


@given(accounts, st.integers(0, 5000), st.booleans())
def test_a_forecast_fits_exactly_when_the_budget_covers_it(known, remaining, with_token):
    told = forecast(known, with_token=with_token, remaining=remaining)
    assert told.fits is ((told.points if with_token else told.requests) <= remaining)


@given(intervals, st.integers())
def test_the_next_look_is_spread_a_little_around_the_cadence(every, seed):
    due = next_due(NOW, every, random.Random(seed))
    assert every * (1 - SPREAD) <= due - NOW <= every * (1 + SPREAD)


@given(intervals, st.integers(1, 1000), st.none() | st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_after_failures_it_comes_back_soon_then_ever_later_and_never_while_told_to_wait(every, failures, wait):
    not_before = None if wait is None else NOW + wait
    due = retry_due(NOW, every, failures, not_before)
    assert due > NOW
    assert due <= retry_due(NOW, every, failures + 1, not_before)
    assert not_before is None or due >= not_before
    assert due - NOW <= max(every, timedelta(days=1), wait or timedelta(0))


@given(st.lists(st.tuples(st.integers(), st.sampled_from([None, "a", "b"])), unique_by=lambda one: one[0]))
def test_every_due_account_is_in_one_batch_and_a_batch_has_one_token(due):
    packed = batches(due, 50)
    tokens = dict(due)
    assert sorted(account for batch in packed for account in batch) == sorted(tokens)
    for batch in packed:
        assert 1 <= len(batch) <= 50
        assert len({tokens[account] for account in batch}) == 1


def test_pages_of_one_account_come_one_after_the_other():
    """A query for each page: the next one's cursor is in the last one's answer."""
    told = forecast([Known("octocat", repositories=3000, languages_known=3000)], with_token=True)
    assert (told.requests, told.points) == (30, 30)


def test_accounts_go_as_many_to_a_query_as_the_client_asks():
    assert ACCOUNTS_AT_ONCE == ACCOUNTS_PER_QUERY
    told = forecast([Known(f"account-{i}") for i in range(ACCOUNTS_AT_ONCE + 1)], with_token=True)
    assert told.requests == 2
