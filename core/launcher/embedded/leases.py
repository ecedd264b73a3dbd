"""Client side of the embedded servers: hold a shared lock on each server in use, and start a supervisor."""

import fcntl
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from core.errors import ServerUnavailable
from core.launcher.embedded import postgres as pg
from core.launcher.embedded import valkey as kv
from core.launcher.embedded.server_folders import ServerFolders, find_server_folders

PROJECT_ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT_SECONDS = 90  # Postgres may have to recover from a crash
POLL_SECONDS = 0.03
MAX_SUPERVISORS = 5


@dataclass
class Servers:
    """Leased servers with their URLs; the URL of an omitted server is empty."""

    database_url: str
    redis_url: str
    _folders: ServerFolders = field(repr=False)
    _pg_bin_dir: str = field(repr=False)
    _durable: bool = field(repr=False)
    _locks: list[int] = field(repr=False, default_factory=list)

    @classmethod
    def lease(cls, data_dir: Path, *, pg_bin_dir: str, durable: bool, postgres: bool, redis: bool) -> "Servers":
        servers = cls.for_data_dir(data_dir, pg_bin_dir=pg_bin_dir, durable=durable, postgres=postgres, redis=redis)
        try:
            servers.acquire()
        except BaseException:
            servers.release()
            raise
        return servers

    @classmethod
    def for_data_dir(cls, data_dir: Path, *, pg_bin_dir: str, durable: bool, postgres: bool, redis: bool) -> "Servers":
        """Create the object without starting the servers: the URLs follow from *data_dir*."""
        try:
            folders = find_server_folders(data_dir)
        except OSError as error:
            raise ServerUnavailable(f"DATA_DIR {data_dir} cannot be used: {error}") from error
        return cls(
            _database_url(folders) if postgres else "",
            f"unix://{quote(str(folders.sockets / kv.SOCKET_NAME))}" if redis else "",
            folders,
            pg_bin_dir,
            durable,
        )

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Acquire the leases, unless already held, and return when each server responds.

        Calling it again restarts servers whose supervisor was killed. Raises ServerUnavailable.
        """
        started_at = time.time_ns()
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        names = [name for name, url in (("postgres", self.database_url), ("valkey", self.redis_url)) if url]
        if not self._locks:
            self._locks = [_acquire_shared_lock(self._folders.files / f"{name}.lease", deadline) for name in names]
        supervisors = 0
        while unready := self._unready_servers(names):
            supervisors += self._start_supervisor()
            self._raise_failure(unready, started_at)
            if time.monotonic() > deadline or supervisors > MAX_SUPERVISORS:
                raise ServerUnavailable(f"{unready[0]} does not start; see the logs in {self._folders.files}")
            time.sleep(POLL_SECONDS)

    @property
    def data_root(self) -> Path:
        """The folder that holds the servers' data."""
        return self._folders.root

    @property
    def is_data_elsewhere(self) -> bool:
        """Whether the data lies outside the data directory, because the servers' user cannot enter that."""
        return self._folders.is_elsewhere

    def is_supervised(self) -> bool:
        """Return whether a supervisor is running; False after it was killed."""
        return not _is_lockable(self._folders.files / "supervisor.lock", fcntl.LOCK_SH)

    def release(self, *, wait_seconds: float = 0) -> None:
        """Release the leases; wait up to *wait_seconds* for the servers to stop, unless another process leases one."""
        while self._locks:
            os.close(self._locks.pop())
        deadline = time.monotonic() + wait_seconds
        was_leased = False
        while time.monotonic() < deadline and self.is_supervised():
            is_leased = self._is_leased_by_others()
            if is_leased and was_leased:
                return
            was_leased = is_leased
            time.sleep(POLL_SECONDS)

    def _unready_servers(self, names: list[str]) -> list[str]:
        """Return the servers that do not respond yet: all without a supervisor, since they may be stopping."""
        if not self.is_supervised():
            return names
        return [name for name in names if not (self._folders.running(name).exists() and self._is_responding(name))]

    def _is_responding(self, name: str) -> bool:
        """Return whether a connection succeeds: PID and socket files outlive their processes."""
        if not self._folders.user.owns_privately(self._folders.sockets):
            return False
        if name == "valkey":
            return kv.send_command(self._folders.sockets / kv.SOCKET_NAME, b"PING\r\n").startswith(b"+PONG")
        import psycopg  # noqa: PLC0415 - the supervisor imports this package and never connects

        try:
            psycopg.connect(self.database_url.replace("+psycopg", ""), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _start_supervisor(self) -> bool:
        """Start a supervisor unless one runs; one caller gets the lock, and the supervisor inherits it."""
        lock = _try_lock(self._folders.files / "supervisor.lock", fcntl.LOCK_EX)
        if lock is None:
            return False
        for running_file in self._folders.files.glob("*.running"):
            running_file.unlink()
        try:
            with self._folders.log("supervisor").open("ab") as log:
                subprocess.run(
                    self._supervisor_command(lock),
                    pass_fds=[lock],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONPATH": _python_path()},
                    cwd="/",
                    check=True,
                )
        except (OSError, subprocess.CalledProcessError) as error:
            raise ServerUnavailable(f"The embedded servers cannot be started: {error}") from error
        finally:
            os.close(lock)
        return True

    def _supervisor_command(self, lock: int) -> list[str]:
        data_dir = str(self._folders.files.parent)
        durable = "durable" if self._durable else "fast"
        return [
            sys.executable,
            "-m",
            "core.launcher.embedded.supervisor",
            str(lock),
            data_dir,
            durable,
            self._pg_bin_dir,
        ]

    def _raise_failure(self, names: list[str], started_ns: int) -> None:
        for name in names:
            failure = self._folders.failure_file(name)
            try:
                is_recent = failure.stat().st_mtime_ns >= started_ns
                reason = failure.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            if is_recent and reason:
                raise ServerUnavailable(reason)

    def _is_leased_by_others(self) -> bool:
        """Return whether another client holds a lease: it can be locked shared but not exclusively.

        A supervisor that locks the lease between the two tries gives the same result, but not twice in a row.
        """
        leases = self._folders.files.glob("*.lease")
        return any(_is_lockable(lease, fcntl.LOCK_SH) and not _is_lockable(lease, fcntl.LOCK_EX) for lease in leases)


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))


def _database_url(folders: ServerFolders) -> str:
    # The port is explicit because PGPORT in the environment would take precedence.
    return f"postgresql+psycopg://{pg.DATABASE_NAME}@/{pg.DATABASE_NAME}?host={quote(str(folders.sockets))}&port=5432"


def _open_lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServerUnavailable(f"DATA_DIR cannot be used: {error}") from error


def _acquire_shared_lock(path: Path, deadline: float) -> int:
    """Acquire a shared lock; the kernel releases it however this process ends. Raises ServerUnavailable."""
    while (descriptor := _try_lock(path, fcntl.LOCK_SH)) is None:
        # The supervisor is stopping this server; the next one starts it again.
        if time.monotonic() > deadline:
            raise ServerUnavailable(f"{path.stem} is stopping, but does not exit")
        time.sleep(POLL_SECONDS)
    return descriptor


def _try_lock(path: Path, how: int) -> int | None:
    """Acquire a lock (LOCK_SH or LOCK_EX) without waiting; None while another process holds a conflicting one."""
    descriptor = _open_lock_file(path)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is_lockable(path: Path, how: int) -> bool:
    descriptor = _try_lock(path, how)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None
