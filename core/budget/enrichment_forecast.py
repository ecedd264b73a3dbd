"""Cost and share of each kind of fact, and the time until everything due was collected; no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.budget.rate_limits import ANONYMOUS_LIMIT, USUAL_LIMIT, RateBudgetBucket
from core.queue.enrichment import FACT_KINDS, RESOURCES, FactKind, Resource


@dataclass(frozen=True)
class KindForecast:
    """The cost of one kind of fact, in requests of REST or points of GraphQL.

    per_day       spent in the last 24 hours
    share         of what all kinds spent of this rate limit in that time; None where nothing was spent
    per_subject   measured in that time, else expected
    subjects, waiting   repositories or users that it applies to, and those that are due; None before they were counted
    until_read    until all that is due now was collected; None while unknown, or when nothing is left for it
    """

    kind: FactKind
    per_day: int
    share: float | None
    per_subject: float
    subjects: int | None
    waiting: int | None
    until_read: timedelta | None

    @property
    def unit(self) -> str:
        return "point" if self.kind.resource == "graphql" else "request"


@dataclass(frozen=True)
class Work:
    """The work left of one kind: *cost* requests or points; it has *weight* among those that have work left."""

    name: str
    cost: float
    weight: int


def hours_until_done(work: Sequence[Work], per_hour: float) -> dict[str, float]:
    """Return for each kind the hours until its work is done, when *per_hour* is shared by weight.

    What a kind no longer needs goes to the others. Without work it takes no time; without a budget, for ever (inf).
    """
    left, elapsed, hours = {one.name: one.cost for one in work}, 0.0, dict[str, float]()
    weights = {one.name: one.weight for one in work}
    while left:
        total = sum(weights[name] for name in left)
        name = min(left, key=lambda name: left[name] / weights[name])
        if per_hour <= 0 and left[name] > 0:
            return hours | dict.fromkeys(left, float("inf"))
        step = left[name] * total / weights[name] / per_hour if left[name] else 0.0
        elapsed += step
        left = {other: max(0.0, cost - step * per_hour * weights[other] / total) for other, cost in left.items()}
        del left[name]
        hours[name] = elapsed
    return hours


def enrichment_per_hour(
    buckets: Iterable[RateBudgetBucket], resource: Resource, refreshes_per_hour: float, *, with_token: bool
) -> float:
    """Return how much of *resource* enrichment may spend in an hour, over all token owners.

    That is what its reserve and the refreshes leave; the usual limit counts until GitHub has reported the real one.
    """
    default = (USUAL_LIMIT if with_token else ANONYMOUS_LIMIT) if with_token or resource == "core" else 0
    limit = sum(bucket.limit for bucket in buckets if bucket.resource == resource) or default
    reserve = next(iter(FACT_KINDS.values())).reserve_for(is_anonymous=not with_token)
    return max(0.0, limit * (1 - reserve) - refreshes_per_hour)


def forecast_enrichment(
    rows: Iterable[Mapping[Any, Any]], per_hour: Mapping[Resource, float], *, with_token: bool
) -> list[KindForecast]:
    """Forecast each kind from *rows* as `core.queries.enrichment.kind_costs` returns them, in the order of FACT_KINDS.

    *per_hour* is what enrichment may spend. A 304 costs nothing with a token.
    """
    by_kind = {row["kind"]: row for row in rows}
    kinds = [kind for name, kind in FACT_KINDS.items() if name in by_kind]
    spent = {kind.name: _charged(kind, by_kind[kind.name], with_token=with_token) for kind in kinds}
    per_subject = {kind.name: _cost_per_subject(kind, by_kind[kind.name], spent[kind.name]) for kind in kinds}
    hours: dict[str, float] = {}
    for resource in RESOURCES:
        work = [
            Work(kind.name, waiting * per_subject[kind.name], kind.weight)
            for kind in kinds
            if kind.resource == resource and (waiting := _count(by_kind[kind.name]["waiting"])) is not None
        ]
        hours |= hours_until_done(work, per_hour[resource])
    totals = {resource: sum(spent[kind.name] for kind in kinds if kind.resource == resource) for resource in RESOURCES}
    return [
        KindForecast(
            kind,
            per_day=spent[kind.name],
            share=spent[kind.name] / totals[kind.resource] if totals[kind.resource] else None,
            per_subject=per_subject[kind.name],
            subjects=_count(by_kind[kind.name]["subjects"]),
            waiting=_count(by_kind[kind.name]["waiting"]),
            until_read=_span(hours.get(kind.name)),
        )
        for kind in kinds
    ]


def counted_at(rows: Iterable[Mapping[Any, Any]]) -> datetime | None:
    """Return when what is due was last counted, None before."""
    return max((row["measured_at"] for row in rows if not _is_null(row["measured_at"])), default=None)


def _charged(kind: FactKind, row: Mapping[Any, Any], *, with_token: bool) -> int:
    if kind.resource == "graphql":
        return int(row["points"])
    return int(row["requests"]) - (int(row["not_modified"]) if with_token else 0)


def _cost_per_subject(kind: FactKind, row: Mapping[Any, Any], spent: int) -> float:
    done = int(row["done"])
    # A day of 304s says nothing about subjects that were never collected.
    return spent / done if done and spent else kind.cost / kind.batch_size


def _count(value: Any) -> int | None:
    return None if _is_null(value) else int(value)


def _is_null(value: Any) -> bool:
    import pandas as pd  # noqa: PLC0415 - a fifth of the start of a worker or a command

    return bool(pd.isna(value))


def _span(hours: float | None) -> timedelta | None:
    return None if hours is None or hours == float("inf") else timedelta(hours=hours)
