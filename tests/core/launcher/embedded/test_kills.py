"""After any process is killed at any time, no orphan remains and the next lease works."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis, RedisError

from core.launcher.embedded import lease
from core.launcher.embedded.server_folders import find_server_folders
from tests.core.launcher.conftest import Client, connect, first_row, process_named, processes_of, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kill -9 is cleaned up after at once on Linux only")


def remember(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("SET synchronous_commit = on")  # test servers may lose the last writes
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")


def assert_remembered(database_url: str) -> None:
    with connect(database_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_servers_stop_cleanly_when_their_only_client_is_killed(
    used_folder: Path, client: Callable[..., Client]
) -> None:
    only = client(used_folder)
    only.urls()
    log = find_server_folders(used_folder).log("postgres")
    before = log.stat().st_size
    only.kill()
    wait_until(lambda: not processes_of(used_folder))
    assert "database system is shut down" in log.read_text()[before:]


def test_servers_stop_when_their_supervisor_is_killed_and_a_new_lease_starts_them_again(
    used_folder: Path, client: Callable[..., Client]
) -> None:
    running = client(used_folder)
    database_url, _ = running.urls()
    remember(database_url)
    supervisor = process_named(used_folder, "core.launcher.embedded.supervisor")
    os.kill(supervisor, signal.SIGKILL)
    while supervisor in processes_of(used_folder):  # a signal takes a moment to arrive
        pass
    # Its servers are still stopping.
    with lease(used_folder, durable=False) as servers:
        assert_remembered(servers.database_url)
        assert Redis.from_url(servers.redis_url).ping()
    running.kill()
    wait_until(lambda: not processes_of(used_folder))


def test_a_killed_supervisor_without_any_client_left_leaves_nothing_behind(
    used_folder: Path, client: Callable[..., Client]
) -> None:
    running = client(used_folder)
    running.urls()
    supervisor = process_named(used_folder, "core.launcher.embedded.supervisor")
    running.process.kill()
    os.kill(supervisor, signal.SIGKILL)
    running.kill()
    wait_until(lambda: not processes_of(used_folder))


def test_a_client_can_lease_again_after_its_supervisor_was_killed(used_folder: Path) -> None:
    with lease(used_folder, durable=False) as servers:
        assert servers.is_supervised()
        os.kill(process_named(used_folder, "core.launcher.embedded.supervisor"), signal.SIGKILL)
        wait_until(lambda: not servers.is_supervised())
        servers.acquire()
        assert servers.is_supervised()
        assert first_row(servers.database_url, "SELECT 1") == (1,)


@pytest.mark.parametrize(("name", "signal_"), [("postgres", signal.SIGKILL), ("valkey-server", signal.SIGKILL)])
def test_a_killed_server_is_restarted_for_its_leases(used_folder: Path, name: str, signal_: int) -> None:
    with lease(used_folder, durable=False) as servers:
        remember(servers.database_url)
        killed = _pid_of(used_folder, servers.redis_url, name)
        os.kill(killed, signal_)
        wait_until(lambda: _pid_of(used_folder, servers.redis_url, name) not in {killed, 0})
        servers.acquire()
        assert_remembered(servers.database_url)
        assert Redis.from_url(servers.redis_url).ping()


def _pid_of(folder: Path, redis_url: str, name: str) -> int:
    try:
        if name == "valkey-server":
            return int(Redis.from_url(redis_url).info()["process_id"])
        return int((find_server_folders(folder).cluster / "postmaster.pid").read_text().split()[0])
    except (OSError, RedisError, IndexError, ValueError):
        return 0


def test_the_next_lease_restarts_everything_after_all_processes_were_killed(
    used_folder: Path, client: Callable[..., Client]
) -> None:
    running = client(used_folder)
    database_url, _ = running.urls()
    remember(database_url)
    for pid in processes_of(used_folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with lease(used_folder, durable=False) as servers:
        assert_remembered(servers.database_url)


def test_a_lock_file_that_names_a_foreign_process_does_not_stop_postgres(used_folder: Path) -> None:
    """In a container, the same low process ids recur after every start."""
    lease(used_folder, durable=False).release(wait_seconds=60)
    cluster = find_server_folders(used_folder).cluster
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}\n1700000000\n5432\n\n\n")
    with lease(used_folder, durable=False) as servers:
        assert first_row(servers.database_url, "SELECT 1") == (1,)


def test_an_incomplete_cluster_is_created_again(folder: Path, client: Callable[..., Client]) -> None:
    first = client(folder)
    home = folder / "servers"
    wait_until(lambda: list(home.glob("postgres.new-*")))
    for pid in processes_of(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    first.kill()
    with lease(folder, durable=False) as servers:
        assert first_row(servers.database_url, "SELECT 1") == (1,)
        assert not list(home.glob("postgres.new-*"))


def test_an_unreadable_snapshot_loses_only_the_cache(used_folder: Path) -> None:
    lease(used_folder, durable=False, postgres=False).release(wait_seconds=60)
    home = find_server_folders(used_folder)
    (home.valkey / "dump.rdb").write_bytes(b"REDIS0011 this is no snapshot at all")
    with lease(used_folder, durable=False, postgres=False) as servers:
        assert Redis.from_url(servers.redis_url).dbsize() == 0
    assert (home.valkey / "dump.unreadable").exists()


def test_servers_stop_though_the_cache_can_write_no_snapshot(folder: Path) -> None:
    """As on a full disk, where Valkey by itself would go on."""
    with lease(folder, postgres=False) as servers:
        shutil.rmtree(find_server_folders(folder).valkey)
        with Redis.from_url(servers.redis_url) as redis:
            redis.set("key", "value")
        servers.release(wait_seconds=30)
        assert not servers.is_supervised()
