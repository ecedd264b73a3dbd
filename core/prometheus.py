"""What this process counts of its own doing; `/metrics` tells it.

Labels come from short fixed lists, never from what people send.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for every line
registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)

http_requests = Counter("almanac_http_requests", "Requests answered", ("method", "route", "status"), registry=registry)
http_request_duration_seconds = Histogram(
    "almanac_http_request_seconds",
    "Time to the end of an answer",
    ("method", "route"),
    buckets=DURATION_BUCKETS,
    registry=registry,
)
open_websockets = Gauge("almanac_websockets_open", "Pages open in browsers", registry=registry)
page_runs = Counter("almanac_page_runs", "Runs of a page's script", ("page", "outcome"), registry=registry)
page_run_duration_seconds = Histogram(
    "almanac_page_run_seconds",
    "Time that a run of a page's script takes",
    ("page",),
    buckets=DURATION_BUCKETS,
    registry=registry,
)
rate_limit_refusals = Counter(
    "almanac_limit_refusals", "Times that a limit refused somebody", ("kind",), registry=registry
)
audit_events = Counter(
    "almanac_audit_events", "What the audit trail tells of, by action", ("action",), registry=registry
)
rate_limits_shared = Gauge(
    "almanac_limits_shared", "1 while limits are counted in Redis, 0 while by this process alone", registry=registry
)
rate_limits_shared.set(1)


@contextmanager
def measure_page_run(page: str) -> Iterator[None]:
    """Count and time one run of a page's script; *page* is its path as the navigation has it, never what was typed.

    A run that the script itself or the reader ends early counts as shown: they are no `Exception`.
    """
    started = perf_counter()
    outcome = "shown"
    try:
        yield
    except Exception:
        outcome = "failed"
        raise
    finally:
        page_runs.labels(page, outcome).inc()
        page_run_duration_seconds.labels(page).observe(perf_counter() - started)
