"""Metrics report events and states without naming people, and respond within a bounded time during outages."""

import re
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from sqlalchemy import Connection, text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from core import prometheus
from core.auth import audit
from core.budget import rate_limits, token_expiry
from core.budget.token_expiry import TokenExpiry
from core.settings import settings
from core.web.middleware.http_metrics import HttpMetrics, RouteLabel
from core.web.routes import metrics
from core.web.routes.metrics import Metrics

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def metrics_client(metrics: Metrics) -> TestClient:
    return TestClient(Starlette(routes=[Route("/metrics", metrics.respond)]))


def parse_samples(body: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def sample_value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


@pytest.fixture
def tracked(database: Connection) -> None:
    """Add four accounts: refreshed an hour ago, over twice the default interval ago, never, and one that is paused."""
    now = datetime.now(UTC)
    refreshed = {
        "ada": now - timedelta(hours=1),
        "bob": now - timedelta(hours=13),
        "evelyn": None,
        "old": now - 90 * timedelta(1),
    }
    for login, at in refreshed.items():
        account = database.scalar(
            text("INSERT INTO account (login, kind, checked_at) VALUES (:login, 'user', :at) RETURNING id"),
            {"login": login, "at": at},
        )
        database.execute(
            text("INSERT INTO tracked_account (account_id, added_by, paused) VALUES (:id, 'test', :paused)"),
            {"id": account, "paused": login == "old"},
        )


def test_worker_metrics_are_read_from_postgres_and_redis(tracked, redis: Redis, monkeypatch):
    now = datetime.now(UTC)
    budget = rate_limits.budget_key(settings().github_api_url)
    redis.set(budget, f'{{"buckets": {{"octocat graphql": {{"limit": 5000, "remaining": 1234, "resets_at": '
              f'{now.timestamp() + 600}}}}}, "in_flight": {{}}, "paused_until": {now.timestamp() + 60}}}')  # fmt: skip
    expiry = TokenExpiry("ab12", "token 1 (fingerprint ab12)", now + timedelta(days=3))
    redis.hset(token_expiry.token_expiries_key(settings().github_api_url), "ab12", expiry.to_json())
    response = metrics_client(Metrics()).get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert response.headers["cache-control"] == "no-store"
    samples = parse_samples(response.text)
    assert (
        sample_value(samples, "almanac_up", server="postgres")
        == sample_value(samples, "almanac_up", server="redis")
        == 1
    )
    assert sample_value(samples, "almanac_tracked_accounts", freshness="on_time") == 1
    assert sample_value(samples, "almanac_tracked_accounts", freshness="overdue") == 1
    assert sample_value(samples, "almanac_tracked_accounts", freshness="never_refreshed") == 1
    assert 3600 < sample_value(samples, "almanac_account_refresh_age_seconds", quantile="0.5") < 13 * 3600
    assert sample_value(samples, "almanac_jobs", status="waiting") == 0
    assert sample_value(samples, "almanac_scheduler_leader") == 0
    assert sample_value(samples, "almanac_workers", state="alive") == 0
    assert sample_value(samples, "almanac_data_version") >= 0
    owner = sha256(b"octocat").hexdigest()[:8]
    assert sample_value(samples, "almanac_github_rate_budget_remaining", token_owner=owner, bucket="graphql") == 1234
    assert sample_value(samples, "almanac_github_rate_budget_limit", token_owner=owner, bucket="graphql") == 5000
    expires_at = sample_value(samples, "almanac_github_token_expiry_timestamp_seconds", token="ab12")
    assert expires_at == pytest.approx(expiry.expires_at.timestamp())
    assert 50 < sample_value(samples, "almanac_github_pause_remaining_seconds") <= 60
    assert sample_value(samples, "process_resident_memory_bytes") > 0
    assert sample_value(samples, "almanac_database_pool_max_connections") > 0
    assert (
        0
        <= sample_value(samples, "almanac_shared_cache_bytes")
        <= sample_value(samples, "almanac_shared_cache_max_bytes")
    )
    for name in ("octocat", "ada", "bob", "evelyn"):
        assert name not in response.text


def test_an_unavailable_server_is_reported_with_the_remaining_metrics(tracked, redis: Redis, monkeypatch):
    from core import redis_client

    monkeypatch.setenv("REDIS_URL", "redis://:secretwords@127.0.0.1:1")
    settings.cache_clear()
    redis_client.redis.cache_clear()
    response = metrics_client(Metrics()).get("/metrics")
    samples = parse_samples(response.text)
    assert response.status_code == 200
    assert sample_value(samples, "almanac_up", server="redis") == 0
    assert sample_value(samples, "almanac_up", server="postgres") == 1
    assert sample_value(samples, "almanac_tracked_accounts", freshness="never_refreshed") == 1
    assert "secretwords" not in response.text


def test_a_hanging_collector_costs_one_timeout_and_one_thread():
    asked, release = [], threading.Event()

    def hang() -> list[metrics.Metric]:
        asked.append(1)
        release.wait(60)
        return []

    parts = {"postgres": hang, "redis": lambda: [metrics.gauge("test", "A test", value=3)]}
    with metrics_client(Metrics(parts, timeout_seconds=1)) as web:
        responses = [parse_samples(web.get("/metrics").text) for _ in range(3)]
        release.set()
    assert len(asked) == 1
    for samples in responses:
        assert sample_value(samples, "almanac_up", server="postgres") == 0
        assert sample_value(samples, "almanac_up", server="redis") == 1
        assert sample_value(samples, "almanac_test") == 3


def test_openmetrics_is_returned_on_request():
    asked = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = metrics_client(Metrics({})).get("/metrics", headers=asked)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def http_metrics_client() -> TestClient:
    async def hello(_request: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def broken(_request: object) -> PlainTextResponse:
        raise RuntimeError

    inner = Starlette(routes=[Route("/v1/accounts/{login}", hello), Route("/v1/broken", broken)])
    session = Route("/auth/session", hello, methods=["POST"])
    routes = [session, Mount("/api", inner), Mount("/", PlainTextResponse("hello"))]

    class Copies:
        """Middleware in between, which passes on a copy of the scope."""

        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app({**scope}, receive, send)

    middleware = [Middleware(HttpMetrics), Middleware(Copies), Middleware(RouteLabel)]
    return TestClient(Starlette(routes=routes, middleware=middleware), raise_server_exceptions=False)


def scraped_samples() -> Samples:
    return parse_samples(metrics_client(Metrics({})).get("/metrics").text)


@pytest.mark.parametrize(
    ("method", "path", "status", "labels"),
    [
        ("GET", "/api/v1/accounts/ada", 200, ("GET", "/api/v1/accounts/{login}")),
        ("GET", "/api/v1/broken", 500, ("GET", "/api/v1/broken")),
        ("GET", "/api/v1/other/ada", 404, ("GET", "/api/…")),
        ("POST", "/auth/session", 200, ("POST", "/auth/session")),
        ("GET", "/secret?token=1", 200, ("GET", "page")),
        ("BREW", "/static/js/ada.js", 200, ("other", "/static/…")),
    ],
)
def test_requests_are_counted_by_route_and_not_by_path(method, path, status, labels):
    web, wanted = http_metrics_client(), {"method": labels[0], "route": labels[1]}

    def number(samples: Samples, name: str, **more: str) -> float:
        return samples.get((name, tuple(sorted({**wanted, **more}.items()))), 0)

    before = scraped_samples()
    for _ in range(2):
        assert web.request(method, path).status_code == status
    after = scraped_samples()
    name = "almanac_http_requests_total"
    assert number(after, name, status=str(status)) - number(before, name, status=str(status)) == 2
    name = "almanac_http_request_duration_seconds_count"
    assert number(after, name) - number(before, name) == 2


def test_the_number_of_series_is_bounded():
    web = http_metrics_client()
    for number in range(50):
        web.request(f"M{number}", f"/x{number}/ada")
        web.get(f"/api/v1/accounts/x{number}")
        web.get(f"/api/x{number}")
    body = metrics_client(Metrics({})).get("/metrics").text
    assert not re.search(r"x\d+|M\d+|ada", body)


def test_page_runs_are_counted_and_timed():
    class Stop(BaseException):
        """The exception with which Streamlit ends a run on purpose."""

    with prometheus.measure_page_run("test-page"):
        pass
    for error in (ValueError, Stop):
        with pytest.raises(error), prometheus.measure_page_run("test-page"):
            raise error
    samples = scraped_samples()
    assert sample_value(samples, "almanac_page_runs_total", page="test-page", outcome="shown") == 2
    assert sample_value(samples, "almanac_page_runs_total", page="test-page", outcome="failed") == 1
    assert sample_value(samples, "almanac_page_run_duration_seconds_count", page="test-page") == 3


def test_sign_ins_are_counted_by_outcome(database: Connection):
    def number(action: str) -> float:
        return scraped_samples().get(("almanac_audit_events_total", (("action", action),)), 0)

    before = number("sign_in"), number("sign_in_refused")
    audit.record(database, "sign_in", actor="ada")
    for _ in range(2):
        audit.record(database, "sign_in_refused", actor="mallory <b>else</b>")
    assert (number("sign_in"), number("sign_in_refused")) == (before[0] + 1, before[1] + 2)
    assert "mallory" not in metrics_client(Metrics({})).get("/metrics").text
