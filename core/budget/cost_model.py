"""Cost model of GitHub requests: points, requests and minutes for refreshing some accounts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

PAGE_SIZE = 100
"""Repositories, or other things that a list has, on a page that we ask for: the most that GitHub sends."""
CONNECTIONS_PER_POINT = 149
"""The most connections of a query for one point: GitHub divides by 100 and rounds to the nearest whole number.

Source: https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
"""
CONNECTIONS_PER_POINT_ROUNDED_UP = 100
"""The same for a server that rounds up."""
CONNECTIONS_PER_ACCOUNT = 2
"""Its first page of repositories, and its followers."""
CONNECTIONS_PER_NEW_ACCOUNT = 4
"""At the first refresh following and gists, too."""
ACCOUNTS_PER_QUERY = CONNECTIONS_PER_POINT // CONNECTIONS_PER_ACCOUNT
MAX_REPOSITORIES_PER_QUERY = 25 * PAGE_SIZE
"""GitHub ends a query after ten seconds: a query is not expected to list more repositories than 25 full pages."""
UNKNOWN_REPOSITORIES = 30
"""How many repositories an account is expected to have before its first refresh."""
CONCURRENT_QUERIES = 4
INTERACTIVE_RESERVE = 0.05
"""Share of each rate limit that scheduled refreshes leave for people who are waiting."""
# Used until durations were measured; by with_token: GraphQL takes about a second, REST a third.
DEFAULT_SECONDS_PER_REQUEST = {True: 0.9, False: 0.35}
HOUR = timedelta(hours=1)


def page_count(repositories: int) -> int:
    """Return how many pages list so many repositories; an empty one, too, is asked for."""
    return max(1, ceil(repositories / PAGE_SIZE))


@dataclass(frozen=True)
class AccountCostInputs:
    """Numbers of an account that determine the cost of refreshing it; an unknown one counts as `UNKNOWN_REPOSITORIES`.

    *repositories_with_languages* are those whose languages need no request before the next push. *expected_pushes* is
    the expected number of repositories pushed to since the last refresh, *expected_changes* that of changes of any
    kind; None: no estimate.
    """

    login: str
    is_organization: bool = False
    repositories: int | None = None
    repositories_with_languages: int = 0
    expected_pushes: float = 0.0
    expected_changes: float | None = None

    @property
    def expected_repositories(self) -> int:
        return UNKNOWN_REPOSITORIES if self.repositories is None else self.repositories

    @property
    def page_count(self) -> int:
        return page_count(self.expected_repositories)

    @property
    def languages_to_fetch(self) -> float:
        """Number of repositories whose languages will be fetched: never fetched before, or pushed to since."""
        fetched = min(self.repositories_with_languages, self.expected_repositories)
        return self.expected_repositories - fetched + min(self.expected_pushes, fetched)


@dataclass(frozen=True)
class BudgetTotals:
    """The sum of the rate limits left to all token owners, until the first of them resets."""

    remaining: int | None = None
    limit: int | None = None
    resets_at: datetime | None = None


@dataclass(frozen=True)
class Forecast:
    """The expected cost of refreshing some accounts. Points are 0 without a token."""

    accounts: int
    unknown: int
    requests: int
    points: int
    languages: int
    """Repositories whose languages are expected to be fetched."""
    not_modified: int
    """Requests for which a 304 is expected."""
    minutes: float
    """From the start to the last response, including waits for the rate limit to reset."""
    remaining: int | None
    resets_at: datetime | None

    @property
    def cost(self) -> int:
        return self.points or self.requests

    @property
    def is_affordable(self) -> bool:
        """Whether the remaining budget covers the cost; True if the budget is unknown."""
        return self.remaining is None or self.cost <= self.remaining

    @property
    def remaining_after(self) -> int | None:
        """Remaining budget after the refresh, until the reset; None if unknown."""
        return None if self.remaining is None else max(0, self.remaining - self.cost)

    @property
    def not_modified_share(self) -> float:
        return self.not_modified / self.requests if self.requests else 0.0


def forecast_refresh(
    accounts: Sequence[AccountCostInputs],
    *,
    with_token: bool,
    budget: BudgetTotals | None = None,
    now: datetime | None = None,
    seconds_per_request: float | None = None,
) -> Forecast:
    """Estimate the cost of a refresh: all pages of repositories, and languages of new or pushed ones."""
    budget = budget or BudgetTotals()
    languages = ceil(round(sum(account.languages_to_fetch for account in accounts), 6))
    pages = [account.page_count for account in accounts]
    if with_token:
        points = _page_queries(accounts) + ceil(languages / CONNECTIONS_PER_POINT)
        requests = points + sum(account.is_organization for account in accounts)
        unchanged = sum(_unchanged_probability(account, 1) for account in accounts if account.is_organization)
    else:
        points = 0
        requests = len(accounts) + sum(pages) + languages
        # The account and each page of its repositories.
        unchanged = sum(
            _unchanged_probability(account, 1)
            + account.page_count * _unchanged_probability(account, account.page_count)
            for account in accounts
        )
    seconds = requests * (seconds_per_request or DEFAULT_SECONDS_PER_REQUEST[with_token])
    return Forecast(
        accounts=len(accounts),
        unknown=sum(account.repositories is None for account in accounts),
        requests=requests,
        points=points,
        languages=languages,
        not_modified=int(unchanged),
        minutes=round((seconds + _seconds_until_affordable(points or requests, budget, now)) / 60, 2),
        remaining=budget.remaining,
        resets_at=budget.resets_at,
    )


def _page_queries(accounts: Sequence[AccountCostInputs]) -> int:
    """Return the number of queries for all pages, a point each.

    Pages of one account are fetched in sequence, those of many accounts in one query. Further pages go with the first
    pages of other accounts while there are any, those of the largest accounts in queries of their own.
    """
    connections = sum(
        CONNECTIONS_PER_NEW_ACCOUNT if one.repositories is None else CONNECTIONS_PER_ACCOUNT for one in accounts
    )
    repositories = sum(min(one.expected_repositories, PAGE_SIZE) for one in accounts)
    queries = _query_count(connections, repositories)
    rounds = [sum(one.page_count > page for one in accounts) for page in range(1, _most_pages(accounts))]
    joined = queries // CONCURRENT_QUERIES
    with_others = sum(rounds[:joined])
    alone = sum(_query_count(pages, pages * PAGE_SIZE) for pages in rounds[joined:])
    return _query_count(connections + with_others, repositories + with_others * PAGE_SIZE) + alone


def _most_pages(accounts: Sequence[AccountCostInputs]) -> int:
    return max((one.page_count for one in accounts), default=1)


def _query_count(connections: int, repositories: int) -> int:
    return max(ceil(connections / CONNECTIONS_PER_POINT), ceil(repositories / MAX_REPOSITORIES_PER_QUERY))


def _unchanged_probability(account: AccountCostInputs, parts: int) -> float:
    """Return the probability that one of *parts* equal parts of an account has not changed since the last refresh."""
    return 0.0 if account.expected_changes is None else math.exp(-account.expected_changes / parts)


def _seconds_until_affordable(cost: int, budget: BudgetTotals, now: datetime | None) -> float:
    """Return seconds until as many resets have passed as *cost* needs."""
    if now is None or budget.remaining is None or budget.resets_at is None or cost <= budget.remaining:
        return 0.0
    further = ceil((cost - budget.remaining) / max(budget.limit or budget.remaining, 1)) - 1
    return max(0.0, (budget.resets_at + further * HOUR - now).total_seconds())


@overload
def refresh_cost(repositories: int | None, *, with_token: bool) -> float: ...
@overload
def refresh_cost(repositories: NDArray[Any], *, with_token: bool) -> NDArray[np.float64]: ...
def refresh_cost(repositories: Any, *, with_token: bool) -> Any:
    """Return the cost of one refresh among many like it, without languages, of one account or elementwise of many.

    The unit is points with a token and requests without. None is an account before its first refresh.
    """
    is_new = repositories is None
    count = np.asarray(UNKNOWN_REPOSITORIES if is_new else repositories)
    pages = np.maximum(np.ceil(count / PAGE_SIZE), 1.0)
    if not with_token:
        return 1 + pages
    connections = CONNECTIONS_PER_NEW_ACCOUNT if is_new else CONNECTIONS_PER_ACCOUNT
    listed_first = np.minimum(count, PAGE_SIZE)
    # Further pages have a connection each; `core.queue.jobs` packs accounts so that their queries are full.
    return _query_share(connections, listed_first) + _query_share(pages - 1, count - listed_first)


def _query_share(connections: Any, repositories: Any) -> Any:
    """Return which part of a query pages take that have so many connections and list so many repositories."""
    return np.maximum(connections / CONNECTIONS_PER_POINT, repositories / MAX_REPOSITORIES_PER_QUERY)
