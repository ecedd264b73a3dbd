"""Prometheus metrics of this process, served at `/metrics`.

Labels take their values from short fixed lists, never from input: each value is a time series.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()  # type: ignore[no-untyped-call]  # would double the lines
registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)

http_requests = Counter(
    "almanac_http_requests", "HTTP requests with a response", ("method", "route", "status"), registry=registry
)
http_request_duration_seconds = Histogram(
    "almanac_http_request_duration_seconds",
    "Time to the end of the response",
    ("method", "route"),
    buckets=DURATION_BUCKETS,
    registry=registry,
)
open_websockets = Gauge("almanac_websockets_open", "Open websockets: one per page open in a browser", registry=registry)
websocket_refusals = Counter(
    "almanac_websocket_refusals",
    "Websockets refused or closed, by reason",
    ("reason",),
    registry=registry,
)
page_runs = Counter("almanac_page_runs", "Script runs of a page", ("page", "outcome"), registry=registry)
page_run_duration_seconds = Histogram(
    "almanac_page_run_duration_seconds",
    "Duration of a script run of a page",
    ("page",),
    buckets=DURATION_BUCKETS,
    registry=registry,
)
replica_reads = Counter(
    "almanac_replica_reads",
    "Reads that DATABASE_READ_URL was to answer, by what became of them",
    ("outcome",),
    registry=registry,
)
rate_limit_refusals = Counter(
    "almanac_rate_limit_refusals", "Requests refused by a per-person limit", ("kind",), registry=registry
)
audit_events = Counter("almanac_audit_events", "Entries of the audit trail", ("action",), registry=registry)
rate_limits_shared = Gauge(
    "almanac_rate_limits_shared",
    "1 while limits are counted in Redis, 0 while in this process alone",
    registry=registry,
)
rate_limits_shared.set(1)


@contextmanager
def measure_page_run(page: str) -> Iterator[None]:
    """Count and time one script run; *page* is its path in the navigation, never the requested URL.

    A run that is stopped early, by the script or the reader, counts as shown: Streamlit stops it with a BaseException.
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
