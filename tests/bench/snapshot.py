"""What a snapshot of 200 accounts costs over a distant GitHub, and a refresh after little has changed."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil

from ingest.sandbox import Sandbox, World, serve
from tests.bench.measurement import Measurement, temporary_servers

ACCOUNTS, REPOSITORIES, LATENCY_MS = 200, 5_500, 80
CHANGED_SHARE = 0.03


def run() -> list[Measurement]:
    figures = []
    with new_sandbox(tokens="sandbox-token-1") as (github, ask):
        first = ask()
        figures += snapshot_measurements("first snapshot", first, floor=min_points(github), targets=("80", "120", "12"))
        figures.append(Measurement("first snapshot: memory", first["memory"], "MB", target="at most 150 MB"))
        change_repositories(github.world)
        figures += snapshot_measurements(
            "after 3 % changed", ask(), floor=min_points(github, changed=CHANGED_SHARE), targets=("25", "", "5")
        )
        calm = ask()["requests"]
    with new_sandbox(tokens="sandbox-token-1") as (github, ask):
        github.faults.errors(share=0.05, times=None)
        pause = github.faults.pause(10, after=20)
        rough = ask()
        figures.append(Measurement("rough weather: requests", rough["requests"], "", first["requests"], "at most 1.15"))
        figures.append(Measurement("rough weather: accounts lost", rough["failed"], "", target="0"))
        figures.append(
            Measurement("rough weather: sent into the pause", len(pause.arrivals) - 1, "", target="in flight")
        )
    # Without a token each language is a request, and GitHub allows 900 a minute: fewer repositories do.
    with new_sandbox(tokens="", accounts=20, repositories=300) as (github, ask):
        github.limits.anonymous = 100_000
        ask()
        again = ask()
        share = sum(entry.status == 304 for entry in github.log) / max(1, len(github.log))
        figures.append(Measurement("without a token, again: answered 304", share * 100, "%", 100, "all"))
        figures.append(Measurement("without a token, again", again["seconds"], "s"))
    return [*figures, Measurement("requests of a calm refresh", calm, "")]


def snapshot_measurements(
    name: str, result: dict[str, float], *, floor: int, targets: tuple[str, str, str]
) -> list[Measurement]:
    points, requests, seconds = (f"at most {target}" if target else "" for target in targets)
    latency = LATENCY_MS / 1000
    return [
        Measurement(f"{name}: points", result["points"], "", floor, points),
        Measurement(f"{name}: requests", result["requests"], "", floor, requests),
        Measurement(f"{name}: wall", result["seconds"], "s", floor * latency, seconds and f"{seconds} s"),
        Measurement(f"{name}: accounts stored", result["stored"], "", ACCOUNTS, "all"),
    ]


def min_points(github: Sandbox, changed: float = 1.0) -> int:
    """The fewest points: every connection once, a hundred a point; languages only of what was pushed."""
    world = github.world
    pages = sum(max(1, ceil(len(world.owned(one)) / 100)) for one in map(world.account, world.logins()))
    followers = 2 * len(world.logins())
    return ceil((pages + followers) / 100) + ceil(REPOSITORIES * changed / 100)


def change_repositories(world: World) -> None:
    """Push to and star a share of the repositories."""
    chance = random.Random(5)
    every = [one["full_name"] for login in world.logins() for one in repositories_of(world, login)]
    for full_name in chance.sample(every, int(len(every) * CHANGED_SHARE)):
        world.edit.star(full_name, 3)
        world.edit.push(full_name)


def repositories_of(world: World, login: str) -> list[dict[str, str]]:
    from ingest.sandbox.world.ground_truth import ground_truth

    return ground_truth(world, login)["repositories"]


@contextmanager
def new_sandbox(
    tokens: str, accounts: int = ACCOUNTS, repositories: int = REPOSITORIES
) -> Iterator[tuple[Sandbox, Callable[[], dict[str, float]]]]:
    """Start a sandbox GitHub and empty servers; `ask()` refreshes all accounts and returns the cost."""
    world = World(accounts=accounts, repositories=repositories, seed=11)
    world.freeze()
    with temporary_servers() as servers, serve(world, latency_ms=LATENCY_MS) as github:
        environment = os.environ | {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "GITHUB_API_URL": github.url,
            "GITHUB_TOKENS": tokens,
        }

        def ask() -> dict[str, float]:
            github.log.clear()
            world.advance(seconds=1)
            result = run_refresh(world.logins(), environment)
            time.sleep(0.2)
            return result | {"points": github.log.points(), "requests": len(github.log)}

        yield github, ask


def run_refresh(logins: Sequence[str], environment: dict[str, str]) -> dict[str, float]:
    """Refresh the accounts in a process of its own; return what `measured_refresh` prints."""
    command = [sys.executable, "-m", "tests.bench.measured_refresh", *logins]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result
