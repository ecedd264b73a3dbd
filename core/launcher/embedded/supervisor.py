"""The process that owns the embedded servers: starts what is leased, starts again what died, stops what nobody needs.

It is detached from the client that started it and holds `supervisor.lock`, inherited from that client, all its life.
Run as `python -m core.launcher.embedded.supervisor LOCK DATA_DIR durable|fast PG_BIN_DIR`. It must keep to one thread:
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
from core.launcher.embedded.home import ServerFolders, find_server_folders
from core.launcher.embedded.postgres import PostgresService
from core.launcher.embedded.service import Service, log_size, log_tail_since
from core.launcher.embedded.valkey import ValkeyService

POLL_SECONDS = 0.1
IDLE_GRACE_SECONDS = 1.0
MIN_UPTIME_SECONDS = 3.0  # a server that ends sooner than this after its start did not start
FAILURES_BEFORE_REPORT = 3  # what a killed server leaves behind needs a moment to go away
MAX_RETRY_DELAY_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 60
MAX_LOG_BYTES = 10 * 1024**2


@dataclass
class SupervisedServer:
    """One server, from its first lease to its last."""

    service: Service
    home: ServerFolders
    lease: int = field(init=False)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    log_offset: int = 0
    idle_since: float | None = None
    retry_at: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        path = self.home.files / f"{self.service.name}.lease"
        self.lease = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def step(self, now: float) -> bool:
        """Do what is due; return whether there is still something to look after."""
        self._handle_exit(now)
        if self._try_exclusive_lease():
            return self._stop_after_grace(now)
        self.idle_since = None
        if self.process is None and now >= self.retry_at:
            self._start(now)
        return True

    def stop(self) -> None:
        """Ask the server to stop; `wait` sees it end."""
        self._running_file.unlink(missing_ok=True)
        if self.process:
            self.process.send_signal(self.service.stop_signal)

    @property
    def _running_file(self) -> Path:
        return self.home.running(self.service.name)

    def wait(self) -> None:
        if not self.process:
            return
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            # Immediate shutdown for Postgres: its log is replayed at the next start.
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        self.process = None

    def _try_exclusive_lease(self) -> bool:
        """Take the lease alone, which only works while no client holds it."""
        try:
            fcntl.flock(self.lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _stop_after_grace(self, now: float) -> bool:
        """Stop the server after the grace, holding the lease so that no client comes in between."""
        self.idle_since = self.idle_since or now
        grace_is_over = now - self.idle_since >= IDLE_GRACE_SECONDS
        if self.process and grace_is_over:
            self.stop()
            self.wait()
        fcntl.flock(self.lease, fcntl.LOCK_UN)
        return not grace_is_over

    def _start(self, now: float) -> None:
        _rotate_log(self.home.log(self.service.name))
        self.log_offset = log_size(self.home, self.service.name)
        try:
            self.home.owner.make_private_folder(self.home.sockets)
            self.process = self.service.start()
        except (ServerUnavailable, OSError) as error:
            self._failed(now, str(error), certain=True)
        else:
            self._running_file.touch()
        self.started = time.monotonic()

    def _handle_exit(self, now: float) -> None:
        if self.process is None or self.process.poll() is None:
            if self.process and self.failures and now - self.started > MIN_UPTIME_SECONDS:
                self.failures = 0
                self.home.failure_file(self.service.name).unlink(missing_ok=True)
            return
        quick = now - self.started < MIN_UPTIME_SECONDS
        print(f"{self.service.name} ended with {self.process.returncode}", file=sys.stderr)  # noqa: T201
        self.process = None
        self._running_file.unlink(missing_ok=True)
        if quick:
            self.service.recover()
            said = log_tail_since(self.home, self.service.name, self.log_offset)
            self._failed(now, f"{self.service.name} does not start: {said}")

    def _failed(self, now: float, reason: str, *, certain: bool = False) -> None:
        """Try again a little later each time, and leave the reason for the clients that wait."""
        self.failures += 1
        self.retry_at = now + min(0.2 * 2**self.failures, MAX_RETRY_DELAY_SECONDS)
        if certain or self.failures >= FAILURES_BEFORE_REPORT:
            self.home.failure_file(self.service.name).write_text(reason, encoding="utf-8")


def _rotate_log(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


def supervise(watches: list[SupervisedServer]) -> None:
    """Look after the servers until nobody leases any, or until told to end."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    try:
        busy = True
        while busy and not ended:
            busy = sum(watch.step(time.monotonic()) for watch in watches) > 0
            time.sleep(POLL_SECONDS)
    finally:
        for watch in watches:
            watch.stop()
        for watch in watches:
            watch.wait()
            # One under /tmp would stay there for good.
            with suppress(OSError):
                watch.home.sockets.rmdir()


def detach() -> None:
    """Leave the client: its terminal, its process group, and its list of children."""
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main(_lock: str, data_dir: str, durable: str, pg_bin_dir: str) -> None:
    detach()
    home = find_server_folders(Path(data_dir))
    safe = durable == "durable"
    # Valkey first: it is up while Postgres still makes its cluster.
    supervise(
        [
            SupervisedServer(ValkeyService(home, safe), home),
            SupervisedServer(PostgresService(home, pg_bin_dir, safe), home),
        ]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
