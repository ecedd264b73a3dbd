"""Pure: what asking GitHub for some accounts costs, how long it takes, and what is left afterwards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

PAGE_SIZE = 100
ACCOUNTS_PER_QUERY = 25  # as the client asks: four connections each make a point
INTERACTIVE_RESERVE = 0.05
"""Share of each rate limit that scheduled refreshes leave for people who are waiting."""
# Before anything was observed: an answer of GraphQL takes about a second, of REST a third of one.
DEFAULT_SECONDS_PER_REQUEST = {True: 0.9, False: 0.35}
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class AccountCostInputs:
    """What is known of an account before it is asked for; an unknown one counts as one page of repositories.

    *pushed* is how many repositories are expected to have been pushed to since the last look, *changes* how many
    changes of any kind; None: nobody knows.
    """

    login: str
    is_organization: bool = False
    repositories: int | None = None
    languages_known: int = 0
    pushed: float = 0.0
    changes: float | None = None

    @property
    def pages(self) -> int:
        return max(1, ceil((self.repositories or 1) / PAGE_SIZE))

    @property
    def languages(self) -> float:
        """How many repositories' languages will be read: those never read, and those pushed to since."""
        held = min(self.languages_known, self.repositories or 0)
        return max(0, (self.repositories or 0) - self.languages_known) + min(self.pushed, held)


@dataclass(frozen=True)
class BudgetTotals:
    """What is left of the budget until it is full again; of several owners' together, at the first reset."""

    remaining: int | None = None
    limit: int | None = None
    resets_at: datetime | None = None


@dataclass(frozen=True)
class Forecast:
    """The price of refreshing some accounts. Points are 0 without a token."""

    accounts: int
    unknown: int
    requests: int
    points: int
    languages: int
    """Repositories whose languages are expected to be read."""
    not_modified: int
    """Requests expected to be answered 304."""
    minutes: float
    """From the start to the last answer, waiting for the budget included."""
    remaining: int | None
    resets_at: datetime | None

    @property
    def cost(self) -> int:
        return self.points or self.requests

    @property
    def is_affordable(self) -> bool:
        """Whether the budget that is left pays for it; an unknown budget is taken to."""
        return self.remaining is None or self.cost <= self.remaining

    @property
    def left(self) -> int | None:
        """What is left until the reset, afterwards."""
        return None if self.remaining is None else max(0, self.remaining - self.cost)

    @property
    def not_modified_share(self) -> float:
        return self.not_modified / self.requests if self.requests else 0.0


def forecast_refresh(
    accounts: Sequence[AccountCostInputs],
    *,
    with_token: bool,
    left: BudgetTotals | None = None,
    now: datetime | None = None,
    seconds_per_request: float | None = None,
) -> Forecast:
    """Tell what a refresh is expected to cost: every page, and languages of what is new or was pushed to since."""
    left = left or BudgetTotals()
    languages = ceil(round(sum(known.languages for known in accounts), 6))
    pages = [known.pages for known in accounts]
    if with_token:
        # An account's pages come one after the other, those of many accounts together: a point for each query.
        rounds = (sum(one > turn for one in pages) for turn in range(max(pages, default=0)))
        points = sum(ceil(asked / ACCOUNTS_PER_QUERY) for asked in rounds) + ceil(languages / PAGE_SIZE)
        requests = points + sum(known.is_organization for known in accounts)
        unchanged = sum(_unchanged_probability(known, 1) for known in accounts if known.is_organization)
    else:
        points = 0
        requests = len(accounts) + sum(pages) + languages
        # The account itself and each page of its repositories.
        unchanged = sum(
            _unchanged_probability(known, 1) + known.pages * _unchanged_probability(known, known.pages)
            for known in accounts
        )
    seconds = requests * (seconds_per_request or DEFAULT_SECONDS_PER_REQUEST[with_token])
    return Forecast(
        accounts=len(accounts),
        unknown=sum(known.repositories is None for known in accounts),
        requests=requests,
        points=points,
        languages=languages,
        not_modified=int(unchanged),
        minutes=round((seconds + _seconds_until_affordable(points or requests, left, now)) / 60, 2),
        remaining=left.remaining,
        resets_at=left.resets_at,
    )


def _unchanged_probability(known: AccountCostInputs, parts: int) -> float:
    """How likely one of so many parts of an account is as it was at the last look."""
    return 0.0 if known.changes is None else math.exp(-known.changes / parts)


def _seconds_until_affordable(cost: int, left: BudgetTotals, now: datetime | None) -> float:
    """Seconds until the last of the budgets that this takes is there."""
    if now is None or left.remaining is None or left.resets_at is None or cost <= left.remaining:
        return 0.0
    further = ceil((cost - left.remaining) / max(left.limit or left.remaining, 1)) - 1
    return max(0.0, (left.resets_at + further * HOUR - now).total_seconds())


@overload
def refresh_cost(repositories: int | None, *, with_token: bool) -> float: ...
@overload
def refresh_cost(repositories: NDArray[Any], *, with_token: bool) -> NDArray[np.float64]: ...
def refresh_cost(repositories: Any, *, with_token: bool) -> Any:
    """Return the cost of one refresh among many, without languages, of one account or elementwise of many.

    The unit is points with a token and requests without. None counts as one page of repositories.
    """
    pages = np.maximum(np.ceil(np.asarray(1 if repositories is None else repositories) / PAGE_SIZE), 1.0)
    return pages / ACCOUNTS_PER_QUERY if with_token else 1 + pages
