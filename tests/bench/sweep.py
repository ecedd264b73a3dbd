"""A sweep over 10,000 accounts with 30 repositories each, 3 % of them changed, for one token, with time compressed.

The accounts share 300,000 repositories as unevenly as on GitHub; every one of the 9,000 that changed was pushed to,
the change that costs most, because its languages are read. GitHub's answers come at once, and the clock moves on by
what they usually take a single worker; the leader decides each minute of that clock what the budget pays for.
"""

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from math import ceil

from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, text

from core import log
from core.budget.cost_model import CONNECTIONS_PER_POINT
from core.settings import Settings
from ingest.github import AccountRequest, GitHub
from ingest.refresh.comparison import Response
from ingest.refresh.store import store_accounts
from ingest.sandbox import Sandbox
from tests.bench.measurement import Measurement, temporary_servers
from tests.bench.sandbox_process import SandboxProcess, sandbox_process

ACCOUNTS, REPOSITORIES_PER_ACCOUNT, CHANGED_SHARE = 10_000, 30, 0.03
BUDGET = 5_000
TOKEN = "sandbox-token-1"
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
# Until the sweep: few changes come by themselves meanwhile, so that those that are made count.
SWEEP_DELAY = timedelta(minutes=5)


def run(accounts: int = ACCOUNTS, error_share: float = 0.0) -> list[Measurement]:
    """Measure a sweep; *error_share* of GitHub's responses are errors."""
    world = {"accounts": accounts, "repositories": accounts * REPOSITORIES_PER_ACCOUNT, "seed": 4, "frozen_at": START}
    with sandbox_process(**world) as github, temporary_servers() as servers:
        engine = create_engine(servers.database_url, connect_args={"options": "-c timezone=UTC"})
        store_everything(engine, github)
        pages, pushed = github.call(push_some_repositories, SWEEP_DELAY, CHANGED_SHARE)
        github.call(set_error_share, error_share)
        done = run_sweep(github, servers.database_url, servers.redis_url)
        changed = _changed_repository_count(engine)
        engine.dispose()
    # Two connections an account, one for each further page, one for the languages of a repository.
    floor = ceil((pages + accounts) / CONNECTIONS_PER_POINT) + ceil(pushed / CONNECTIONS_PER_POINT)
    return [
        Measurement("points for a sweep", done["points"], "", floor, f"at most {BUDGET:,}"),
        Measurement("  of pretended time", done["minutes"], "min", None, "at most 60"),
        Measurement("requests", done["requests"], ""),
        Measurement("accounts refreshed", done["stored"], "", accounts, "all"),
        Measurement("accounts lost", done["failed"], "", None, "0"),
        Measurement("repositories that changed", changed, "", pushed),
        Measurement("the leader's longest decision", done["deciding"], "s"),
        Measurement("memory of leader and worker", done["megabytes"], "MB"),
        Measurement("processor time of leader and worker", done["cpu_seconds"], "s"),
        Measurement("real time", done["seconds"], "s"),
    ]


def run_sweep(github: SandboxProcess, database_url: str, redis_url: str) -> dict[str, float]:
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "GITHUB_API_URL": github.url, "GITHUB_TOKENS": TOKEN}
    command = [sys.executable, "-m", "tests.bench.simulated_sweep", github.url, (START + SWEEP_DELAY).isoformat()]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _changed_repository_count(engine: Engine) -> float:
    with engine.begin() as connection:
        return float(
            connection.execute(
                text(
                    "SELECT count(*) FROM repository JOIN repository_current ON repository_id = id"
                    " WHERE languages_checked_at > :start OR captured_at > :start"
                ),
                {"start": START},
            ).scalar_one()
        )


def lift_limits(sandbox: Sandbox) -> None:
    """Allow unlimited requests."""
    sandbox.limits.rest_per_minute = sandbox.limits.graphql_per_minute = sandbox.limits.core = 1_000_000
    sandbox.limits.graphql = 1_000_000


def set_error_share(sandbox: Sandbox, share: float) -> None:
    if share:
        sandbox.faults.errors(share=share, times=None)


def push_some_repositories(sandbox: Sandbox, later: timedelta, share: float) -> tuple[int, int]:
    """Push to some repositories and restore limits; returns the numbers of pages and pushes."""
    world = sandbox.world
    world.advance(seconds=later.total_seconds())
    names = sorted(one.full_name for one in world.repositories.values() if world.shows(one) and not one.empty)
    chosen = random.Random(4).sample(names, round(len(world.repositories) * share))
    for name in chosen:
        world.edit.push(name)
    limits = sandbox.limits
    limits.rest_per_minute, limits.graphql_per_minute, limits.core, limits.graphql = 900, 2000, 5000, BUDGET
    limits.monotonic = world.now
    return sum(max(1, ceil(len(world.owned(one)) / 100)) for one in world.accounts), len(chosen)


def store_everything(engine: Engine, github: SandboxProcess) -> None:
    """Store everything as it is, with languages marked as fetched, and track every account."""
    log.configure("ERROR", as_json=True)
    github.call(lift_limits)
    given = Settings(github_api_url=github.url, github_tokens=(SecretStr(TOKEN),))
    with GitHub.from_settings(given) as client:
        requests = [AccountRequest(login) for login in github.logins]
        for group in client.account_groups(requests, should_fetch_languages=lambda *_: False):
            responses = [Response(one.account_request.login, one.snapshot) for one in group if one.snapshot is not None]
            with engine.begin() as connection:
                store_accounts(
                    connection, 0, responses,
                    language_states={}, now=START, default_cadence=timedelta(days=1), rng=random.Random(1),
                )  # fmt: skip
    with engine.begin() as connection:
        connection.execute(text("UPDATE repository SET languages_checked_at = :at, languages_pushed_at = pushed_at"),
                           {"at": START})  # fmt: skip
        connection.execute(
            text(
                "INSERT INTO tracked_account (account_id, due_at, repositories)"
                " SELECT account_id, :due, public_repositories FROM account_snapshot"
            ),
            {"due": START},
        )
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
