"""Schedulers and workers on hosts that share Postgres and Redis, over TLS with passwords, and nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, create_engine, text

from core.budget import rate_limits
from core.clock import now_utc
from core.db.engine import create_engine_for
from core.db.migrations import upgrade
from core.queue import jobs
from core.queue.liveness import LEADER_LOCK
from ingest.sandbox import Sandbox, World, serve
from ingest.scheduler import ScheduledJobs
from tests.network_hosts import Network, network_of
from tests.tls_servers import TlsServers, tls_servers
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
TOKENS = "sandbox-token-1,sandbox-token-2,sandbox-token-3"
ROOT = Path(__file__).resolve().parents[2]
# The command line with everything that takes 20 seconds shortened to 2, so that the test need not wait as long.
QUICK_SCHEDULER = """
import sys
from core.db import libpq
quick = {"keepalives_idle": "1", "keepalives_interval": "1", "keepalives_count": "1"}
libpq.DEFAULTS |= quick | {"tcp_user_timeout": "2000"}
libpq.SERVER_SETTINGS |= {f"tcp_{name}": value for name, value in quick.items()} | {"tcp_user_timeout": "2000"}
from ingest import __main__, scheduler
scheduler.ELECTION_INTERVAL_SECONDS = 0.5
sys.argv = ["ingest", "scheduler"]
__main__.main()
"""


@dataclass
class Hosts:
    """Three hosts, the servers on this machine, and what runs."""

    network: Network
    servers: TlsServers
    sandbox: Sandbox
    engine: Engine
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, host: int, *command: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start the Python command on that host; returns its process and its log."""
        log = self.folder / f"{len(self.running)}.log"
        given = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "GITHUB_API_URL": self.sandbox.url,
            "GITHUB_TOKENS": TOKENS,
            "DATA_DIR": str(self.folder / f"host{host}"),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.network.hosts[host].command(sys.executable, *command),
                cwd=ROOT,
                env=given,
                stdout=output,
                stderr=output,
            )
        self.running.append(process)
        return process, log

    def scalar(self, sql: str, **values: Any) -> Any:
        with self.engine.begin() as connection:
            return connection.scalar(text(sql), values)


@pytest.fixture(scope="module")
def network_and_servers() -> Iterator[tuple[Network, TlsServers]]:
    with network_of(3) as network, tls_servers(network.address) as servers:
        upgrade(servers.socket_url)
        yield network, servers


@pytest.fixture
def hosts(network_and_servers: tuple[Network, TlsServers], tmp_path: Path) -> Iterator[Hosts]:
    network, servers = network_and_servers
    world = World(accounts=60, repositories=120, biggest=20, seed=9)
    with serve(world, latency_ms=80, host=network.address) as sandbox:
        engine = create_engine_for(servers.socket_url)
        made = Hosts(network, servers, sandbox, engine, tmp_path)
        yield made
        for process in made.running:
            process.kill()
            process.wait()
        engine.dispose()


LEADER_SQL = """
    SELECT host(client_addr) FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = :lock
"""


def test_a_standby_on_another_host_leads_when_the_leaders_network_is_gone(hosts: Hosts) -> None:
    """Nobody tells Postgres that the leader is gone; when its network is back, the old leader stands by."""

    def leader() -> str | None:
        found: str | None = hosts.scalar(LEADER_SQL, lock=LEADER_LOCK)
        return found

    prefix = hosts.network.address.rpartition(".")[0]
    _, first = hosts.start(0, "-c", QUICK_SCHEDULER)
    wait_until(lambda: leader() == f"{prefix}.2", first)
    _, second = hosts.start(1, "-c", QUICK_SCHEDULER)
    wait_until(lambda: "scheduler on standby" in second.read_text(), second)
    hosts.network.hosts[0].unplug()
    wait_until(lambda: leader() == f"{prefix}.3", first, second)
    hosts.network.hosts[0].plug_in()
    wait_until(lambda: "scheduler on standby" in first.read_text(), first, second)
    assert leader() == f"{prefix}.3"
    assert [log.read_text().count("scheduler became leader") for log in (first, second)] == [1, 1]
    assert "Traceback" not in first.read_text() + second.read_text()


def test_workers_on_three_hosts_share_a_sweep_and_one_that_is_left_finishes_it(hosts: Hosts) -> None:
    """While GitHub says to wait nobody asks, wherever the worker; two of three are killed with jobs in hand."""
    logins = hosts.sandbox.world.logins()
    queue_refresh(hosts.engine, logins)

    def stored() -> int:
        return int(hosts.scalar("SELECT count(DISTINCT account_id) FROM capture"))

    def start_worker(host: int) -> tuple[subprocess.Popen[bytes], Path]:
        return hosts.start(host, "-m", "ingest", "worker", "--concurrency", "1")

    workers = [start_worker(0)]
    wait_until(lambda: stored() > 0, workers[0][1])
    pause = hosts.sandbox.faults.pause(PAUSE_SECONDS)
    wait_until(lambda: is_paused(hosts), workers[0][1])
    arrived = len(pause.arrivals)
    workers.append(start_worker(1))
    wait_until(lambda: hosts.scalar("SELECT count(*) FROM procrastinate_workers") == 2 * len(jobs.QUEUES))
    first_two = hosts.scalar("SELECT array_agg(id) FROM procrastinate_workers")
    workers.append(start_worker(2))
    logs = [log for _, log in workers]
    wait_until(lambda: hosts.scalar(RUNNING_SQL) == len(workers) or not is_paused(hosts), *logs)
    for process, _ in workers[:2]:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: not is_paused(hosts))
    assert len(pause.arrivals) == arrived

    scheduled = ScheduledJobs(hosts.engine)

    def is_done() -> bool:
        # As if the minute had passed in which their last heartbeat counts.
        with hosts.engine.begin() as connection:
            connection.execute(text(SILENT_SQL), {"ids": first_two})
        scheduled.release_abandoned_jobs()
        return stored() == len(logins) and hosts.scalar(UNFINISHED_SQL) == 0

    wait_until(is_done, *logs)
    assert hosts.scalar("SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL") == 0
    assert hosts.scalar("SELECT count(*) FROM capture WHERE account_id IS NOT NULL") == len(logins)
    assert "Traceback" not in "".join(log.read_text() for log in logs)


PAUSE_SECONDS = 6
RUNNING_SQL = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'"
SILENT_SQL = "UPDATE procrastinate_workers SET last_heartbeat = '-infinity' WHERE id = ANY(:ids)"
UNFINISHED_SQL = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"


def queue_refresh(engine: Engine, logins: list[str]) -> None:
    with engine.begin() as connection:
        sql = "INSERT INTO account (login) SELECT unnest(CAST(:logins AS text[])) RETURNING id"
        ids = list(connection.scalars(text(sql), {"logins": logins}))
        connection.execute(
            text("INSERT INTO tracked_account (account_id) SELECT unnest(CAST(:ids AS bigint[]))"), {"ids": ids}
        )
        jobs.defer_refresh(connection, ids, jobs.JobOrigin("schedule"), now_utc(), batch_size=6)


def is_paused(hosts: Hosts) -> bool:
    with Redis.from_url(hosts.servers.redis_url) as redis:
        return rate_limits.load_rate_budget(redis, hosts.sandbox.url, now_utc()).paused_until is not None


@pytest.mark.parametrize("tampering", ["without the authority", "with another password"])
def test_servers_that_are_not_the_trusted_ones_are_refused(hosts: Hosts, tampering: str) -> None:
    """The checks of a server's certificate and of passwords are real ones."""
    database, redis = hosts.servers.database_url, hosts.servers.redis_url
    if tampering == "without the authority":
        database, redis = database.replace(str(hosts.servers.authority), "/etc/hostname"), redis.partition("?")[0]
    else:
        database, redis = database.replace("%40ss", "x"), redis.replace("%40ss", "x")
    with pytest.raises(Exception, match=r"certificate|password"):
        create_engine(database.replace("postgresql", "postgresql+psycopg", 1)).connect()
    with pytest.raises(Exception, match=r"CERTIFICATE_VERIFY_FAILED|password|AUTH"):
        Redis.from_url(redis, retry=None).ping()
