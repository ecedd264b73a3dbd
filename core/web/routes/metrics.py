"""`/metrics`: this process's counters, and the state of all processes from Postgres and Redis, for Prometheus."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
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
    """Collect queue, workers, data version, freshness and the nodes of Citus."""
    # Imported by the first request: the server listens before the libraries have loaded.
    from core.queries import metrics, system  # noqa: PLC0415

    now = datetime.now(UTC)
    queue, workers, fresh, data = (
        system.queue_counts(now),
        system.worker_counts(now),
        system.freshness_counts(now),
        system.data_status(),
    )
    oldest = (now - queue.oldest_at).total_seconds() if queue.oldest_at else 0.0
    return [
        gauge(
            "jobs",
            "Jobs in the queue",
            "status",
            {"waiting": queue.waiting, "scheduled": queue.scheduled, "running": queue.running, "failed": queue.failed},
        ),
        gauge("oldest_waiting_job_age_seconds", "Age of the oldest job that is ready to run", value=oldest),
        gauge(
            "workers",
            "Workers by state of their heartbeat",
            "state",
            {"alive": workers.alive, "unresponsive": workers.unresponsive},
        ),
        gauge("scheduler_leader", "1 while a scheduler is leader", value=system.scheduler_leader() is not None),
        gauge(
            "tracked_accounts",
            "Tracked accounts that are neither paused nor deleted, by freshness",
            "freshness",
            {"on_time": fresh.on_time, "overdue": fresh.overdue, "never_refreshed": fresh.never},
        ),
        gauge("tracked_accounts_failing", "Tracked accounts whose last refresh failed", value=fresh.failing),
        gauge(
            "account_refresh_age_seconds",
            "Age of the accounts' last refresh",
            "quantile",
            {f"{quantile:g}": age for quantile, age in metrics.refresh_age_quantiles(now).items()},
        ),
        gauge("data_version", "Current data version", value=data.version or 0),
        *cluster_metrics(),
    ]


def redis_metrics() -> list[Metric]:
    """Collect GitHub's rate budgets and when tokens expire.

    Token owners are people, so only a digest of their name is exported; a token's fingerprint is one.
    """
    from core.budget import rate_limits, token_expiry  # noqa: PLC0415 - as above

    now = datetime.now(UTC)
    expiries = token_expiry.load_token_expiries(redis_client.redis(), settings().github_api_url)
    seen = rate_limits.load_rate_budget(redis_client.redis(), settings().github_api_url, now)
    labels = ("token_owner", "bucket")
    remaining = GaugeMetricFamily(
        "almanac_github_rate_budget_remaining", "Requests or points left of a GitHub rate limit", labels=labels
    )
    limit = GaugeMetricFamily(
        "almanac_github_rate_budget_limit", "Requests or points of a GitHub rate limit per window", labels=labels
    )
    for bucket in seen.buckets:
        named = (sha256(bucket.owner.encode()).hexdigest()[:8], bucket.resource)
        remaining.add_metric(named, bucket.remaining_at(now))
        limit.add_metric(named, bucket.limit)
    pause = max(0.0, (seen.paused_until - now).total_seconds()) if seen.paused_until else 0.0
    return [
        remaining,
        limit,
        gauge(
            "github_token_expiry_timestamp_seconds",
            "When a GitHub token expires, as Unix time",
            "token",
            {one.fingerprint: one.expires_at.timestamp() for one in expiries},
        ),
        gauge("github_requests_in_flight", "Requests to GitHub in flight", value=seen.in_flight),
        gauge("github_pause_remaining_seconds", "Remaining pause that GitHub demanded", value=pause),
    ]


def pool_metrics() -> list[Metric]:
    """Collect this process's connections to Postgres."""
    from core.queries import system  # noqa: PLC0415 - as above

    usage = system.pool_usage()
    most = gauge(
        "database_pool_max_connections",
        "Maximum of this process's connections to Postgres",
        value=usage.max_connections,
    )
    by_state = {"checked_out": usage.checked_out, "open": usage.open}
    return [gauge("database_pool_connections", "This process's connections to Postgres", "state", by_state), most]


def replica_metrics() -> list[Metric]:
    """Collect how far the replica is behind; nothing without DATABASE_READ_URL."""
    from core.db import replica  # noqa: PLC0415 - as above

    if not settings().database_read_url:
        return []
    up = "1 while the replica of DATABASE_READ_URL responds"
    try:
        status = replica.status()
    except Exception as error:
        log.debug("replica unavailable", error=type(error).__name__)
        return [gauge("replica_up", up, value=0)]
    return [
        gauge("replica_up", up, value=1),
        gauge("replica_lag_bytes", "Log of the primary that the replica has not replayed", value=status.lag_bytes),
        gauge(
            "replica_lag_seconds",
            "Age of the newest replayed transaction; 0 while nothing is left to replay",
            value=status.lag_seconds,
        ),
    ]


def cluster_metrics() -> list[Metric]:
    """Collect the nodes of Citus and what lies on them; nothing where the database has none."""
    from core.queries import system  # noqa: PLC0415 - as above

    status = system.cluster_nodes()
    if status is None:
        return []
    sizes = {node.name: float(node.bytes) for node in status.nodes if node.bytes is not None}
    return [
        gauge(
            "cluster_node_up",
            "1 while a node of Citus responds to the coordinator",
            "node",
            {node.name: node.is_available for node in status.nodes},
        ),
        gauge("cluster_node_shards", "Shards on a node", "node", {node.name: node.shards for node in status.nodes}),
        gauge("cluster_node_bytes", "Size of the shards on a node", "node", sizes),
    ]


def cache_metrics() -> list[Metric]:
    """Collect what this process keeps for all readers."""
    from core.shared_cache import shared_cache  # noqa: PLC0415 - as above

    uses = CounterMetricFamily(
        "almanac_shared_cache_uses_total", "Rows, charts and tables asked for: found or computed", labels=("outcome",)
    )
    uses.add_metric(("found",), shared_cache.hits)
    uses.add_metric(("computed",), shared_cache.misses)
    return [
        gauge("shared_cache_bytes", "Size of what is kept for all readers", value=shared_cache.stored_bytes),
        gauge("shared_cache_max_bytes", "Largest size of what is kept for all readers", value=shared_cache.max_bytes),
        uses,
    ]


def gauge(
    name: str, words: str, label: str = "", by: Mapping[str, float] | None = None, value: float | None = None
) -> GaugeMetricFamily:
    """Return a gauge with one value, or with one per value of a label."""
    if by is None:
        return GaugeMetricFamily(f"almanac_{name}", words, value=value)
    family = GaugeMetricFamily(f"almanac_{name}", words, labels=(label,))
    for labelled, number in by.items():
        family.add_metric((labelled,), number)
    return family


SERVER_COLLECTORS: Mapping[str, Collector] = {"postgres": postgres_metrics, "redis": redis_metrics}
COLLECTORS: Mapping[str, Collector] = {
    **SERVER_COLLECTORS,
    "pool": pool_metrics,
    "cache": cache_metrics,
    "replica": replica_metrics,
}


class Metrics:
    """Responds with every section collected in time; an unavailable server is reported by `almanac_up`."""

    def __init__(
        self, sections: Mapping[str, Collector] = COLLECTORS, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._calls = TimedCalls(sections, timeout_seconds)

    async def respond(self, request: Request) -> Response:
        names = tuple(self._calls.calls)
        found = dict(zip(names, await asyncio.gather(*map(self._collect, names)), strict=True))
        up = gauge(
            "up",
            "1 while a server responds",
            "server",
            {name: found[name] is not None for name in names if name in SERVER_COLLECTORS},
        )
        combined = CombinedCollector([up, *(metric for section in found.values() for metric in section or ())])
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(combined), headers={"content-type": content_type, "cache-control": "no-store"})

    async def _collect(self, name: str) -> list[Metric] | None:
        try:
            return await self._calls.run(name)
        except Exception as error:
            log.debug("metrics section unavailable", section=name, error=type(error).__name__)
            return None


class CombinedCollector:
    """The input of an encoder: this process's own metrics, then *extra*."""

    def __init__(self, extra: Iterable[Metric]) -> None:
        self.extra = extra

    def collect(self) -> Iterator[Metric]:
        yield from prometheus.registry.collect()
        yield from self.extra
