"""The embedded Postgres: create its cluster, start it, clean up after a killed one."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServerUnavailable
from core.launcher.embedded.binaries import BUILTIN_LOCALE_VERSION, PostgresBinaries, runnable_postgres
from core.launcher.embedded.server_folders import ServerFolders
from core.launcher.embedded.service import die_with_parent, log_size, log_tail_since, start_server

DATABASE_NAME = "almanac"  # name of the database and of its only user
STOP_TIMEOUT_SECONDS = 60
MIN_SHARED_MEMORY_BYTES = 256 * 1024**2

# For analytics on a small machine: a few hundred megabytes, no TCP, no JIT compilation.
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
# A crash of the machine can corrupt the whole cluster: for tests only.
NOT_DURABLE_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
}


@dataclass
class PostgresService:
    folders: ServerFolders
    pg_bin_dir: str
    durable: bool

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast" shutdown: SIGTERM would wait for clients to disconnect

    def start(self) -> subprocess.Popen[bytes]:
        binaries = runnable_postgres(self.folders, self.pg_bin_dir)
        self._stop_orphaned_server()
        if not self.folders.cluster.exists():
            self._create_cluster(binaries)
        self._check_version(binaries)
        options = {**SETTINGS, **({} if self.durable else NOT_DURABLE_SETTINGS)}
        options["unix_socket_directories"] = str(self.folders.sockets)
        options["dynamic_shared_memory_type"] = _shared_memory_type()
        command = [str(binaries.folder / "postgres"), "-D", str(self.folders.cluster)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return start_server(self.folders, self.name, command, self.stop_signal, binaries.environment)

    def recover(self) -> None:
        """Do nothing: no file of the cluster may be removed."""

    def _create_cluster(self, binaries: PostgresBinaries) -> None:
        """Create the cluster under a temporary name and rename it, so that an existing one is always complete."""
        for incomplete in self.folders.root.glob("postgres.new-*"):
            shutil.rmtree(incomplete)
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.folders.root))
        if self.folders.user.is_other_user:
            os.chown(new, self.folders.user.uid, self.folders.user.gid)
        initdb = [
            str(binaries.folder / "initdb"),
            "-D",
            str(new),
            "-U",
            DATABASE_NAME,
            "--encoding=UTF8",
            "--no-instructions",
        ]
        # Only the owner can enter the folder of the socket, so every local connection is trusted.
        initdb += ["--auth-local=trust", "--auth-host=reject"]
        if (binaries.version(**self.folders.user.subprocess_arguments()) or 0) >= BUILTIN_LOCALE_VERSION:
            initdb += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            initdb += ["--locale=C.UTF-8"]
        self._run_as_server_user([*initdb, *([] if self.durable else ["--no-sync"])], binaries)
        single = [str(binaries.folder / "postgres"), "--single", "-D", str(new), "postgres"]
        self._run_as_server_user(single, binaries, f"CREATE DATABASE {DATABASE_NAME}\n")
        new.rename(self.folders.cluster)

    def _run_as_server_user(self, command: list[str], binaries: PostgresBinaries, text: str = "") -> None:
        before = log_size(self.folders, self.name)
        with self.folders.log(self.name).open("ab") as log:
            completed = subprocess.run(
                command,
                input=text.encode(),
                stdout=log,
                stderr=log,
                cwd="/",
                env=binaries.environment,
                check=False,
                preexec_fn=die_with_parent(signal.SIGKILL),  # safe: one thread
                **self.folders.user.subprocess_arguments(),
            )
        if completed.returncode:
            raise ServerUnavailable(
                f"Postgres could not create its cluster: {log_tail_since(self.folders, self.name, before)}"
            )

    def _check_version(self, binaries: PostgresBinaries) -> None:
        created_by = (self.folders.cluster / "PG_VERSION").read_text().strip()
        version = binaries.version(**self.folders.user.subprocess_arguments())
        if created_by != str(version):
            raise ServerUnavailable(
                f"{self.folders.cluster} was created by Postgres {created_by} and cannot be opened by {version}; "
                f"set PG_BIN_DIR to a Postgres {created_by}"
            )

    def _stop_orphaned_server(self) -> None:
        """Stop a server whose supervisor was killed, and remove lock files that name other processes.

        PIDs are reused, in a container after every start, and a killed process stays a zombie until its parent waits
        for it; Postgres refuses to start while its user has any process with the PID in a lock file.
        """
        lock_file = self.folders.cluster / "postmaster.pid"
        pid = _read_pid(lock_file)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while pid and _is_postmaster(pid, self.folders.cluster):
            os.kill(pid, self.stop_signal)
            if time.monotonic() > deadline:
                raise ServerUnavailable(f"An orphaned Postgres, process {pid}, does not stop")
            time.sleep(0.05)
        if pid and _is_alive(pid):
            lock_file.unlink(missing_ok=True)
        for socket_lock in self.folders.sockets.glob("*.lock"):
            socket_lock.unlink()


def _shared_memory_type() -> str:
    """Return mmap where /dev/shm is too small for parallel queries, as in many containers."""
    try:
        stats = os.statvfs("/dev/shm")  # noqa: S108
    except OSError:
        return "posix"
    return "posix" if stats.f_frsize * stats.f_bavail >= MIN_SHARED_MEMORY_BYTES else "mmap"


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
    """Return whether *pid* is a Postgres on this cluster, according to its command line."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        if Path("/proc/self").exists():
            return False
        ps = subprocess.run(["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False)
        return f" -D {cluster} ".encode() in ps.stdout
    return b"-D" in command and os.fsencode(cluster) in command
