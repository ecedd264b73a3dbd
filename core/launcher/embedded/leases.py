"""A client's side: hold a shared lock on each server one needs, and see to it that a supervisor runs."""

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
from core.launcher.embedded.home import ServerFolders, find_server_folders

PROJECT_ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT_SECONDS = 90  # recovery after a crash of the machine takes its time
POLL_SECONDS = 0.03
MAX_SUPERVISORS = 5


@dataclass
class Servers:
    """The servers one leased, and where they answer; a URL is empty when its server was left out."""

    database_url: str
    redis_url: str
    _folders: ServerFolders = field(repr=False)
    _pg_bin_dir: str = field(repr=False)
    _durable: bool = field(repr=False)
    _locks: list[int] = field(repr=False, default_factory=list)

    @classmethod
    def lease(cls, data_dir: Path, *, pg_bin_dir: str, durable: bool, postgres: bool, redis: bool) -> "Servers":
        servers = cls.at(data_dir, pg_bin_dir=pg_bin_dir, durable=durable, postgres=postgres, redis=redis)
        try:
            servers.hold()
        except BaseException:
            servers.release()
            raise
        return servers

    @classmethod
    def at(cls, data_dir: Path, *, pg_bin_dir: str, durable: bool, postgres: bool, redis: bool) -> "Servers":
        """Say where the servers will answer, without starting them: the addresses follow from *data_dir*."""
        try:
            home = find_server_folders(data_dir)
        except OSError as error:
            raise ServerUnavailable(f"DATA_DIR cannot be {data_dir}: {error}") from error
        return cls(
            _database_url(home) if postgres else "",
            f"unix://{quote(str(home.sockets / kv.SOCKET_NAME))}" if redis else "",
            home,
            pg_bin_dir,
            durable,
        )

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def hold(self) -> None:
        """Take the leases, where they are not held yet, and return when each server answers.

        Calling it again starts servers whose supervisor was killed.
        """
        started = time.time_ns()
        until = time.monotonic() + START_TIMEOUT_SECONDS
        wanted = [name for name, url in (("postgres", self.database_url), ("valkey", self.redis_url)) if url]
        if not self._locks:
            self._locks = [_acquire_shared_lock(self._folders.files / f"{name}.lease", until) for name in wanted]
        supervisors = 0
        while unready := self._unready_servers(wanted):
            supervisors += self._start_supervisor()
            self._raise_failure(unready, started)
            if time.monotonic() > until or supervisors > MAX_SUPERVISORS:
                raise ServerUnavailable(f"{unready[0]} does not start; see the logs in {self._folders.files}")
            time.sleep(POLL_SECONDS)

    def is_supervised(self) -> bool:
        """Tell whether somebody looks after the servers; false after a kill of the supervisor."""
        return not _is_lockable(self._folders.files / "supervisor.lock", fcntl.LOCK_SH)

    def release(self, *, wait_seconds: float = 0) -> None:
        """Give the leases back; wait until the servers have stopped, unless somebody else still leases one."""
        while self._locks:
            os.close(self._locks.pop())
        until = time.monotonic() + wait_seconds
        while time.monotonic() < until and self.is_supervised() and not self._is_leased_by_others():
            time.sleep(POLL_SECONDS)

    def _unready_servers(self, wanted: list[str]) -> list[str]:
        """Name the servers that do not answer yet. One whose supervisor was killed may answer a last time."""
        if not self.is_supervised():
            return wanted
        return [name for name in wanted if not (self._folders.running(name).exists() and self._is_responding(name))]

    def _is_responding(self, name: str) -> bool:
        """Connect for real: process numbers and socket files outlive their processes."""
        if not self._folders.owner.owns_privately(self._folders.sockets):
            return False
        if name == "valkey":
            return kv.send_command(self._folders.sockets / kv.SOCKET_NAME, b"PING\r\n").startswith(b"+PONG")
        import psycopg  # noqa: PLC0415 - the supervisor reads this package and never connects

        try:
            psycopg.connect(self.database_url.replace("+psycopg", ""), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _start_supervisor(self) -> bool:
        """Start a supervisor unless there is one; exactly one of many callers gets the lock that it inherits."""
        lock = _try_lock(self._folders.files / "supervisor.lock", fcntl.LOCK_EX)
        if lock is None:
            return False
        for mark in self._folders.files.glob("*.running"):
            mark.unlink()
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
                fresh = failure.stat().st_mtime_ns >= started_ns
                reason = failure.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            if fresh and reason:
                raise ServerUnavailable(reason)

    def _is_leased_by_others(self) -> bool:
        """A lease can be shared but not taken alone while another client has it; while the servers stop, neither."""
        leases = self._folders.files.glob("*.lease")
        return any(_is_lockable(one, fcntl.LOCK_SH) and not _is_lockable(one, fcntl.LOCK_EX) for one in leases)


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))


def _database_url(home: ServerFolders) -> str:
    # The port is said because a PGPORT in the environment would win otherwise.
    return f"postgresql+psycopg://{pg.DATABASE_NAME}@/{pg.DATABASE_NAME}?host={quote(str(home.sockets))}&port=5432"


def _open_lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServerUnavailable(f"DATA_DIR cannot be used: {error}") from error


def _acquire_shared_lock(path: Path, until: float) -> int:
    """Take a shared lock; the kernel gives it back however this process ends."""
    while (descriptor := _try_lock(path, fcntl.LOCK_SH)) is None:
        # The supervisor is just stopping this server; another one starts it again.
        if time.monotonic() > until:
            raise ServerUnavailable(f"{path.stem} is stopping and does not end")
        time.sleep(POLL_SECONDS)
    return descriptor


def _try_lock(path: Path, how: int) -> int | None:
    """Take a lock without waiting; None while another process holds one that excludes it."""
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
