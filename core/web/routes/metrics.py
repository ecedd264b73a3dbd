"""`/metrics`: what this process counted, and what Postgres and Redis know of all the others, in Prometheus' words."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from core import prometheus, redis_client
from core.settings import settings
from core.web.timeouts import TimedCalls

TIMEOUT_SECONDS = 2.0
Collector = Callable[[], list[Metric]]

log = structlog.get_logger()


def postgres_metrics() -> list[Metric]:
    """The queue, those who work on it, the data and how fresh they are."""
    # Imported when first asked: the server listens before the libraries have loaded.
    from core.queries import metrics, system  # noqa: PLC0415

    now = datetime.now(UTC)
    queue, workers, fresh, data = (
        system.queue_counts(now),
        system.worker_counts(now),
        system.freshness_counts(now),
        system.data_status(),
    )
    oldest = (now - queue.oldest_at).total_seconds() if queue.oldest_at else 0.0
    late = fresh.tracked - fresh.on_time - fresh.never
    return [
        gauge(
            "jobs",
            "Jobs in the queue",
            "status",
            {"waiting": queue.waiting, "later": queue.scheduled, "doing": queue.running, "failed": queue.failed},
        ),
        gauge("oldest_job_seconds", "How long the oldest job has been waiting that could start", value=oldest),
        gauge(
            "workers",
            "Workers, by whether they were heard of",
            "state",
            {"alive": workers.alive, "silent": workers.unresponsive},
        ),
        gauge("leader", "1 while a scheduler leads", value=system.scheduler_leader() is not None),
        gauge(
            "accounts",
            "Tracked accounts that are not paused, by whether their last look is within its cadence",
            "freshness",
            {"in_time": fresh.on_time, "late": late, "never": fresh.never},
        ),
        gauge("accounts_failing", "Tracked accounts whose last refresh failed", value=fresh.failing),
        gauge(
            "account_age_seconds",
            "How long ago accounts were last looked at",
            "quantile",
            {f"{quantile:g}": age for quantile, age in metrics.refresh_age_quantiles(now).items()},
        ),
        gauge("data_version", "The data version that pages show", value=data.version or 0),
    ]


def redis_metrics() -> list[Metric]:
    """What is left of GitHub's budgets. Owners go under a digest: they are people."""
    from core.budget import shared_state  # noqa: PLC0415 - as above

    now = datetime.now(UTC)
    seen = shared_state.load_rate_budget(redis_client.redis(), settings().github_api_url, now)
    labels = ("owner", "bucket")
    remaining = GaugeMetricFamily("almanac_github_budget_remaining", "Points left in a budget of GitHub", labels=labels)
    limit = GaugeMetricFamily(
        "almanac_github_budget_limit", "Points in a budget of GitHub when it is full", labels=labels
    )
    for bucket in seen.buckets:
        named = (sha256(bucket.owner.encode()).hexdigest()[:8], bucket.resource)
        remaining.add_metric(named, bucket.remaining_at(now))
        limit.add_metric(named, bucket.limit)
    pause = max(0.0, (seen.paused_until - now).total_seconds()) if seen.paused_until else 0.0
    return [
        remaining,
        limit,
        gauge("github_requests_in_flight", "Requests to GitHub under way", value=seen.in_flight),
        gauge("github_pause_seconds", "How long nothing may be asked of GitHub any more", value=pause),
    ]


def pool_metrics() -> list[Metric]:
    """This process's connections to Postgres."""
    from core.queries import system  # noqa: PLC0415 - as above

    usage = system.pool_usage()
    most = gauge(
        "database_pool_most", "Connections to Postgres that this process may open", value=usage.max_connections
    )
    by_state = {"lent": usage.checked_out, "open": usage.open}
    return [gauge("database_pool_connections", "Connections to Postgres of this process", "state", by_state), most]


def gauge(
    name: str, words: str, label: str = "", by: Mapping[str, float] | None = None, value: float | None = None
) -> GaugeMetricFamily:
    """A gauge with one value, or with one for each value of a label."""
    if by is None:
        return GaugeMetricFamily(f"almanac_{name}", words, value=value)
    family = GaugeMetricFamily(f"almanac_{name}", words, labels=(label,))
    for labelled, number in by.items():
        family.add_metric((labelled,), number)
    return family


SERVER_COLLECTORS: Mapping[str, Collector] = {"postgres": postgres_metrics, "redis": redis_metrics}
COLLECTORS: Mapping[str, Collector] = {**SERVER_COLLECTORS, "pool": pool_metrics}


class Metrics:
    """Answers with every part that can be had in time; one that is away is told so, and the others still answer."""

    def __init__(self, parts: Mapping[str, Collector] = COLLECTORS, patience_seconds: float = TIMEOUT_SECONDS) -> None:
        self._patience = TimedCalls(parts, patience_seconds)

    async def answer(self, request: Request) -> Response:
        names = tuple(self._patience.calls)
        found = dict(zip(names, await asyncio.gather(*map(self._collect, names)), strict=True))
        up = gauge(
            "up",
            "1 while a server answers",
            "part",
            {name: found[name] is not None for name in names if name in SERVER_COLLECTORS},
        )
        told = CombinedCollector([up, *(metric for part in found.values() for metric in part or ())])
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(told), headers={"content-type": content_type, "cache-control": "no-store"})

    async def _collect(self, name: str) -> list[Metric] | None:
        try:
            return await self._patience.ask(name)
        except Exception as error:
            log.debug("metrics have a gap", part=name, error=type(error).__name__)
            return None


class CombinedCollector:
    """What an encoder reads: this process's own counts, then *more*."""

    def __init__(self, more: Iterable[Metric]) -> None:
        self.extra = more

    def collect(self) -> Iterator[Metric]:
        yield from prometheus.registry.collect()
        yield from self.extra
