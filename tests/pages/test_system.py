"""The System page: each component independently, and no secrets."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from psycopg import OperationalError
from psycopg.errors import DiskFull
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import insert, text
from streamlit.testing.v1 import AppTest

from core.budget import rate_limits, token_expiry
from core.budget.token_expiry import TokenExpiry
from core.db import schema
from core.errors import ServerUnavailable
from core.queries import system
from core.settings import settings
from tests import seed_data
from tests.pages.page_file import run_page_file
from tests.pages.wording import page_text

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"


@pytest.fixture
def page(person: Callable[..., object], browser) -> Callable[[], AppTest]:
    """Open the page by itself, as an admin."""
    browser.sign_in(person("boss", role="admin"))
    return partial(run_page_file, "system")


def raising(error: Exception) -> Callable[..., object]:
    def refuses(*_: object) -> object:
        raise error

    return refuses


POSTGRES_UNAVAILABLE = OperationalError("connection refused")


def status_labels(shown: AppTest) -> dict[str, str]:
    """Return each component with its status label."""
    texts = [element.value for element in shown.markdown]
    positions = {text: position for position, text in enumerate(texts)}
    components = ("Postgres", "Redis", "Web", "Scheduler", "Workers", "Queue", "Freshness", "Limits")
    return {name: texts[positions[f"**{name}**"] + 1].split(": ", 1)[1].rstrip("]") for name in components}


def test_each_component_shows_its_status(page):
    shown = page()
    assert not shown.exception
    assert not shown.error
    found = status_labels(shown)
    assert found["Postgres"] == found["Redis"] == "available"
    assert found["Scheduler"] == "not running"
    assert found["Workers"] == "none running"
    assert found["Queue"] == "nothing waiting"
    assert found["Freshness"] == "nothing tracked"
    assert found["Limits"] == "shared"
    assert "No account failed" in page_text(shown)


def test_workers_queue_and_freshness_are_counted(page, database, now):
    database.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))
    for _ in range(3):
        database.execute(text("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('ingest', 'refresh')"))
    database.execute(text("UPDATE procrastinate_events SET at = now() - interval '1 hour'"))
    for hours in (1, 99):
        account = seed_data.add_account(database, f"octo-{hours}", checked_at=now - timedelta(hours=hours))
        database.execute(insert(schema.tracked_account).values(account_id=account))
    shown = page()
    found = status_labels(shown)
    assert found["Workers"] == "1 running"
    assert found["Queue"] == "3 waiting"
    assert "the oldest queued 1 h ago" in page_text(shown)
    assert found["Freshness"] == "50\N{NO-BREAK SPACE}% on time"


def test_recent_failures_are_listed(page, monkeypatch, now):
    failed = system.RefreshFailure(now, "octo", "not_found", "GitHub has no account called octo")
    monkeypatch.setattr(system, "recent_failures", lambda *_: [failed])
    assert "octo" in [value for table in page().dataframe if "login" in table.value for value in table.value["login"]]


def test_budgets_show_by_owner_with_what_is_left(page, redis):
    until = datetime.now(UTC).timestamp() + 1800
    buckets = {"octo-bot graphql": {"limit": 5000, "remaining": 1250, "resets_at": until}}
    stored = {"paused_until": datetime.now(UTC).timestamp() + 600, "buckets": buckets, "in_flight": {}}
    redis.set(rate_limits.budget_key(settings().github_api_url), json.dumps(stored))
    shown = page()
    row = next(table.value for table in shown.dataframe if "owner" in table.value).iloc[0]
    assert (row["owner"], row["resource"], row["left"], row["limit"]) == ("octo-bot", "GraphQL", 1250, 5000)
    assert row["share"] == 25
    assert "GitHub asked for a pause" in page_text(shown)


@pytest.mark.parametrize(
    ("days", "element", "sentence"),
    [
        (15, "caption", "GitHub's token 1 (fingerprint ab12) expires on "),
        (13.5, "warning", "GitHub's token 1 (fingerprint ab12) expires on "),
        (-1, "error", "GitHub's token 1 (fingerprint ab12) expired on "),
    ],
)
def test_a_token_that_expires_is_announced_two_weeks_ahead(page, redis, days, element, sentence):
    expiry = TokenExpiry("ab12", "token 1 (fingerprint ab12)", datetime.now(UTC) + timedelta(days=days))
    redis.hset(token_expiry.token_expiries_key(settings().github_api_url), "ab12", expiry.to_json())
    unescaped = [one.value.replace("\\", "") for one in getattr(page(), element)]
    (shown,) = [text for text in unescaped if sentence in text]
    assert ("Replace it in `GITHUB_TOKENS` and restart the workers." in shown) == (element != "caption")


def test_other_components_show_while_redis_is_unavailable(page, monkeypatch):
    monkeypatch.setattr(system, "redis_status", raising(RedisConnectionError("refused")))
    monkeypatch.setattr(rate_limits, "load_rate_budget", raising(RedisConnectionError("refused")))
    shown = page()
    assert not shown.exception
    found = status_labels(shown)
    assert found["Redis"] == "unavailable"
    assert found["Postgres"] == "available"
    assert "The rate budget is stored there" in page_text(shown)


def test_other_components_show_while_postgres_is_unavailable_after_one_query(page, monkeypatch):
    queries: list[str] = []

    def refuses(_record: object, sql: str, **_: object) -> object:
        queries.append(sql)
        raise POSTGRES_UNAVAILABLE

    monkeypatch.setattr(system, "_records", refuses)
    shown = page()
    assert not shown.exception
    assert not shown.error
    found = status_labels(shown)
    assert found["Postgres"] == "unavailable"
    assert {found[name] for name in ("Scheduler", "Workers", "Queue", "Freshness")} == {"unknown"}
    assert found["Redis"] == "available"
    assert sum("pg_locks" in sql for sql in queries) == 0
    assert "PORT" in list(shown.dataframe[-1].value["name"])


def test_while_admin_rights_cannot_be_verified_only_public_status_is_shown(page, monkeypatch):
    """Fragments of an open page show what `/health` reports to anyone, and nothing of accounts or rows."""
    from pages.session import current

    roles: list[str] = []
    require_identity = current.require_identity

    def required(role: str) -> object:
        roles.append(role)
        if len(roles) > 1:
            raise ServerUnavailable("Postgres is unavailable")
        return require_identity(role)

    monkeypatch.setattr(current, "require_identity", required)
    monkeypatch.setattr(system, "_records", raising(POSTGRES_UNAVAILABLE))
    shown = page()
    assert not shown.exception
    found = status_labels(shown)
    assert (found["Postgres"], found["Redis"], found["Queue"]) == ("unavailable", "available", "unknown")
    assert page_text(shown).count("Cannot verify your rights") == 4


def test_a_programming_error_is_not_reported_as_an_outage():
    from pages.components import status_cards

    with pytest.raises(KeyError):
        status_cards.check_status(raising(KeyError("used_memory")))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DiskFull("could not extend file"), "Postgres reports: disk full."),
        (OperationalError("connection refused"), "Postgres does not respond."),
        (ServerUnavailable("The database is unavailable"), "Postgres does not respond."),
    ],
)
def test_an_unavailable_postgres_is_shown_with_its_reason(error, line):
    from pages.components import status_cards

    card = status_cards.check_status(raising(error))
    assert (card.state, card.lines[0]) == ("unavailable", line)


def test_limits_counted_in_memory_are_reported(page, monkeypatch):
    from core.ratelimit import limiter

    alone = limiter.Limiter(raising(RedisConnectionError("refused")), limiter.limiter()._make_memory_window)
    monkeypatch.setattr(limiter, "limiter", lambda: alone)
    assert status_labels(page())["Limits"] == "in memory"


def test_settings_are_shown_and_secrets_are_not(page, monkeypatch):
    for name in ("METRICS_TOKEN", "ADMIN_PASSWORD", "GITHUB_TOKENS"):
        monkeypatch.setenv(name, SECRET)
    settings.cache_clear()
    shown = page()
    rows = shown.dataframe[-1].value.set_index("name")
    assert rows.loc["METRICS_TOKEN", "value"] == "•••"
    assert rows.loc["METRICS_TOKEN", "origin"] == "set"
    assert rows.loc["HOST", "origin"] == "default"
    everything = page_text(shown) + "".join(table.value.to_csv() for table in shown.dataframe)
    assert SECRET not in everything
    assert settings().secret_key.get_secret_value() not in everything


def test_settings_warnings_come_first(page):
    assert "GITHUB_TOKENS" in page().warning[0].value


@pytest.mark.parametrize(
    ("count", "expected"),
    [(None, "—"), (0, "0 B"), (999, "999 B"), (9_516_735, "9.5 MB"), (123_456, "123 kB"), (4e13, "40.0 TB")],
)
def test_sizes_are_written_as_people_read_them(count, expected):
    from pages.components.format import byte_size

    assert byte_size(count) == expected
