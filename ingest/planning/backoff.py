"""Pure: when to come back, and what to queue now."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.budget.cost_model import INTERACTIVE_RESERVE

MAX_RETRY_DELAY = timedelta(days=1)
MIN_RETRY_DELAY = timedelta(minutes=5)
JITTER = 0.05
# Of an hour's budget: what one minute may queue at most, so that a day's arrears do not come all at once.
BURST_SHARE = 0.05
MIN_BURST = 20
FULL_SHARE = 0.9


def next_due_at(now: datetime, every: timedelta, chance: random.Random) -> datetime:
    """When to look again after a success; spread a little, so that accounts added together drift apart."""
    return now + timedelta(seconds=every.total_seconds() * (1 + chance.uniform(-JITTER, JITTER)))


def retry_due_at(
    now: datetime,
    every: timedelta,
    failures: int,
    not_before: datetime | None = None,
    chance: random.Random | None = None,
) -> datetime:
    """When to try again after *failures* in a row: soon, then ever later, never before GitHub allows it.

    *chance* spreads those that failed together.
    """
    wait = min(MIN_RETRY_DELAY * (1 << min(failures - 1, 12)), max(every, MIN_RETRY_DELAY), MAX_RETRY_DELAY)
    due = max(now + wait, not_before) if not_before else now + wait
    return due + wait * chance.uniform(0, 2 * JITTER) if chance else due


def batch_by_token(due: Iterable[tuple[int, str | None]], size: int) -> list[list[int]]:
    """Pack due accounts (our id, fingerprint of their token) so that a batch belongs to one token."""
    by_token: dict[str | None, list[int]] = {}
    for account_id, token in due:
        by_token.setdefault(token, []).append(account_id)
    return [ids[start : start + size] for ids in by_token.values() for start in range(0, len(ids), size)]


@dataclass(frozen=True)
class PricedAccount:
    """An account whose time has come, what a look at it costs, and whose budget pays."""

    account_id: int
    cost: float
    payer: str


@dataclass(frozen=True)
class AvailableBudget:
    """One owner's budget: the whole of an hour, what is left of it, and what is promised to jobs already."""

    limit: int
    remaining: int
    queued_cost: float = 0.0

    @property
    def available(self) -> float:
        """What the timetable may still promise: people who wait find a reserve, whatever the minute."""
        return self.remaining - self.limit * INTERACTIVE_RESERVE - self.queued_cost

    @property
    def available_this_minute(self) -> float:
        return min(self.available, max(self.limit * BURST_SHARE, MIN_BURST))


def select_affordable(due: Iterable[PricedAccount], means: Mapping[str, AvailableBudget]) -> list[PricedAccount]:
    """Choose what to queue now, in the order given, so that no more is promised than the budgets pay for.

    What costs more than a minute's share goes alone: alone in its minute where the budget pays, and a look that no
    budget ever pays for when its budget is full, so that it gets as far as it can.
    """
    left = {payer: held.available_this_minute for payer, held in means.items()}
    chosen: list[PricedAccount] = []
    busy: set[str] = set()
    for one in due:
        held = means.get(one.payer)
        if held is None or left[one.payer] <= 0:
            continue
        alone = one.payer not in busy and (
            one.cost <= held.available or (not held.queued_cost and held.remaining >= held.limit * FULL_SHARE)
        )
        if one.cost <= left[one.payer] or alone:
            busy.add(one.payer)
            left[one.payer] -= one.cost
            chosen.append(one)
    return chosen
