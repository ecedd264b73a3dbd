"""Supervisor process of the embedded servers: start leased ones, restart exited ones, stop unused ones.

It is detached from the client that started it and holds `supervisor.lock`, inherited from that client, until it exits.
Run as `python -m core.launcher.embedded.supervisor LOCK DATA_DIR durable|fast PG_BIN_DIR`. Must stay single-threaded:
the kernel stops the servers when the thread that started them ends.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import ServerUnavailable
from core.launcher.embedded.postgres import PostgresService
from core.launcher.embedded.server_folders import ServerFolders, find_server_folders
from core.launcher.embedded.service import Service, log_size, log_tail_since
from core.launcher.embedded.valkey import ValkeyService

POLL_SECONDS = 0.1
IDLE_GRACE_SECONDS = 1.0
MIN_UPTIME_SECONDS = 3.0  # a server that exits sooner counts as not started
FAILURES_BEFORE_REPORT = 3  # files and sockets of a killed server may block the first attempts
MAX_RETRY_DELAY_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 60
MAX_LOG_BYTES = 10 * 1024**2


@dataclass
class SupervisedServer:
    """One server with its lease, from the first client to the last."""

    service: Service
    folders: ServerFolders
    lease_descriptor: int = field(init=False)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    log_offset: int = 0
    idle_since: float | None = None
    retry_at: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        path = self.folders.files / f"{self.service.name}.lease"
        self.lease_descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def step(self, now: float) -> bool:
        """Start, restart or stop the server as needed; return False once it is stopped and unused."""
        self._handle_exit(now)
        if self._try_exclusive_lease():
            return self._stop_after_grace(now)
        self.idle_since = None
        if self.process is None and now >= self.retry_at:
            self._start(now)
        return True

    def stop(self) -> None:
        """Send the stop signal; `wait` waits for the exit."""
        self._running_file.unlink(missing_ok=True)
        if self.process:
            self.process.send_signal(self.service.stop_signal)

    @property
    def _running_file(self) -> Path:
        return self.folders.running(self.service.name)

    def wait(self) -> None:
        if not self.process:
            return
        # Immediate shutdown for Postgres: it recovers at the next start. Valkey may ignore it, as its parents did.
        if not self._ends_in_time():
            self.process.send_signal(signal.SIGQUIT)
        if not self._ends_in_time():
            self.process.kill()
            self.process.wait()
        self.process = None

    def _ends_in_time(self) -> bool:
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT_SECONDS)
        return self.process.returncode is not None

    def _try_exclusive_lease(self) -> bool:
        """Lock the lease exclusively, which succeeds only while no client holds it."""
        try:
            fcntl.flock(self.lease_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _stop_after_grace(self, now: float) -> bool:
        """Stop the server after the grace period, holding the lease so that no client connects meanwhile."""
        self.idle_since = self.idle_since or now
        has_grace_ended = now - self.idle_since >= IDLE_GRACE_SECONDS
        if self.process and has_grace_ended:
            self.stop()
            self.wait()
        fcntl.flock(self.lease_descriptor, fcntl.LOCK_UN)
        return not has_grace_ended

    def _start(self, now: float) -> None:
        _rotate_log(self.folders.log(self.service.name))
        self.log_offset = log_size(self.folders, self.service.name)
        try:
            self.folders.user.make_private_folder(self.folders.sockets)
            self.process = self.service.start()
        except (ServerUnavailable, OSError) as error:
            self._record_failure(now, str(error), is_permanent=True)
        else:
            self._running_file.touch()
        self.started_at = time.monotonic()

    def _handle_exit(self, now: float) -> None:
        if self.process is None or self.process.poll() is None:
            if self.process and self.failures and now - self.started_at > MIN_UPTIME_SECONDS:
                self.failures = 0
                self.folders.failure_file(self.service.name).unlink(missing_ok=True)
            return
        was_short = now - self.started_at < MIN_UPTIME_SECONDS
        print(f"{self.service.name} exited with code {self.process.returncode}", file=sys.stderr)  # noqa: T201
        self.process = None
        self._running_file.unlink(missing_ok=True)
        if was_short:
            self.service.recover()
            log_tail = log_tail_since(self.folders, self.service.name, self.log_offset)
            self._record_failure(now, f"{self.service.name} does not start: {log_tail}")

    def _record_failure(self, now: float, reason: str, *, is_permanent: bool = False) -> None:
        """Retry with exponential backoff; write the reason for waiting clients, at once if *is_permanent*."""
        self.failures += 1
        self.retry_at = now + min(0.2 * 2**self.failures, MAX_RETRY_DELAY_SECONDS)
        if is_permanent or self.failures >= FAILURES_BEFORE_REPORT:
            self.folders.failure_file(self.service.name).write_text(reason, encoding="utf-8")


def _rotate_log(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


def supervise(servers: list[SupervisedServer]) -> None:
    """Run the servers until no client leases one, or until SIGTERM."""
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    try:
        is_in_use = True
        while is_in_use and not received:
            is_in_use = sum(server.step(time.monotonic()) for server in servers) > 0  # any() would skip servers
            time.sleep(POLL_SECONDS)
    finally:
        for server in servers:
            server.stop()
        for server in servers:
            server.wait()
            # One under /tmp would stay there forever.
            with suppress(OSError):
                server.folders.sockets.rmdir()


def detach() -> None:
    """Detach from the client: from its terminal, process group and children."""
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main(_lock: str, data_dir: str, durable: str, pg_bin_dir: str) -> None:
    detach()
    folders = find_server_folders(Path(data_dir))
    is_durable = durable == "durable"
    # Valkey first: it runs while Postgres is still creating its cluster.
    supervise(
        [
            SupervisedServer(ValkeyService(folders, is_durable), folders),
            SupervisedServer(PostgresService(folders, pg_bin_dir, is_durable), folders),
        ]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
