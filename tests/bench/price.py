"""GraphQL points of a sweep and of first snapshots, beside those of another checkout: `BASE=/path/of/another`.

Each checkout is measured by programs of its own against a sandbox GitHub, one after the other in the same run.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from core.launcher.embedded import Servers, lease
from ingest.sandbox import Sandbox, World, serve
from tests.bench import sweep
from tests.bench.measurement import Measurement

OURS = Path(__file__).parents[2]
ACCOUNTS, SNAPSHOT_ACCOUNTS, SNAPSHOT_REPOSITORIES = 10_000, 200, 5_500
ERROR_SHARE = 0.05
MAX_SWEEP_POINTS, MAX_SWEEP_RATIO, MAX_SNAPSHOT_RATIO = 430, 1 / 2.4, 0.75
SWEEP_PROGRAM = """
import json, sys
from tests.bench import sweep
print(json.dumps({figure.name: figure.value for figure in sweep.run(int(sys.argv[1]))}))
"""


@dataclass(frozen=True)
class Snapshot:
    """The outcome of a first snapshot of all accounts."""

    points: int
    failed: int
    repositories_lost: int


def run(accounts: int = int(os.environ.get("ACCOUNTS", ACCOUNTS))) -> list[Measurement]:
    base = Path(os.environ["BASE"]) if os.environ.get("BASE") else None
    before = run_sweep(base, accounts) if base else {}
    now = run_sweep(OURS, accounts)
    name = "points for a sweep"
    limit = MAX_SWEEP_POINTS * accounts // ACCOUNTS
    figures = [
        Measurement(name, now[name], "", before.get(name), f"at most {limit} and {MAX_SWEEP_RATIO:.2f} of the base's"),
        *(
            Measurement(each, now[each], unit, before.get(each), target)
            for each, unit, target in (
                ("requests", "", ""),
                ("  of pretended time", "min", "no more than the base's"),
                ("accounts refreshed", "", "all"),
                ("accounts lost", "", "0"),
                ("repositories that changed", "", ""),
            )
        ),
    ]
    faulty = {figure.name: figure.value for figure in sweep.run(accounts, error_share=ERROR_SHARE)}
    figures += [
        Measurement(f"with {ERROR_SHARE:.0%} errors: {each}", faulty[each], "", floor)
        for each, floor in ((name, now[name]), ("accounts refreshed", accounts), ("accounts lost", None))
    ]
    first = first_snapshot(OURS)
    first_before = first_snapshot(base) if base else None
    rough = first_snapshot(OURS, error_share=ERROR_SHARE)
    return [
        *figures,
        Measurement(
            f"points for a first snapshot of {SNAPSHOT_ACCOUNTS}", first.points, "",
            first_before.points if first_before else None, f"at most {MAX_SNAPSHOT_RATIO} of the base's",
        ),
        Measurement(f"with {ERROR_SHARE:.0%} errors: accounts lost", rough.failed, "", None, "0"),
        Measurement(f"with {ERROR_SHARE:.0%} errors: repositories lost", rough.repositories_lost, "", None, "0"),
    ]  # fmt: skip


def run_sweep(checkout: Path, accounts: int) -> dict[str, float]:
    found: dict[str, float] = json.loads(_run(checkout, ["-c", SWEEP_PROGRAM, str(accounts)], {}))
    return found


def first_snapshot(checkout: Path, *, error_share: float = 0.0) -> Snapshot:
    """Refresh new accounts as a person does, by the command line of *checkout*."""
    world = World(accounts=SNAPSHOT_ACCOUNTS, repositories=SNAPSHOT_REPOSITORIES, seed=11)
    world.freeze()
    with _empty_servers() as servers, serve(world) as sandbox:
        if error_share:
            sandbox.faults.errors(share=error_share, times=None)
        environment = {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "GITHUB_API_URL": sandbox.url,
            "GITHUB_TOKENS": "sandbox-token-1",
        }
        result = json.loads(_run(checkout, ["-m", "ingest", "refresh", *world.logins(), "--json"], environment))
        return Snapshot(sandbox.log.points(), result["failed"], _repositories_lost(servers, sandbox))


def _repositories_lost(servers: Servers, sandbox: Sandbox) -> int:
    listed = sum(len(sandbox.ground_truth(login)["repositories"]) for login in sandbox.world.logins())
    engine = create_engine(servers.database_url)
    with engine.begin() as connection:
        stored: int = connection.execute(text("SELECT count(*) FROM repository_current")).scalar_one()
    engine.dispose()
    return listed - stored


@contextmanager
def _empty_servers() -> Iterator[Servers]:
    """Servers without a schema: each checkout creates its own."""
    with tempfile.TemporaryDirectory(prefix="almanac-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        servers = lease(Path(folder))
        try:
            yield servers
        finally:
            servers.release(wait_seconds=10)


def _run(checkout: Path, command: list[str], environment: dict[str, str]) -> str:
    given = os.environ | environment | {"PYTHONPATH": str(checkout), "LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, *command], cwd=checkout, env=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:] or done.stdout[-2000:])
    return done.stdout.splitlines()[-1]
