"""Back up the whole database to one file with pg_dump, and restore it in one transaction."""

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
# Runs before the restore, in the same transaction.
RESET_SCHEMA_SQL = b"DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n"
# Runs after it: sessions that were revoked since the backup must not become valid again, and cached frames expire.
AFTER_RESTORE_SQL = b"""
UPDATE public.session SET revoked_at = now(), revoked_reason = 'backup_restored' WHERE revoked_at IS NULL;
DELETE FROM public.ticket;
UPDATE public.data_version SET version = version + 1000000, published_at = now();
"""


def write_backup(url: URL, to: Path, pg_bin_dir: str = "") -> int:
    """Write the database to the file *to* and return its size in bytes. An incomplete backup never has that name.

    Raises BadInput when *to* exists or cannot be written, ServerUnavailable when pg_dump fails.
    """
    if to.exists():
        raise BadInput(f"{to} exists already; a backup does not overwrite files")
    if not to.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {to.absolute().parent}")
    partial = to.with_name(f"{to.name}.partial")
    try:
        # It contains password hashes, so only its owner may read it.
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
    """Restore *file* in one transaction: a truncated file changes nothing.

    Raises BadInput when *file* is not a backup, there is data and *replace* is false, or others are connected, and
    ServerUnavailable when Postgres' programs fail.
    """
    try:
        with file.open("rb") as opened:
            is_backup = opened.read(len(PG_DUMP_MAGIC)) == PG_DUMP_MAGIC
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from None
    if not is_backup:
        raise BadInput(f"{file} is not a backup of Almanac")
    _check_can_restore(url, replace=replace)
    binaries = find_postgres(pg_bin_dir)
    script = _run_program(
        "pg_restore", ["--no-owner", "--no-privileges", "--file=-", str(file.absolute())], None, pg_bin_dir
    )
    # RESET_SCHEMA_SQL creates the schema already.
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
        raise BadInput("The database contains data; --replace overwrites it with the backup")
    if others and others[0]:
        raise BadInput("Almanac is still connected to this database; stop it first")


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
        raise ServerUnavailable(f"Nothing was restored or changed: {_error_message(done.stderr)}")


def _run_program(program: str, arguments: Sequence[str], url: URL | None, pg_bin_dir: str) -> bytes:
    binaries = find_postgres(pg_bin_dir)
    environment = binaries.environment | (_connection_variables(url) if url else {})
    done = subprocess.run(
        [str(binaries.folder / program), *arguments], env=environment, capture_output=True, check=False
    )
    if done.returncode:
        raise ServerUnavailable(f"{program} failed: {_error_message(done.stderr)}")
    return done.stdout


def _error_message(output: bytes) -> str:
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no reason given"])[0]


def _libpq_url(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _connection_variables(url: URL) -> dict[str, str]:
    """Return libpq's environment variables: a password on a command line would show in the list of processes."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    variables = {"PGCONNECT_TIMEOUT": "10"}
    with suppress(psycopg.ProgrammingError):
        options = conninfo_to_dict(_libpq_url(url))
        variables |= {names[name]: str(value) for name, value in options.items() if name in names and value is not None}
    return variables
