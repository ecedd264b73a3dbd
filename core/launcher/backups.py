"""Backups: everything in Postgres in one file, and back again, all of it or nothing."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import URL

from core.errors import BadInput, ServerUnavailable
from core.launcher.embedded.binaries import PostgresBinaries, find_postgres

PG_DUMP_MAGIC = b"PGDMP"
# Before the tables come back: what is there goes, in the same transaction.
RESET_SCHEMA_SQL = b"DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n"
# After it: nobody may go on with a session that had been ended since, and pages must not keep what they showed.
AFTER_RESTORE_SQL = b"""
UPDATE public.session SET revoked_at = now(), revoked_reason = 'restored' WHERE revoked_at IS NULL;
DELETE FROM public.ticket;
UPDATE public.data_version SET version = version + 1000000, published_at = now();
"""


def write_backup(url: URL, to: Path, pg_bin_dir: str = "") -> int:
    """Write everything into the file *to*; returns its size in bytes. Only whole backups get that name.

    Raises BadInput when *to* exists or cannot be written, ServerUnavailable when Postgres cannot be read.
    """
    if to.exists():
        raise BadInput(f"{to} exists already; a backup overwrites nothing")
    if not to.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {to.absolute().parent}")
    partial = to.with_name(f"{to.name}.partial")
    try:
        # It holds the hashes of passwords: for nobody else's eyes.
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        _run_program(
            "pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={partial}"], url, pg_bin_dir
        )
        partial.rename(to)
    except PermissionError:
        raise BadInput(f"{to} cannot be written") from None
    finally:
        partial.unlink(missing_ok=True)
    return to.stat().st_size


def restore_backup(url: URL, file: Path, pg_bin_dir: str = "", *, replace: bool = False) -> None:
    """Put back what *file* holds, in one transaction: a file that breaks off changes nothing.

    Raises BadInput when there is data already and *replace* is not given, or others are connected.
    """
    try:
        with file.open("rb") as opened:
            is_backup = opened.read(len(PG_DUMP_MAGIC)) == PG_DUMP_MAGIC
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from None
    if not is_backup:
        raise BadInput(f"{file} is no backup of Almanac")
    _check_can_restore(url, replace=replace)
    binaries = find_postgres(pg_bin_dir)
    script = _run_program(
        "pg_restore", ["--no-owner", "--no-privileges", "--file=-", str(file.absolute())], None, pg_bin_dir
    )
    # What the script makes itself would be there twice.
    body = script.replace(b"\nCREATE SCHEMA public;\n", b"\n")
    _run_psql(binaries, url, RESET_SCHEMA_SQL + body + AFTER_RESTORE_SQL)


def _check_can_restore(url: URL, *, replace: bool) -> None:
    with psycopg.connect(_libpq_url(url)) as connection:
        people = connection.execute("SELECT to_regclass('public.person')").fetchone()
        filled = (
            people is not None
            and people[0] is not None
            and connection.execute("SELECT EXISTS (SELECT FROM account) OR EXISTS (SELECT FROM person)").fetchone()
            == (True,)
        )
        others = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
    if filled and not replace:
        raise BadInput("There is data already; --replace puts the backup in its place")
    if others and others[0]:
        raise BadInput("Almanac still runs on this database; stop it first")


def _run_psql(binaries: PostgresBinaries, url: URL, script: bytes) -> None:
    arguments = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    done = subprocess.run(
        [str(binaries.folder / "psql"), *arguments],
        input=script,
        env=binaries.environment | _connection_variables(url),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ServerUnavailable(f"The backup was not restored, nothing was changed: {_error_message(done.stderr)}")


def _run_program(program: str, arguments: Sequence[str], url: URL | None, pg_bin_dir: str) -> bytes:
    binaries = find_postgres(pg_bin_dir)
    environment = binaries.environment | (_connection_variables(url) if url else {})
    done = subprocess.run(
        [str(binaries.folder / program), *arguments], env=environment, capture_output=True, check=False
    )
    if done.returncode:
        raise ServerUnavailable(f"{program} failed: {_error_message(done.stderr)}")
    return done.stdout


def _error_message(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no reason given"])[0]


def _libpq_url(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _connection_variables(url: URL) -> dict[str, str]:
    """As variables: a password on a command line would show in the list of processes."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    given = {"PGCONNECT_TIMEOUT": "10"}
    with suppress(psycopg.ProgrammingError):
        told = conninfo_to_dict(_libpq_url(url))
        given |= {names[name]: str(value) for name, value in told.items() if name in names and value is not None}
    return given
