"""Pure: what is due, what it will cost, when to come back."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

PAGE = 100
ACCOUNTS_PER_QUERY = 25  # as the client asks: four connections each make a point
LONGEST_RETRY = timedelta(days=1)
SHORTEST_RETRY = timedelta(minutes=5)
SPREAD = 0.05


@dataclass(frozen=True)
class Known:
    """What is known of an account before it is asked for; an unknown one counts as one page of repositories."""

    login: str
    is_organization: bool = False
    repositories: int | None = None
    languages_known: int = 0


@dataclass(frozen=True)
class Forecast:
    """The price of refreshing some accounts. Points are 0 without a token."""

    accounts: int
    unknown: int
    requests: int
    points: int
    remaining: int | None
    resets_at: datetime | None

    @property
    def fits(self) -> bool:
        """Whether the budget that is left pays for it; an unknown budget is taken to."""
        return self.remaining is None or (self.points or self.requests) <= self.remaining


def forecast(
    accounts: Sequence[Known], *, with_token: bool, remaining: int | None = None, resets_at: datetime | None = None
) -> Forecast:
    """Tell the most a refresh can cost: every page asked for, and languages of what was not read yet."""
    pages = [max(1, ceil((known.repositories or 1) / PAGE)) for known in accounts]
    unread = sum(max(0, (known.repositories or 0) - known.languages_known) for known in accounts)
    if with_token:
        # An account's pages come one after the other, those of many accounts together: a point for each query.
        rounds = (sum(one > turn for one in pages) for turn in range(max(pages, default=0)))
        queries = sum(ceil(asked / ACCOUNTS_PER_QUERY) for asked in rounds)
        languages = ceil(unread / PAGE)
        points = queries + languages
        requests = queries + languages + sum(known.is_organization for known in accounts)
    else:
        points = 0
        requests = len(accounts) + sum(pages) + unread
    unknown = sum(known.repositories is None for known in accounts)
    return Forecast(len(accounts), unknown, requests, points, remaining, resets_at)


def next_due(now: datetime, every: timedelta, chance: random.Random) -> datetime:
    """When to look again after a success; spread a little, so that accounts added together drift apart."""
    return now + timedelta(seconds=every.total_seconds() * (1 + chance.uniform(-SPREAD, SPREAD)))


def retry_due(now: datetime, every: timedelta, failures: int, not_before: datetime | None = None) -> datetime:
    """When to try again after *failures* in a row: soon, then ever later, never before GitHub allows it."""
    wait = min(SHORTEST_RETRY * (1 << min(failures - 1, 12)), max(every, SHORTEST_RETRY), LONGEST_RETRY)
    due = now + wait
    return max(due, not_before) if not_before else due


def batches(due: Iterable[tuple[int, str | None]], size: int) -> list[list[int]]:
    """Pack due accounts (our id, fingerprint of their token) so that a batch belongs to one token."""
    by_token: dict[str | None, list[int]] = {}
    for account_id, token in due:
        by_token.setdefault(token, []).append(account_id)
    return [ids[start : start + size] for ids in by_token.values() for start in range(0, len(ids), size)]
