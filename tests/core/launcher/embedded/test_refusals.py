import os
from pathlib import Path

import pytest

from core.errors import ServerUnavailable
from core.launcher.embedded import Servers, lease
from core.launcher.embedded.server_folders import ServerFolders, ServerUser, find_server_folders


def test_a_folder_without_postgres_is_named(folder: Path) -> None:
    with pytest.raises(ServerUnavailable, match="PG_BIN_DIR is /etc, which contains no initdb"):
        lease(folder, pg_bin_dir="/etc", redis=False)


def test_a_postgres_that_is_too_old_is_refused(folder: Path) -> None:
    for program in ("initdb", "postgres"):
        (folder / program).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 12.3'\n")
        (folder / program).chmod(0o755)
    with pytest.raises(ServerUnavailable, match="contains Postgres 12; Almanac needs 15 or newer"):
        lease(folder, pg_bin_dir=str(folder), redis=False)


def test_a_cluster_of_another_version_is_refused_unchanged(used_folder: Path) -> None:
    lease(used_folder, durable=False, redis=False).release(wait_seconds=60)
    version = find_server_folders(used_folder).cluster / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(ServerUnavailable, match="was created by Postgres 16 and cannot be opened by 18"):
        lease(used_folder, durable=False, redis=False)
    version.write_text("18\n")
    with lease(used_folder, durable=False, redis=False) as servers:
        assert servers.is_supervised()


def test_a_data_directory_that_is_a_file_is_refused(folder: Path) -> None:
    (folder / "data").write_text("")
    with pytest.raises(ServerUnavailable, match=r"DATA_DIR .* cannot be used"):
        lease(folder / "data")


def test_a_cluster_that_cannot_start_reports_the_reason(folder: Path) -> None:
    lease(folder, durable=False, redis=False).release(wait_seconds=60)
    (find_server_folders(folder).cluster / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServerUnavailable, match=r"postgres does not start: .*no_such_setting"):
        lease(folder, durable=False, redis=False)


def test_a_socket_folder_of_another_user_is_refused(folder: Path) -> None:
    """Anyone could have created the folder in /tmp, with a server of their own in it."""
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    me = ServerUser(os.geteuid(), os.getegid(), is_other_user=False)
    with pytest.raises(ServerUnavailable, match="is not a private folder"):
        me.make_private_folder(shared)
    link = folder / "link"
    link.symlink_to(shared)
    assert not me.owns_privately(link)
    home = ServerFolders(files=folder, root=folder, sockets=shared, user=me)
    assert not Servers("postgresql+psycopg://nowhere", "", home, "", False)._is_responding("postgres")
