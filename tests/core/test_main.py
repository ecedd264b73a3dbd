import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from redis import Redis
from sqlalchemy import Engine, text

from core.__main__ import main
from core.budget import rejected_tokens, token_expiry
from core.budget.rejected_tokens import RejectedToken
from core.budget.token_expiry import TokenExpiry
from core.settings import settings

RunCommand = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[RunCommand]:
    """Run a command as its process would and return its exit code with its output."""

    def command(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["core", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out + output.err

    yield command
    structlog.reset_defaults()  # the command line logged to a stream that is closed


def test_a_second_migration_finds_nothing_to_do(run: RunCommand, committing_database: Engine) -> None:
    assert run("migrate") == (0, "The database is up to date.\n")


def test_migrating_an_empty_database_makes_the_tables(run: RunCommand, committing_database: Engine) -> None:
    with committing_database.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    assert run("migrate") == (0, "The database was migrated.\n")
    assert run("migrate") == (0, "The database is up to date.\n")


def test_a_check_lists_each_component_that_works(run: RunCommand, committing_database: Engine, redis: Redis) -> None:
    code, output = run("check")
    assert code == 0
    assert [line.split()[:2] for line in output.splitlines()] == [
        ["ok", "Postgres"],
        ["ok", "sessions"],
        ["ok", "migrations"],
        ["ok", "schema"],
        ["ok", "summaries"],
        ["ok", "freshness"],
        ["ok", "Redis"],
        ["ok", "tokens"],
    ]


@pytest.mark.parametrize(
    ("days", "code", "line"),
    [
        (15, 0, "ok      tokens     none expires within 14 days"),
        (13.5, 0, "ok      tokens     token 1 (fingerprint ab12) expires on "),
        (-1, 1, "FAILED  tokens     token 1 (fingerprint ab12) expired on "),
    ],
)
def test_a_check_says_when_a_token_expires(
    run: RunCommand, committing_database: Engine, redis: Redis, days: float, code: int, line: str
) -> None:
    expiry = TokenExpiry("ab12", "token 1 (fingerprint ab12)", datetime.now(UTC) + timedelta(days=days))
    redis.hset(token_expiry.token_expiries_key(settings().github_api_url), "ab12", expiry.to_json())
    found, output = run("check")
    assert (found, line in output) == (code, True), output


def test_a_check_fails_for_a_token_that_github_rejected(
    run: RunCommand, committing_database: Engine, redis: Redis
) -> None:
    rejected = RejectedToken("ab12", "token 1", "GitHub rejected token 1: it is wrong, expired or revoked", None)
    redis.hset(rejected_tokens.rejected_tokens_key(settings().github_api_url), "ab12", rejected.to_json())
    code, output = run("check")
    assert (code, f"FAILED  tokens     {rejected.reason}" in output) == (1, True), output


def test_a_check_of_tables_that_were_not_migrated_says_what_to_do(
    run: RunCommand, committing_database: Engine, redis: Redis
) -> None:
    with committing_database.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    code, output = run("check")
    assert code == 1
    assert "FAILED  migrations not at the newest revision; run `python -m core migrate`" in output


def test_a_check_continues_when_a_server_is_unavailable(
    run: RunCommand, committing_database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    code, output = run("check")
    assert code == 1
    assert "ok      Postgres" in output
    assert "FAILED  Redis" in output


def test_an_unavailable_database_is_one_sentence(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    code, output = run("migrate")
    assert code == 1
    assert output.startswith("Cannot connect to DATABASE_URL: ")
    assert "Traceback" not in output


def test_a_check_of_an_unavailable_database_names_no_class_of_python(
    run: RunCommand, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    code, output = run("check")
    assert code == 1
    assert output.count('connection to server at "127.0.0.1", port 1 failed') == 6
    assert "psycopg" not in output
