"""Guarantees for clients of the embedded servers."""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from core.errors import ServerUnavailable
from core.launcher import embedded
from core.launcher.embedded import Servers, lease, leases
from core.launcher.embedded.binaries import runnable_postgres
from core.launcher.embedded.server_folders import find_server_folders
from tests.core.launcher.conftest import Client, clear, connect, first_row, process_named, processes_of, wait_until


def test_a_lease_provides_postgres_in_utc_with_a_fixed_collation(leased: Servers) -> None:
    with connect(leased.database_url) as connection:
        version, timezone, user = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, current_setting('timezone'), current_user"
        ).fetchone()  # type: ignore[misc]
        names = "SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['b', 'ä', 'B', 'a']) x"
        assert connection.execute(names).fetchone() == ("Babä",)
        assert connection.execute("SELECT lower('ÄÖ')").fetchone() == ("äö",)
    assert (version, timezone, user) == (18, "UTC", "almanac")


def test_a_lease_provides_valkey_with_scripts_and_bounded_memory(leased: Servers) -> None:
    with Redis.from_url(leased.redis_url) as redis:
        assert redis.eval("return redis.call('SET', KEYS[1], ARGV[1], 'PX', 50)", 1, "key", "value") == b"OK"
        assert redis.config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
        assert redis.config_get("maxmemory")["maxmemory"] == str(256 * 1024**2)


def test_nothing_listens_on_the_network(leased: Servers) -> None:
    with connect(leased.database_url) as connection, Redis.from_url(leased.redis_url) as redis:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert redis.config_get("port")["port"] == "0"


def test_a_second_lease_joins_the_running_servers(leased: Servers, used_folder: Path) -> None:
    with connect(leased.database_url) as connection:
        started_at = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    with lease(used_folder, durable=False) as second, connect(second.database_url) as connection:
        assert second.database_url == leased.database_url
        assert connection.execute("SELECT pg_postmaster_start_time()").fetchone() == started_at


def test_the_servers_stop_when_the_last_lease_ends(used_folder: Path) -> None:
    first = lease(used_folder, durable=False)
    second = lease(used_folder, durable=False)
    first.release()
    with connect(second.database_url) as connection:
        connection.execute("SELECT pg_sleep(1.5)")
    assert processes_of(used_folder)
    second.release(wait_seconds=60)
    assert not processes_of(used_folder)


def test_a_lease_that_the_supervisor_tries_counts_as_nobody_else_s(
    used_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks the lease for an instant, several times before it stops the servers."""
    servers = lease(used_folder, durable=False, postgres=False)
    path = find_server_folders(used_folder).files / "valkey.lease"
    tried: list[int] = []

    def is_lockable(lock: Path, how: int) -> bool:
        is_free = real(lock, how)
        if lock == path and how == fcntl.LOCK_SH and not tried:
            tried.append(os.open(lock, os.O_RDWR))
            fcntl.flock(tried[0], fcntl.LOCK_EX)
            threading.Timer(0.01, os.close, tried).start()
        return is_free

    real = leases._is_lockable
    monkeypatch.setattr(leases, "_is_lockable", is_lockable)
    servers.release(wait_seconds=60)
    assert tried
    assert not processes_of(used_folder)


def test_a_client_that_starts_while_the_servers_stop_gets_new_ones(used_folder: Path) -> None:
    for wait_seconds in (0.9, 1.05, 1.2):
        lease(used_folder, durable=False).release()
        time.sleep(wait_seconds)
        with lease(used_folder, durable=False) as servers, connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_eight_processes_at_once_get_one_server_each_kind(folder: Path, client: Callable[..., Client]) -> None:
    clients = [client(folder) for _ in range(8)]
    urls = {one.urls() for one in clients}
    assert len(urls) == 1
    # The clients, a supervisor, a Postgres, a Valkey; whoever lost the race to start them has ended.
    wait_until(lambda: len(processes_of(folder)) <= 8 + 3)
    assert [process_named(folder, name) for name in ("core.launcher.embedded.supervisor", "postgres", "valkey-server")]


def test_stored_and_cached_data_survive_a_restart(folder: Path) -> None:
    with lease(folder) as servers:
        with connect(servers.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
        with Redis.from_url(servers.redis_url) as redis:
            redis.set("etag", "abc")
        servers.release(wait_seconds=60)
    with lease(folder) as servers:
        with connect(servers.database_url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        with Redis.from_url(servers.redis_url) as redis:
            assert redis.get("etag") == b"abc"


def test_only_the_requested_server_is_started(used_folder: Path) -> None:
    with lease(used_folder, durable=False, postgres=False) as servers:
        assert servers.database_url == ""
        assert Redis.from_url(servers.redis_url).ping()
        wait_until(lambda: len(processes_of(used_folder)) == 2)  # with the supervisor
        # A client that needs the other server too joins the same supervisor.
        with lease(used_folder, durable=False, redis=False) as other:
            assert other.redis_url == ""
            assert first_row(other.database_url, "SELECT 1") == (1,)
            wait_until(lambda: len(processes_of(used_folder)) == 3)


def test_postgres_can_be_run_from_a_configured_folder(used_folder: Path) -> None:
    home = find_server_folders(used_folder)
    wheel = runnable_postgres(home, "").folder
    with lease(used_folder, pg_bin_dir=str(wheel), durable=False, redis=False) as servers:
        assert first_row(servers.database_url, "SELECT 1") == (1,)
        program = Path(f"/proc/{process_named(used_folder, 'postgres')}/exe")
        assert program.resolve() == (wheel / "postgres").resolve()


@pytest.mark.parametrize("name", ["a" * 120, "spaces, commas & ünïcode", 'quote\'s "here" 100%'])
def test_a_data_directory_may_have_any_name(folder: Path, name: str) -> None:
    """Long names exceed the length of a socket path; special characters need quoting in a connection string."""
    try:
        with lease(folder / name, durable=False) as servers:
            assert first_row(servers.database_url, "SELECT 1") == (1,)
            assert Redis.from_url(servers.redis_url).ping()
            servers.release(wait_seconds=60)
    finally:
        clear(folder / name)


def test_windows_is_refused_with_an_alternative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.sys, "platform", "win32")
    with pytest.raises(ServerUnavailable, match=r"WSL.*DATABASE_URL and REDIS_URL"):
        lease(folder)
