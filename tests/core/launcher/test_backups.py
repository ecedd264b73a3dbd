import os
import subprocess
import sys
import time
from io import BytesIO
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from core.db.schema_check import check_schema
from core.errors import BadInput, ServerUnavailable
from core.launcher import backups
from core.launcher.embedded.binaries import find_postgres

from .conftest import PROJECT


@pytest.fixture
def filled(committing_database):
    """Create a database with an account, its monthly partition, a person and their session; nobody is connected."""
    with committing_database.begin() as connection:
        connection.execute(text("INSERT INTO account (login, github_id) VALUES ('octo;cat''s', 7)"))
        connection.execute(text("INSERT INTO repository_snapshot_open VALUES (1, '2019-03-04Z', 5, 1, 2)"))
        person = connection.scalar(text("INSERT INTO person (username, role) VALUES ('ada', 'admin') RETURNING id"))
        connection.execute(
            text(
                "INSERT INTO session (id, person_id, expires_at, access_expires_at)"
                " VALUES (:id, :person, now() + interval '1 day', now())"
            ),
            {"id": uuid4(), "person": person},
        )
        connection.execute(text("INSERT INTO data_version (version) VALUES (5)"))
    committing_database.dispose()
    return committing_database.url.render_as_string(hide_password=False)


@pytest.fixture
def empty(clones):
    with clones() as url:
        yield url


def rows(url, sql):
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(sql))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def test_a_backup_can_be_restored_elsewhere(filled, empty, tmp_path):
    file = tmp_path / "almanac.backup"
    assert backups.write_backup(filled, file) == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    backups.restore_backup(empty, file)
    assert rows(empty, "SELECT login, github_id FROM account") == [("octo;cat's", 7)]
    assert rows(empty, "SELECT stars FROM repository_snapshot") == [(5,)]
    assert rows(empty, "SELECT obj_description('capture'::regclass)") == rows(
        filled, "SELECT obj_description('capture'::regclass)"
    )
    assert rows(empty, "SELECT version > 5 FROM data_version") == [(True,)]


def test_no_data_version_comes_again_where_a_backup_is_restored_twice(filled, tmp_path):
    """Clients of the API would keep what they read at that version after the first time."""
    backups.write_backup(filled, tmp_path / "b")
    backups.restore_backup(filled, tmp_path / "b", replace=True)
    published = "UPDATE data_version SET version = version + 1 RETURNING version"
    ((last_version,),) = rows(filled, published)
    backups.restore_backup(filled, tmp_path / "b", replace=True)
    ((version, past_version),) = rows(filled, "SELECT version, past_version FROM data_version")
    assert version == past_version > last_version


def test_a_restore_revokes_all_sessions(filled, empty, tmp_path):
    backups.write_backup(filled, tmp_path / "b")
    backups.restore_backup(empty, tmp_path / "b")
    assert rows(empty, "SELECT revoked_reason FROM session") == [("backup_restored",)]


def test_data_is_overwritten_only_with_replace(filled, tmp_path):
    backups.write_backup(filled, tmp_path / "b")
    rows(filled, "INSERT INTO account (login) VALUES ('later') RETURNING id")
    with pytest.raises(BadInput, match="--replace"):
        backups.restore_backup(filled, tmp_path / "b")
    backups.restore_backup(filled, tmp_path / "b", replace=True)
    assert rows(filled, "SELECT login FROM account") == [("octo;cat's",)]


def test_a_truncated_backup_changes_nothing(filled, tmp_path):
    backups.write_backup(filled, tmp_path / "b")
    (tmp_path / "half").write_bytes((tmp_path / "b").read_bytes()[:-4_000])
    with pytest.raises(ServerUnavailable):
        backups.restore_backup(filled, tmp_path / "half", replace=True)
    assert rows(filled, "SELECT login FROM account") == [("octo;cat's",)]


def test_a_backup_of_a_newer_postgres_is_called_that(filled, tmp_path):
    """Its format has a version in the bytes after the magic."""
    backups.write_backup(filled, tmp_path / "backup")
    content = bytearray((tmp_path / "backup").read_bytes())
    content[6] = 99
    (tmp_path / "newer").write_bytes(content)
    with pytest.raises(ServerUnavailable, match="written by a newer Postgres; set PG_BIN_DIR"):
        backups.restore_backup(filled, tmp_path / "newer", replace=True)


def test_the_version_of_a_column_in_a_newer_server_is_not_restored():
    """Postgres 15.20 has it, and programs older than that write it into the backup of one."""
    version = b"ALTER TABLE ONLY public.account ALTER COLUMN login SET (pg_attver=34971744);\n"
    definitions = b"CREATE TABLE public.account (\n    login text\n);\n"
    data = b"COPY public.account (login) FROM stdin;\n" + version + b"\\.\n"
    script, restored = BytesIO(definitions + version + b"\n" + data), BytesIO()
    backups._copy_definitions(script, restored)
    assert restored.getvalue() + script.read() == definitions + b"\n" + data


def test_programs_without_tls_are_named_as_the_reason():
    """The bundled ones are built without it, those of distributions with it."""
    output = BytesIO(b'psql: error: sslmode value "verify-full" invalid when SSL support is not compiled in\n')
    assert "set PG_BIN_DIR" in backups._error_message(output)


def test_nothing_is_restored_under_a_running_almanac(filled, tmp_path):
    backups.write_backup(filled, tmp_path / "b")
    other = create_engine(filled)
    with other.connect() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(BadInput, match="stop it first"):
            backups.restore_backup(filled, tmp_path / "b", replace=True)
    other.dispose()


def test_a_file_is_never_overwritten_nor_left_half(filled, tmp_path):
    (tmp_path / "b").write_text("mine")
    with pytest.raises(BadInput, match="exists already"):
        backups.write_backup(filled, tmp_path / "b")
    with pytest.raises(ServerUnavailable):
        backups.write_backup(make_url(filled).set(database="nowhere").render_as_string(), tmp_path / "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


RESTORE = """
import sys
from pathlib import Path
from core.launcher import backups
from core.launcher.embedded.binaries import find_postgres
print("started", flush=True)
backups.restore_backup(sys.argv[1], Path(sys.argv[2]), replace=True)
"""


def fill_with_rows(url, rows_of_accounts):
    rows(url, f"INSERT INTO account (login) SELECT 'a' || n FROM generate_series(1, {rows_of_accounts}) n RETURNING 1")


def kill_restore(url, file, delay, victim):
    """Start a restore and kill it, or the program of it that *victim* names, after *delay* seconds."""
    command = [sys.executable, "-c", RESTORE, url, str(file)]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdout.readline()
        time.sleep(delay)
        if victim == "python":
            process.kill()
        else:
            subprocess.run(["pkill", "-KILL", "-P", str(process.pid), "-x", victim], check=False)


def wait_until_nobody_is_connected(url):
    until = time.monotonic() + 60
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while rows(url, others) != [(0,)]:
        assert time.monotonic() < until, "the restore is still connected"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["python", "psql", "pg_restore"])
def test_a_restore_killed_at_any_moment_restores_everything_or_nothing(filled, empty, tmp_path, victim):
    """psql takes the end of its input for the end of the data: only the script's own COMMIT may commit."""
    fill_with_rows(filled, 60_000)
    backups.write_backup(filled, tmp_path / "b")
    whole, before = rows(filled, "SELECT count(*) FROM account"), [(0,)]
    outcomes = set()
    for delay in (0.02, 0.1, 0.2, 0.3, 0.45):
        kill_restore(empty, tmp_path / "b", delay, victim)
        wait_until_nobody_is_connected(empty)
        found = rows(empty, "SELECT count(*) FROM account")
        outcomes.add(found[0][0])
        assert found in (before, whole)
        check_schema(empty)
        rows(empty, "TRUNCATE account CASCADE")
    assert before[0][0] in outcomes, "no kill came in time"


def test_a_restore_is_recorded_in_the_audit_trail(filled, empty, tmp_path):
    backups.write_backup(filled, tmp_path / "b")
    backups.restore_backup(empty, tmp_path / "b")
    backups.restore_backup(empty, tmp_path / "b", replace=True)
    assert rows(empty, "SELECT actor, action FROM audit_event") == [("command line", "backup_restored")]


def test_a_backup_that_met_a_shard_on_its_way_begins_again(filled, empty, tmp_path):
    """Citus drops a shard as soon as another node has it; pg_dump says so as here, after a part of the backup."""
    programs = tmp_path / "bin"
    programs.mkdir()
    real = find_postgres("")
    for program in real.folder.iterdir():
        (programs / program.name).symlink_to(program)
    (programs / "pg_dump").unlink()
    (programs / "pg_dump").write_text(f"""#!/bin/sh
        export LD_LIBRARY_PATH='{real.libraries or ""}'
        echo try >> {tmp_path}/tries
        test $(wc -l < {tmp_path}/tries) -gt 3 && exec {real.folder}/pg_dump "$@"
        echo PGDMP and half a table
        echo 'pg_dump: error: Dumping the contents of table "release" failed: PQgetResult() failed.' >&2
        echo 'pg_dump: detail: Error message from server: ERROR:  relation "public.release_102292" does not exist' >&2
        exit 1
    """)
    (programs / "pg_dump").chmod(0o755)
    backups.write_backup(filled, tmp_path / "b", str(programs))
    backups.restore_backup(empty, tmp_path / "b")
    assert rows(empty, "SELECT login FROM account") == [("octo;cat's",)]
    (tmp_path / "tries").write_text("")
    (programs / "pg_dump").write_text((programs / "pg_dump").read_text().replace("-gt 3", "-gt 4"))
    with pytest.raises(ServerUnavailable, match="release_102292"):
        backups.write_backup(filled, tmp_path / "c", str(programs))
    assert not (tmp_path / "c").exists()


def test_a_killed_backup_leaves_no_file_and_no_program(filled, tmp_path):
    with psycopg.connect(filled.replace("+psycopg", "")) as blocker:
        blocker.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        command = [sys.executable, "-m", "core", "backup", str(tmp_path / "b")]
        with subprocess.Popen(command, cwd=PROJECT, env=os.environ | {"DATABASE_URL": filled}) as process:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until = time.monotonic() + 60
            while rows(filled, waiting) == [(0,)]:
                assert time.monotonic() < until
                time.sleep(0.1)
            process.kill()
    wait_until_nobody_is_connected(filled)
    assert list(tmp_path.iterdir()) == []


def test_of_two_backups_to_one_file_the_second_is_refused(filled, tmp_path, monkeypatch):
    link = os.link

    def write_the_other_first(*arguments, **options):
        monkeypatch.setattr(os, "link", link)
        backups.write_backup(filled, tmp_path / "b")
        link(*arguments, **options)

    monkeypatch.setattr(os, "link", write_the_other_first)
    with pytest.raises(BadInput, match="written by another backup"):
        backups.write_backup(filled, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_backup_without_files_without_names_is_complete_or_absent_too(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "UNNAMED_FILE", None)
    backups.write_backup(filled, tmp_path / "b")
    with pytest.raises(ServerUnavailable):
        backups.write_backup(make_url(filled).set(database="nowhere").render_as_string(), tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 50])
def test_a_file_that_is_not_a_backup_is_refused(filled, tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BadInput, match="not a backup"):
        backups.restore_backup(filled, tmp_path / "b", replace=True)


def test_the_command_line_reports_the_backup(filled, tmp_path):
    environment = os.environ | {"DATABASE_URL": filled}
    command = [sys.executable, "-m", "core", "backup", str(tmp_path / "b")]
    completed = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "Backup written to" in completed.stdout
