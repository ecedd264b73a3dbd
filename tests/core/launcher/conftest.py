"""Data directories for each test, and clients in separate processes that can be killed."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from core.launcher.embedded import Servers
from core.launcher.embedded.server_folders import FALLBACK_ROOT, find_server_folders

PROJECT = Path(__file__).resolve().parents[3]
CLIENT = """
import sys
from pathlib import Path
from core.launcher.embedded import lease
folder, which, pg_bin_dir = sys.argv[1:4]
servers = lease(Path(folder), pg_bin_dir=pg_bin_dir, durable=which == "durable",
                postgres=which != "redis", redis=which != "postgres")
print(servers.database_url, servers.redis_url, sep="|", flush=True)
sys.stdin.read()
"""


class Client:
    """A process that leases the servers of a folder until it is asked to end, or killed."""

    def __init__(self, folder: Path, which: str = "fast", pg_bin_dir: str = "", **options: Any) -> None:
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(folder), which, pg_bin_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd="/",
            **options,
        )

    def urls(self) -> tuple[str, str]:
        """Wait until the servers answer."""
        assert self.process.stdout
        assert self.process.stderr
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        database_url, redis_url = line.strip().split("|")
        return database_url, redis_url

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        self.process.communicate()


def connect(database_url: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True)


def first_row(database_url: str, sql: LiteralString) -> tuple[Any, ...] | None:
    with connect(database_url) as connection:
        return connection.execute(sql).fetchone()


def processes_of(folder: Path) -> list[int]:
    """Return all processes, including the supervisor, whose command line contains *folder*."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) + b"/" in command or os.fsencode(folder) + b"\0" in command:
            found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def process_named(folder: Path, name: str) -> int:
    """Return the one process of *folder*'s servers whose program is *name*.

    Wait for it: a process that has just been forked by a server still has its command line.
    """
    wait_until(lambda: len(processes_named(folder, name)) == 1)
    return processes_named(folder, name)[0]


def processes_named(folder: Path, name: str) -> list[int]:
    named = []
    for pid in processes_of(folder):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b" ", b"\0").split(b"\0")
            if Path(os.fsdecode(words[0])).name == name or name.encode() in words:
                named.append(pid)
    return named


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not happen in time: {commands()}"
        time.sleep(0.05)


def commands() -> list[bytes]:
    """Return the commands that run in the folders of these tests, for failure messages."""
    lines = [(entry / "cmdline").read_bytes() for entry in Path("/proc").glob("[0-9]*") if (entry / "cmdline").exists()]
    return [line[:300] for line in lines if b"almanac-lease-" in line]


def new_folder(parent: str = "/tmp", mode: int = 0o711) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="almanac-lease-", dir=parent))
    folder.chmod(mode)
    return folder


def clear(folder: Path) -> None:
    """Stop the processes of the folder and delete it."""
    for pid in processes_of(folder):
        if b"core.launcher.embedded.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not processes_of(folder))
    if (folder / "servers").is_dir():
        home = find_server_folders(folder)
        if home.root.is_relative_to(FALLBACK_ROOT) or home.sockets.is_relative_to("/tmp/almanac-"):
            shutil.rmtree(home.root, ignore_errors=True)
        shutil.rmtree(home.sockets, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a separate data directory for this test."""
    folder = new_folder()
    yield folder
    clear(folder)


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """Return a shared data directory with a cluster; nobody leases it between two tests."""
    folder = new_folder()
    yield folder
    clear(folder)


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Return a function that starts clients; all of them are ended after the test."""
    started: list[Client] = []

    def start(*arguments: Any, **options: Any) -> Client:
        started.append(Client(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def ordinary_user() -> dict[str, Any]:
    """Return the arguments that start a process as a user other than root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    user: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    program = [sys.executable, "-c", "import core.launcher.embedded, psycopg"]
    try:
        subprocess.run(program, env={"PYTHONPATH": str(PROJECT)}, cwd="/", check=True, capture_output=True, **user)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("user nobody can run neither this Python nor this code, so no ordinary user can be tried here")
    return user


@pytest.fixture
def leased(used_folder: Path) -> Iterator[Servers]:
    from core.launcher.embedded import lease

    with lease(used_folder, durable=False) as servers:
        yield servers
