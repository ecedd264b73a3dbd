"""Questions of readers to a cluster of Citus, beside the same ones to one Postgres of the same version.

Both databases get the same rows; each question is asked of the two in turn. SCALE (default 0.05: 10,000 repositories)
sizes them, ONLY is a part of a question's name. Beside the clock stands the processor time of this process and of all
nodes, which says more on a machine that others use too. Needs a Postgres with Citus on this machine.
"""

import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from core.db.engine import create_engine_for
from core.db.frames import pin_version
from core.db.migrations import distribute_if_needed, upgrade
from core.db.override import use_engine
from tests.bench.big_database import fill
from tests.bench.measurement import Measurement, console
from tests.bench.questions import described, questions
from tests.citus_cluster import CitusCluster, citus_cluster, find_postgres_with_citus

RUNS = 7
TARGET = "at most 2 times plain, or 20 ms more"


def run() -> list[Measurement]:
    if not find_postgres_with_citus():
        console.print("skipped: no Postgres here has Citus")
        return []
    scale = float(os.environ.get("SCALE") or 0.05)
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with citus_cluster() as cluster:
        cluster.execute("CREATE DATABASE plain")
        urls = [
            cluster.nodes[0].url(name).replace("postgresql:", "postgresql+psycopg:") for name in ("plain", "almanac")
        ]
        for url in urls:
            upgrade(url)
            distribute_if_needed(url)
            fill(url, scale, end)
        return compare(urls[0], urls[1], end, node_processes(cluster))


def compare(plain_url: str, cluster_url: str, end: datetime, nodes: list[int]) -> list[Measurement]:
    """Return the milliseconds of each question to the cluster, the floor being those of the one Postgres.

    nodes  the process ids of all servers
    """
    pin_version(1)
    engines = [_engine(url) for url in (plain_url, cluster_url)]
    with use_engine(engines[0], everywhere=True):
        asked = questions(end)
    figures = []
    for name, ask in asked.items():
        if os.environ.get("ONLY", "") not in name:
            continue
        answers, times, processors = [], [], []
        for _ in range(1 + RUNS):
            found = [_timed(engine, ask, nodes) for engine in engines]
            answers.append({answer for answer, _, _ in found})
            times.append([milliseconds for _, milliseconds, _ in found])
            processors.append([milliseconds for _, _, milliseconds in found])
        plain, spread = (statistics.median(one) for one in zip(*times[1:], strict=True))
        differ = "" if all(len(both) == 1 for both in answers) else "; ROWS DIFFER"
        figures.append(Measurement(name, spread, "ms", plain, TARGET + differ))
        # Means: the clock of processor time ticks every 10 ms.
        plain, spread = (statistics.fmean(one) for one in zip(*processors[1:], strict=True))
        figures.append(Measurement(f"  processors: {name}", spread, "ms", plain))
    return figures


def _engine(url: str) -> Engine:
    return create_engine_for(url)


def _timed(engine: Engine, ask: Callable[[], Any], nodes: list[int]) -> tuple[str, float, float]:
    """Return the answer as text, in sorted lines as not all promise an order, and two times in milliseconds."""
    with use_engine(engine, everywhere=True):
        started, used = time.perf_counter(), time.process_time() + processor_seconds(nodes)
        answer = ask()
        seconds = time.perf_counter() - started
        used = time.process_time() + processor_seconds(nodes) - used
    return "\n".join(sorted(described(answer).splitlines())), seconds * 1000, used * 1000


def node_processes(cluster: CitusCluster) -> list[int]:
    return [node.process.pid for node in cluster.nodes if node.process]


def processor_seconds(nodes: list[int]) -> float:
    """Return the processor time of the servers with these process ids and of their children, those that ended too."""
    ticks = 0
    for node in nodes:
        ticks += sum(_stat(node)[11:15])
        for child in Path(f"/proc/{node}/task/{node}/children").read_text().split():
            with suppress(OSError):  # it has ended
                ticks += sum(_stat(child)[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int | str) -> list[int]:
    return [0, *map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1:])]
