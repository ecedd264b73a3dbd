"""Cost forecasts as text: points with a token, requests without, and what is left of the rate budget."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from core.budget.cost_model import AccountCostInputs
from core.budget.rate_limits import RateBudgetBucket, RateBudgetSummary
from core.settings import Settings
from pages.components import cost_forecast, github_budget

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RESETS_AT = NOW + timedelta(minutes=30)


@pytest.fixture
def budget(monkeypatch):
    """Set token and budget: `budget(remaining=7, token="t")`."""

    def configure(remaining: int | None, token: str = "") -> None:
        resource = "graphql" if token else "core"
        buckets = () if remaining is None else (RateBudgetBucket("octo", resource, 5000, remaining, RESETS_AT),)
        configured = Settings(github_tokens=(SecretStr(token),) if token else ())
        monkeypatch.setattr(cost_forecast, "settings", lambda: configured)
        monkeypatch.setattr(github_budget, "load_budget", lambda _: (RateBudgetSummary(buckets), ""))

    return configure


def test_without_a_token_the_cost_is_in_requests(budget):
    budget(remaining=None)
    accounts = [AccountCostInputs("octo", repositories=5)]
    assert cost_forecast.forecast_text(accounts, NOW) == "about **7 requests** in 3 s"


def test_with_a_token_the_cost_is_in_points_with_what_is_left(budget):
    budget(remaining=100, token="token-1")
    accounts = [AccountCostInputs("octo", repositories=5, repositories_with_languages=5)]
    text = cost_forecast.forecast_text(accounts, NOW)
    assert text == "about **1 point** and 1 request in 2 s; leaves 99 of 100 until 12:30 UTC"


def test_a_cost_beyond_the_budget_is_highlighted(budget):
    budget(remaining=3)
    text = cost_forecast.forecast_text([AccountCostInputs("octo", repositories=5)], NOW)
    assert ":orange[more than the remaining 3 until 12:30 UTC: the rest waits for the reset]" in text
