"""The embedded Postgres: its cluster, its settings, its leftovers."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServerUnavailable
from core.launcher.embedded.binaries import PostgresBinaries, runnable_postgres
from core.launcher.embedded.home import ServerFolders
from core.launcher.embedded.service import die_with_parent, log_size, log_tail_since, start_server

DATABASE_NAME = "almanac"  # of the database and of its only user
STOP_TIMEOUT_SECONDS = 60
MIN_SHARED_MEMORY_BYTES = 256 * 1024**2

# For analytics on a small machine: a few hundred megabytes, no TCP, no wait for a compiler.
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "192MB",
    "effective_cache_size": "768MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "96MB",
    "max_wal_size": "1GB",
    "wal_compression": "pglz",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
# A crash of the machine may cost the whole cluster: for tests only.
NOT_DURABLE_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
}


@dataclass
class PostgresService:
    home: ServerFolders
    pg_bin_dir: str
    durable: bool

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for clients to leave

    def start(self) -> subprocess.Popen[bytes]:
        binaries = runnable_postgres(self.home, self.pg_bin_dir)
        self._stop_orphaned_server()
        if not self.home.cluster.exists():
            self._create_cluster(binaries)
        self._check_version(binaries)
        options = {**SETTINGS, **({} if self.durable else NOT_DURABLE_SETTINGS)}
        options["unix_socket_directories"] = str(self.home.sockets)
        options["dynamic_shared_memory_type"] = _shared_memory_type()
        command = [str(binaries.folder / "postgres"), "-D", str(self.home.cluster)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return start_server(self.home, self.name, command, self.stop_signal, binaries.environment)

    def recover(self) -> None:
        """Postgres holds the data itself: nothing can be spared."""

    def _create_cluster(self, binaries: PostgresBinaries) -> None:
        """Make it under another name and rename it, so that one that exists is always whole."""
        for half_made in self.home.root.glob("postgres.new-*"):
            shutil.rmtree(half_made)
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.home.root))
        if self.home.owner.another:
            os.chown(new, self.home.owner.uid, self.home.owner.gid)
        initdb = [
            str(binaries.folder / "initdb"),
            "-D",
            str(new),
            "-U",
            DATABASE_NAME,
            "--encoding=UTF8",
            "--no-instructions",
        ]
        # The folder of the socket is its owner's alone, so whoever reaches it may come in.
        initdb += ["--auth-local=trust", "--auth-host=reject"]
        initdb += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run([*initdb, *([] if self.durable else ["--no-sync"])], binaries)
        single = [str(binaries.folder / "postgres"), "--single", "-D", str(new), "postgres"]
        self._run(single, binaries, f"CREATE DATABASE {DATABASE_NAME}\n")
        new.rename(self.home.cluster)

    def _run(self, command: list[str], binaries: PostgresBinaries, text: str = "") -> None:
        before = log_size(self.home, self.name)
        with self.home.log(self.name).open("ab") as log:
            done = subprocess.run(
                command,
                input=text.encode(),
                stdout=log,
                stderr=log,
                cwd="/",
                env=binaries.environment,
                check=False,
                preexec_fn=die_with_parent(signal.SIGKILL),  # safe: one thread
                **self.home.owner.subprocess_arguments(),
            )
        if done.returncode:
            raise ServerUnavailable(
                f"Postgres could not make its cluster: {log_tail_since(self.home, self.name, before)}"
            )

    def _check_version(self, binaries: PostgresBinaries) -> None:
        made_by = (self.home.cluster / "PG_VERSION").read_text().strip()
        version = binaries.version(**self.home.owner.subprocess_arguments())
        if made_by != str(version):
            raise ServerUnavailable(
                f"{self.home.cluster} was made by Postgres {made_by} and cannot be opened by {version}; "
                f"set PG_BIN_DIR to a Postgres {made_by}"
            )

    def _stop_orphaned_server(self) -> None:
        """Stop a server whose supervisor was killed, and clear the names of other processes from the lock files.

        Process numbers are reused, in a container after each of its starts, and a killed process may stay listed
        until its parent looks; Postgres refuses to start while its user has any process of the number in such a file.
        """
        lock_file = self.home.cluster / "postmaster.pid"
        pid = _read_pid(lock_file)
        until = time.monotonic() + STOP_TIMEOUT_SECONDS
        while pid and _is_postmaster(pid, self.home.cluster):
            os.kill(pid, self.stop_signal)
            if time.monotonic() > until:
                raise ServerUnavailable(f"An earlier Postgres, process {pid}, does not stop")
            time.sleep(0.05)
        if pid and _is_alive(pid):
            lock_file.unlink(missing_ok=True)
        for of_socket in self.home.sockets.glob("*.lock"):
            of_socket.unlink()


def _shared_memory_type() -> str:
    """Containers often have a /dev/shm too small for parallel queries."""
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108
    except OSError:
        return "posix"
    return "posix" if found.f_frsize * found.f_bavail >= MIN_SHARED_MEMORY_BYTES else "mmap"


def _read_pid(lock_file: Path) -> int | None:
    try:
        return int(lock_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_postmaster(pid: int, cluster: Path) -> bool:
    """Tell whether *pid* is a Postgres on this very cluster, by the command it was started with."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        if Path("/proc/self").exists():
            return False
        ps = subprocess.run(["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False)
        return f" -D {cluster} ".encode() in ps.stdout
    return b"-D" in command and os.fsencode(cluster) in command
