"""The expected cost of a refresh, as text."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.budget import cost_model, forecast
from core.settings import settings
from core.wording import duration, quantity
from pages.components import github_budget
from pages.components.format import number, percent


def forecast_text(
    accounts: Sequence[cost_model.AccountCostInputs], now: datetime, seconds_per_request: float | None = None
) -> str:
    """Return cost, duration and what is left afterwards: `about **3 points** and 5 requests in 4 s`.

    What is left is missing while Redis is unavailable or before GitHub's first response.
    """
    with_token = settings().with_token
    budget, _ = github_budget.load_budget(now)
    remaining = forecast.budget_totals(budget.buckets if budget else (), with_token=with_token, now=now)
    estimate = cost_model.forecast_refresh(
        accounts, with_token=with_token, budget=remaining, now=now, seconds_per_request=seconds_per_request
    )
    requests = quantity(estimate.requests, "request")
    cost = f"**{quantity(estimate.points, 'point')}** and {requests}" if with_token else f"**{requests}**"
    time = duration(timedelta(minutes=estimate.minutes), round_up=True)
    parts = [f"about {cost} in {time}"]
    if estimate.not_modified:
        parts.append(f"{percent(estimate.not_modified_share)} returned 304")
    if estimate.remaining is not None:
        until = f" until {estimate.resets_at:%H:%M} UTC" if estimate.resets_at else ""
        parts.append(
            f"leaves {number(estimate.remaining_after)} of {number(estimate.remaining)}{until}"
            if estimate.is_affordable
            else f":orange[more than the remaining {number(estimate.remaining)}{until}: the rest waits for the reset]"
        )
    return "; ".join(parts)
