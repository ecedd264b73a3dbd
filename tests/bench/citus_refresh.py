"""The refresh of 200 accounts stored in a cluster of Citus, beside the same one in one Postgres of the same version.

Beside the clock stands the processor time of all nodes, as `citus_questions`: on a machine that others use too, look at
both, and at several runs. Needs a Postgres with Citus here.
"""

import os
from collections.abc import Sequence

import psycopg
from redis import Redis

from core.db.migrations import distribute_if_needed, upgrade
from ingest.sandbox import World, serve
from tests.bench.citus_questions import node_processes, processor_seconds
from tests.bench.measurement import Measurement, console, temporary_servers
from tests.bench.snapshot import ACCOUNTS, LATENCY_MS, REPOSITORIES, change_repositories, run_refresh
from tests.citus_cluster import citus_cluster, find_postgres_with_citus

# Whether repositories change before it.
REFRESHES = {
    "first snapshot": False,
    "after 3 % changed": True,
    "nothing changed": False,
    "after 3 % more changed": True,
    "nothing changed, again": False,
}
DATABASES = ("plain", "almanac")
TARGET = "at most 1.3 times plain"


def run() -> list[Measurement]:
    if not find_postgres_with_citus():
        console.print("skipped: no Postgres here has Citus")
        return []
    with citus_cluster() as cluster, temporary_servers() as servers:
        cluster.execute("CREATE DATABASE plain")
        urls = [cluster.nodes[0].url(name).replace("postgresql:", "postgresql+psycopg:") for name in DATABASES]
        for url in urls:
            upgrade(url)
            distribute_if_needed(url)
        return _compare(urls, servers.redis_url, node_processes(cluster))


def _compare(urls: Sequence[str], redis_url: str, nodes: list[int]) -> list[Measurement]:
    """Refresh the same world several times, each time into one database and then into the other."""
    world = World(accounts=ACCOUNTS, repositories=REPOSITORIES, seed=11)
    world.freeze()
    figures = []
    with serve(world, latency_ms=LATENCY_MS) as github:
        environment = os.environ | {
            "REDIS_URL": redis_url,
            "GITHUB_API_URL": github.url,
            "GITHUB_TOKENS": "sandbox-token-1",
        }
        for name, is_changed in REFRESHES.items():
            if is_changed:
                change_repositories(world)
            world.advance(seconds=1)
            costs = []
            for url in urls:
                Redis.from_url(redis_url).flushdb()  # neither is to find what the other has fetched
                used = processor_seconds(nodes)
                cost = run_refresh(world.logins(), environment | {"DATABASE_URL": url})
                costs.append(cost | {"used": processor_seconds(nodes) - used})
                _vacuum(url)
            plain, spread = costs
            figures.append(Measurement(name, spread["seconds"], "s", plain["seconds"], TARGET))
            figures.append(Measurement(f"  processors of the servers: {name}", spread["used"], "s", plain["used"]))
            figures.append(Measurement(f"  accounts stored: {name}", spread["stored"], "", plain["stored"], "all"))
    return figures


def _vacuum(url: str) -> None:
    """Let no later work on this database be counted for the other one."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
