"""What asking GitHub costs, told before it is asked."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.budget.cost_model import ACCOUNTS_PER_QUERY, AccountCostInputs, BudgetTotals, forecast_refresh

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
accounts = st.lists(
    st.builds(
        AccountCostInputs,
        login=st.just("octocat"),
        is_organization=st.booleans(),
        repositories=st.none() | st.integers(0, 5000),
        languages_known=st.integers(0, 5000),
        pushed=st.floats(0, 5000),
        changes=st.none() | st.floats(0, 1e6),
    ),
    min_size=1,
    max_size=50,
)


def test_two_hundred_accounts_with_a_token_cost_few_points():
    known = [AccountCostInputs(f"account-{number}", repositories=27) for number in range(200)]
    told = forecast_refresh(known, with_token=True)
    assert told.points <= 80
    assert told.requests <= 120


def test_languages_that_are_known_cost_nothing():
    assert (
        forecast_refresh([AccountCostInputs("octocat", repositories=100, languages_known=100)], with_token=True).points
        == 1
    )


def test_languages_of_what_was_pushed_to_since_are_read_again():
    told = forecast_refresh(
        [AccountCostInputs("octocat", repositories=100, languages_known=100, pushed=7.2)], with_token=False
    )
    assert (told.languages, told.requests) == (8, 1 + 1 + 8)


def test_without_a_token_each_page_and_each_unread_language_is_a_request():
    told = forecast_refresh([AccountCostInputs("octocat", repositories=250, languages_known=248)], with_token=False)
    assert (told.requests, told.points) == (1 + 3 + 2, 0)


def test_pages_of_one_account_come_one_after_the_other():
    """A query for each page: the next one's cursor is in the last one's answer."""
    told = forecast_refresh([AccountCostInputs("octocat", repositories=3000, languages_known=3000)], with_token=True)
    assert (told.requests, told.points) == (30, 30)


def test_accounts_go_as_many_to_a_query_as_the_client_asks():
    told = forecast_refresh([AccountCostInputs(f"account-{i}") for i in range(ACCOUNTS_PER_QUERY + 1)], with_token=True)
    assert told.requests == 2


def test_what_hardly_ever_changes_is_answered_304():
    quiet = AccountCostInputs("octocat", repositories=250, languages_known=250, changes=0.0)
    assert forecast_refresh([quiet], with_token=False).not_modified_share == 1
    assert (
        forecast_refresh([AccountCostInputs("octocat", repositories=250, changes=None)], with_token=False).not_modified
        == 0
    )


def test_minutes_follow_the_latency_that_was_seen():
    known = [AccountCostInputs("octocat", repositories=100, languages_known=100)]
    assert forecast_refresh(known, with_token=False, seconds_per_request=30).minutes == 1


def test_what_does_not_fit_waits_for_the_hours_that_pay_for_it():
    """130 requests: 10 now, 60 after the reset in half an hour, the last 60 an hour later."""
    known = [AccountCostInputs(f"account-{i}") for i in range(65)]
    left = BudgetTotals(remaining=10, limit=60, resets_at=NOW + timedelta(minutes=30))
    told = forecast_refresh(known, with_token=False, left=left, now=NOW, seconds_per_request=0.001)
    assert told.requests == 130
    assert not told.is_affordable
    assert round(told.minutes) == 90
    assert told.left == 0


@given(accounts, st.booleans())
def test_a_forecast_never_promises_less_than_one_request(known, with_token):
    told = forecast_refresh(known, with_token=with_token)
    assert told.requests >= 1
    assert told.accounts == len(known)
    assert told.unknown == sum(one.repositories is None for one in known)
    assert 0 <= told.not_modified <= told.requests
    assert told.minutes >= 0


@given(accounts, st.integers(0, 5000), st.booleans())
def test_a_forecast_fits_exactly_when_the_budget_covers_it(known, remaining, with_token):
    told = forecast_refresh(known, with_token=with_token, left=BudgetTotals(remaining=remaining))
    cost = told.points if with_token else told.requests
    assert told.is_affordable is (cost <= remaining)
    assert told.left == max(0, remaining - cost)


@given(accounts, st.booleans())
def test_more_pushes_never_make_it_cheaper(known, with_token):
    quiet = [AccountCostInputs(one.login, one.is_organization, one.repositories, one.languages_known) for one in known]
    assert forecast_refresh(quiet, with_token=with_token).cost <= forecast_refresh(known, with_token=with_token).cost
