"""A primary Postgres and its streaming replica, on sockets of their own."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from core.launcher.embedded import lease
from core.launcher.embedded.binaries import runnable_postgres
from core.launcher.embedded.postgres import NOT_DURABLE_SETTINGS
from core.launcher.embedded.server_folders import find_server_folders

START_SECONDS = 60


@dataclass
class Replica:
    """The replica; `pause` holds its replay, `kill` ends it at once, `start` starts it again."""

    primary_url: str
    cluster: Path
    sockets: Path
    command: list[str]
    options: dict[str, object]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"postgresql://almanac@/almanac?host={quote(str(self.sockets))}"

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, **self.options)  # type: ignore[call-overload]
        until = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self.process is not None
            assert self.process.poll() is None, "the replica ended"
            assert time.monotonic() < until, "the replica does not accept connections"
            time.sleep(0.05)

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None

    def execute(self, sql: str) -> object:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchone() if cursor.description else None

    def pause(self) -> None:
        self.execute("SELECT pg_wal_replay_pause()")

    def resume(self) -> None:
        self.execute("SELECT pg_wal_replay_resume()")

    def _is_ready(self) -> bool:
        try:
            return bool(self.execute("SELECT pg_is_in_recovery()"))
        except psycopg.OperationalError:
            return False


@contextmanager
def streaming_replica() -> Iterator[Replica]:
    """Start a primary without the schema, and a replica of it; both end with the block."""
    folder = Path(tempfile.mkdtemp(prefix="almanac-replica-", dir="/tmp"))
    # As root the servers run as another user, who has to pass.
    folder.chmod(0o711)
    servers = lease(folder / "primary", durable=False, redis=False)
    try:
        replica = _prepare(servers.database_url.replace("+psycopg", ""), folder)
        replica.start()
        try:
            yield replica
        finally:
            replica.kill()
    finally:
        servers.release(wait_seconds=60)
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(primary_url: str, folder: Path) -> Replica:
    folders = find_server_folders(folder / "primary")
    binaries = runnable_postgres(folders, "")
    cluster, sockets = folder / "replica", folder / "sockets"
    for made in (cluster, sockets):
        folders.user.make_private_folder(made)
    options: dict[str, object] = {
        "cwd": "/",
        "env": binaries.environment,
        "umask": 0o077,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        **folders.user.subprocess_arguments(),
    }
    copy = [str(binaries.folder / "pg_basebackup"), "-h", str(folders.sockets), "-U", "almanac", "-D", str(cluster)]
    subprocess.run([*copy, "-R", "--checkpoint=fast", "--no-sync"], check=True, **options)  # type: ignore[call-overload]
    settings = {
        **NOT_DURABLE_SETTINGS,
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "wal_retrieve_retry_interval": "100ms",
    }
    command = [str(binaries.folder / "postgres"), "-D", str(cluster)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return Replica(primary_url, cluster, sockets, command, options)
