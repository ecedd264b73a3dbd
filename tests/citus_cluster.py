"""A Citus cluster for tests: one that `CITUS_URL` names, or a coordinator and two worker nodes of our own."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from core.db.migrations import distribute_if_needed, upgrade
from core.db.schema import metadata
from core.launcher.embedded.postgres import NOT_DURABLE_SETTINGS, SETTINGS
from core.launcher.embedded.server_folders import find_server_folders

START_SECONDS = 60
WORKERS = 2
ROLE = "almanac"
# As the embedded Postgres has them; time zone and `jit` are those of a new installation, which the product sets.
PLANNER_SETTINGS = ("work_mem", "effective_cache_size", "random_page_cost", "maintenance_work_mem", "max_wal_size")
# Deletes again while a node that is being stopped still makes files.
STOP_NODES_AT_END_OF_INPUT = """
    cat > /dev/null
    for pid in $(head -qn 1 "$1"/*/cluster/postmaster.pid 2> /dev/null); do kill -QUIT "$pid" 2> /dev/null; done
    for second in $(seq 60); do rm -rf "$1" 2> /dev/null && break; sleep 1; done
"""


@dataclass
class Node:
    """A Postgres with Citus on a port of its own; `stop` ends it at once, `start` starts it again."""

    port: int
    command: list[str]
    options: dict[str, object]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, database: str = ROLE) -> str:
        return f"postgresql://{ROLE}@{self.name}/{database}"

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, **self.options)  # type: ignore[call-overload]
        until = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self.process.poll() is None, "a node ended"
            assert time.monotonic() < until, "a node does not accept connections"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None

    def kill(self) -> None:
        """End its processes as a lost machine would, whatever they are doing."""
        if self.process:
            pid = self.process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            self.process.kill()
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            # What one of them still holds of the memory they share would keep the node from starting.
            until = time.monotonic() + START_SECONDS
            while not all(map(_has_ended, children)):
                assert time.monotonic() < until, "a process of a node does not end"
                time.sleep(0.05)
            self.process.wait()
            self.process = None

    def prepared_transactions(self) -> int:
        """Count the transactions that wait for the second phase of their commit."""
        with psycopg.connect(self.url("postgres")) as connection:
            return len(connection.execute("SELECT gid FROM pg_prepared_xacts").fetchall())

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


@dataclass
class CitusCluster:
    """The coordinator's URL; *nodes*, the coordinator first, where they are our own."""

    url: str
    nodes: list[Node] = field(default_factory=list)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


# What the migration puts into an empty database.
SEEDED_TABLES = ("source", "alert_rule")


def delete_all_rows(url: str) -> None:
    """Make the migrated database at *url* what it was when new; its numbers go on."""
    tables = [table.name for table in reversed(metadata.sorted_tables) if table.name not in SEEDED_TABLES]
    with psycopg.connect(url, autocommit=True) as connection:
        for table in tables:
            connection.execute(f"DELETE FROM {table}".encode())
        connection.execute("DELETE FROM source WHERE id <> 1")
        connection.execute("UPDATE source SET closed_until = NULL, closing_until = NULL, last_month = NULL")
        connection.execute("DELETE FROM alert_rule WHERE created_by IS NOT NULL")


def find_postgres_with_citus() -> Path | None:
    """Return the folder of the programs of a Postgres that has the extension; None without one."""
    folders = [Path(os.environ["PG_BIN_DIR"])] if os.environ.get("PG_BIN_DIR") else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "pg_config").exists() and (folder / "initdb").exists():
            found = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=True)
            if (Path(found.stdout.strip()) / "extension" / "citus.control").exists():
                return folder
    return None


@contextmanager
def citus_cluster() -> Iterator[CitusCluster]:
    """Yield an empty database of a cluster; skips where there is none and none can be started."""
    if url := os.environ.get("CITUS_URL"):
        cluster = CitusCluster(url)
        _add_workers(cluster, os.environ.get("CITUS_COORDINATOR", ""), os.environ.get("CITUS_WORKERS", "").split())
        yield cluster
        return
    binaries = find_postgres_with_citus()
    if binaries is None:
        pytest.skip("Citus is not installed beside any Postgres here, and CITUS_URL names no coordinator")
    with folder_of_nodes() as folder, ExitStack() as stack:
        nodes = [stack.enter_context(running_node(binaries, folder / str(number))) for number in range(1 + WORKERS)]
        cluster = CitusCluster(nodes[0].url(), nodes)
        _add_workers(cluster, nodes[0].name, [node.name for node in nodes[1:]])
        yield cluster


@contextmanager
def folder_of_nodes() -> Iterator[Path]:
    """Yield a new folder for `running_node`; the end, even a kill, stops them and deletes it."""
    folder = Path(tempfile.mkdtemp(prefix="almanac-citus-", dir="/tmp"))
    # As root the servers run as another user, who has to pass.
    folder.chmod(0o711)
    # Its input ends with this process, however that ends.
    command = ["/bin/sh", "-c", STOP_NODES_AT_END_OF_INPUT, "sh", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd="/"):
        yield folder


@contextmanager
def migrated_cluster() -> Iterator[CitusCluster]:
    """Yield a cluster whose database is migrated and spread over its nodes."""
    with citus_cluster() as cluster:
        upgrade(cluster.url)
        distribute_if_needed(cluster.url)
        yield cluster


@contextmanager
def running_node(binaries: Path, folder: Path) -> Iterator[Node]:
    """Make a node in *folder* and yield it with an empty database that has the extension; it is stopped in the end."""
    folder.mkdir()
    folder.chmod(0o711)
    user = find_server_folders(folder / "data").user
    data = folder / "cluster"
    user.make_private_folder(data)
    options: dict[str, object] = {
        "cwd": "/",
        # Nodes are clients of each other, and must not read certificates from a home that is not theirs.
        "env": {"PATH": os.environ.get("PATH", ""), "HOME": "/"},
        "umask": 0o077,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        **user.subprocess_arguments(),
    }
    arguments = ["-A", "trust", "-U", ROLE, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D", str(data)]
    subprocess.run([str(binaries / "initdb"), *arguments], check=True, **options)  # type: ignore[call-overload]
    port = _free_port()
    settings = {
        **{name: SETTINGS[name] for name in PLANNER_SETTINGS},
        **NOT_DURABLE_SETTINGS,
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "shared_preload_libraries": "citus",
        "citus.shard_count": "4",
        "citus.recover_2pc_interval": "2s",
        "max_connections": "200",
        "max_prepared_transactions": "200",
        "wal_level": "logical",
        "max_wal_senders": "10",
    }
    command = [str(binaries / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    node = Node(port, command, options)
    try:
        node.start()
        with psycopg.connect(node.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {ROLE}".encode())
        with psycopg.connect(node.url(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION citus")
        yield node
    finally:
        node.stop()


def _has_ended(pid: str) -> bool:
    """Return whether a process has ended, though its parent may not know yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _add_workers(cluster: CitusCluster, coordinator: str, workers: list[str]) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        if coordinator:
            host, port = coordinator.split(":")
            connection.execute("SELECT citus_set_coordinator_host(%s, %s)", [host, int(port)])
        for worker in workers:
            host, port = worker.split(":")
            connection.execute("SELECT citus_add_node(%s, %s)", [host, int(port)])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
