"""Workers, schedulers, Postgres and Valkey are killed at random while accounts are refreshed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis, RedisError
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from core.db.migrations import upgrade
from core.launcher.embedded import Servers
from core.launcher.embedded.server_folders import find_server_folders
from ingest.sandbox import Sandbox

PROJECT = Path(__file__).resolve().parents[1]
SETTLE_SECONDS = 240
KILL_TARGETS = ["worker"] * 4 + ["scheduler"] * 2 + ["postgres", "valkey"]


@dataclass
class ChaosRun:
    """The ingestor's processes over servers of their own, and a hand that kills them, always in the same order.

    `killed` counts what was killed by name.
    """

    servers: Servers
    folder: Path
    sandbox: Sandbox
    seed: int
    schedulers: int = 2
    workers: int = 3
    processes: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    kill_counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        upgrade(self.servers.database_url)
        self.engine: Engine = create_engine(self.servers.database_url, poolclass=NullPool)
        self.rng = random.Random(self.seed)

    def begin(self) -> None:
        """Track all accounts and start the processes."""
        with self.engine.begin() as connection:
            connection.execute(
                text("INSERT INTO account (login) SELECT * FROM unnest(CAST(:logins AS text[]))"),
                {"logins": self.sandbox.world.logins()},
            )
            connection.execute(text("INSERT INTO tracked_account (account_id) SELECT id FROM account"))
        for name in ["scheduler"] * self.schedulers + ["worker"] * self.workers:
            self._start(name)

    def kill_randomly(self, seconds: float, between: float = 2.0) -> None:
        """Kill something every *between* seconds and start it again; begins when the first account is stored."""
        assert self._until(lambda: self.stored() > 0, SETTLE_SECONDS), "no account was stored"
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(between)
            name = self.rng.choice(KILL_TARGETS)
            if name in {"postgres", "valkey"}:
                self._kill_server(name)
            else:
                self._kill_process(name)
            self.kill_counts[name] = self.kill_counts.get(name, 0) + 1
            if not self.servers.is_supervised():
                self.servers.acquire()

    def settle(self, is_done: Callable[["ChaosRun"], bool]) -> bool:
        """Let what is left finish its work, as if the minute had passed after which a silent worker counts as dead."""
        for _, process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()
        self._until(lambda: self.one("SELECT 1") == 1, 20)
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"))
            # Retries wait longer each time: nobody wants to sit through that here.
            connection.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'"))
            connection.execute(text("UPDATE tracked_account SET due_at = least(due_at, now()) WHERE failures > 0"))
        self._start("scheduler")
        self._start("worker")
        return self._until(lambda: is_done(self), SETTLE_SECONDS)

    def end(self) -> None:
        """Stop what still runs, as an operator would."""
        for _, process in self.processes:
            process.send_signal(signal.SIGTERM)
        for _, process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()
        self.engine.dispose()

    def stored(self) -> int:
        return int(str(self.one("SELECT count(DISTINCT account_id) FROM capture")))

    def one(self, sql: str) -> object:
        with self.engine.begin() as connection:
            return connection.scalar(text(sql))

    def _start(self, name: str) -> None:
        given = {
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "GITHUB_API_URL": self.sandbox.url,
            "GITHUB_TOKENS": "sandbox-token-1",
            "DATA_DIR": str(self.folder),
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "ingest", name]
        process = subprocess.Popen(
            command, env={**os.environ, **given}, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append((name, process))

    def _kill_process(self, name: str) -> None:
        chosen = self.rng.choice([one for one in self.processes if one[0] == name])
        chosen[1].kill()
        chosen[1].wait()
        self.processes.remove(chosen)
        self._start(name)

    def _kill_server(self, name: str) -> None:
        if name == "valkey":
            with suppress(RedisError, ProcessLookupError):
                os.kill(int(Redis.from_url(self.servers.redis_url).info()["process_id"]), signal.SIGKILL)
            return
        with suppress(OSError, IndexError, ValueError, ProcessLookupError):
            pid = int((find_server_folders(self.folder).cluster / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(DBAPIError):
                if condition():
                    return True
            if not self.servers.is_supervised():
                self.servers.acquire()
            time.sleep(0.2)
        return False


def is_settled(storm: ChaosRun) -> bool:
    """Return whether all accounts are stored and no job is waiting or running."""
    everybody = len(storm.sandbox.world.logins())
    return (
        storm.stored() == everybody
        and storm.one("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
                      " AND task_name = 'refresh'") == 0
        and storm.one("SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL") == 0
        and storm.one("SELECT count(*) FROM ingest_run WHERE state = 'running'") == 0
    )  # fmt: skip
