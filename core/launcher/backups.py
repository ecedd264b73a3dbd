"""Back up the whole database to one file with pg_dump, and restore it in one transaction."""

import errno
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from core.db import libpq
from core.db.engine import retry_conflicts
from core.errors import BadInput, ServerUnavailable
from core.launcher.embedded.binaries import PostgresBinaries, find_postgres

PG_DUMP_MAGIC = b"PGDMP"
CHUNK_BYTES = 1 << 20
UNNAMED_FILE = getattr(os, "O_TMPFILE", None)
# psql's own --single-transaction commits when its input ends early, as when this process is killed in the middle of the
# data: only the COMMIT at the very end of the script may.
# With the schema Citus would be dropped, which cannot be created again in one transaction: there its contents are.
BEFORE_RESTORE_SQL = """
BEGIN;
DO $$
DECLARE
    statement text;
BEGIN
    IF to_regclass('public.data_version') IS NOT NULL THEN
        PERFORM set_config('almanac.version_before', (SELECT version::text FROM public.data_version), true);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        DROP SCHEMA public CASCADE;
        CREATE SCHEMA public;
        RETURN;
    END IF;
    -- At once: Citus would change the tables that are left.
    SELECT format('DROP TABLE %s CASCADE', string_agg(oid::regclass::text, ', ')) INTO statement FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition;
    EXECUTE coalesce(statement, 'SELECT');
    FOR statement IN
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure) FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
         UNION ALL
        SELECT format('DROP TYPE IF EXISTS %s CASCADE', oid::regtype) FROM pg_type
         WHERE typnamespace = 'public'::regnamespace AND (typtype IN ('e', 'd') OR EXISTS (
               SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))
    LOOP
        EXECUTE statement;
    END LOOP;
    DROP EXTENSION IF EXISTS pg_trgm CASCADE;
END $$;
"""
# Sessions that were revoked since the backup must not become valid again. No data version may come a second time, also
# if the same backup is restored again: browsers and clients of the API keep rows by it.
AFTER_RESTORE_SQL = """
UPDATE public.session SET revoked_at = now(), revoked_reason = 'backup_restored' WHERE revoked_at IS NULL;
DELETE FROM public.ticket;
UPDATE public.data_version
   SET version = greatest(version, nullif(current_setting('almanac.version_before', true), '')::bigint) + 1000000;
UPDATE public.data_version SET past_version = version, published_at = now();
INSERT INTO public.audit_event (actor, action, request_id) VALUES ('command line', 'backup_restored', '{restore_id}');
COMMIT;
"""
# The script of a newer pg_restore begins with settings, one of which older servers refuse; 0 is its default.
HEAD_BYTES, UNKNOWN_BEFORE_17 = 1024, b"SET transaction_timeout = 0;\n"
# Postgres 15.20 keeps a version of its own with each column, which programs older than that write into a backup as an
# option, and which other servers refuse.
VERSION_OF_COLUMN = re.compile(rb"ALTER TABLE ONLY [^;\n]+ ALTER COLUMN [^;\n]+ SET \(pg_attver=\d+\);\n")
FIRST_DATA = b"COPY "
WITHOUT_TLS = "the bundled Postgres programs know no TLS; set PG_BIN_DIR to the folder of others of the same version"
NEWER_BACKUP = "the backup was written by a newer Postgres; set PG_BIN_DIR to the folder of that version's programs"
# Not restored: the schema that BEFORE_RESTORE_SQL creates, and Citus, which the database has or has not.
LEFT_OUT = re.compile(r"^\d+; \d+ \d+ (SCHEMA - public |(COMMENT - )?EXTENSION (- )?citus)", re.MULTILINE)


def write_backup(url: str, to: Path, pg_bin_dir: str = "") -> int:
    """Write the database to the file *to* and return its size in bytes. An incomplete backup is no file at all.

    Raises BadInput when *to* exists or cannot be written, ServerUnavailable when pg_dump fails.
    """
    if to.exists():
        raise BadInput(f"{to} exists already; a backup does not overwrite files")
    if not to.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {to.absolute().parent}")
    binaries = find_postgres(pg_bin_dir)
    try:
        with _complete_file(to) as file:
            # Its tables are read one after the other: on Citus one may move to another node meanwhile.
            retry_conflicts(lambda: _dump(binaries, url, file))
    except FileExistsError:
        raise BadInput(f"{to} was written by another backup meanwhile; this one is not kept") from None
    except OSError as error:
        raise BadInput(f"{to} cannot be written: {error.strerror}") from None
    return to.stat().st_size


def _dump(binaries: PostgresBinaries, url: str, file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()
    # Through a pipe: pg_dump ends when this process does.
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            **_program(binaries, "pg_dump", url, "--format=custom", "--no-owner", "--no-privileges"),
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as dump:
            assert dump.stdout is not None
            shutil.copyfileobj(dump.stdout, file, CHUNK_BYTES)
        if dump.returncode:
            raise ServerUnavailable(f"pg_dump failed: {_error_message(errors)}")


@contextmanager
def _complete_file(to: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name when the block has ended without an error, and only then.

    It has no name before, so that nothing stays when the process is killed. It contains password hashes, so only its
    owner may read it. Raises FileExistsError when *to* exists by then.
    """
    folder = to.absolute().parent
    descriptor = _open_unnamed_file(folder)
    if descriptor is None:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{to.name}.") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.link(file.name, to.absolute())
        return
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(descriptor)
        descriptors = os.open("/proc/self/fd", os.O_RDONLY)
        try:  # without src_dir_fd Python would link the symbolic link itself
            os.link(str(descriptor), to.absolute(), src_dir_fd=descriptors, follow_symlinks=True)
        finally:
            os.close(descriptors)


def _open_unnamed_file(folder: Path) -> int | None:
    """Return the descriptor of a file without a name; None where the system or file system has no such files."""
    if UNNAMED_FILE is None:
        return None
    try:
        return os.open(folder, UNNAMED_FILE | os.O_RDWR, 0o600)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.EISDIR}:
            return None
        raise


def restore_backup(url: str, file: Path, pg_bin_dir: str = "", *, replace: bool = False) -> None:
    """Restore *file* in one transaction: a truncated file, or the death of any process meanwhile, changes nothing.

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
    restore_id = uuid4().hex
    with tempfile.TemporaryFile() as errors:
        reason = _run_restore(find_postgres(pg_bin_dir), url, file, restore_id, errors) or _error_message(errors)
    # psql may end with 0 although nothing was committed.
    if not _is_recorded(url, restore_id):
        raise ServerUnavailable(f"Nothing was restored or changed: {reason}")


def _run_restore(binaries: PostgresBinaries, url: str, file: Path, restore_id: str, errors: IO[bytes]) -> str:
    """Pipe the backup's script into psql, and COMMIT once it is complete; returns why it is not, or ''."""
    arguments = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-"]
    with (
        _table_of_contents(binaries, file) as contents,
        subprocess.Popen(
            **_program(binaries, "psql", url, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as psql,
        subprocess.Popen(
            _pg_restore(binaries, f"--use-list={contents}", "--file=-", str(file.absolute())),
            env=binaries.environment,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as script,
    ):
        assert psql.stdin is not None
        assert script.stdout is not None
        try:
            psql.stdin.write(BEFORE_RESTORE_SQL.encode())
            psql.stdin.write(script.stdout.read(HEAD_BYTES).replace(UNKNOWN_BEFORE_17, b"", 1))
            _copy_definitions(script.stdout, psql.stdin)
            shutil.copyfileobj(script.stdout, psql.stdin, CHUNK_BYTES)
            if script.wait() == 0:
                psql.stdin.write(AFTER_RESTORE_SQL.format(restore_id=restore_id).encode())
            psql.stdin.close()
        except BrokenPipeError:  # psql ended and reported why
            with suppress(BrokenPipeError):
                psql.stdin.close()
            return ""
        return "" if script.returncode == 0 else "the backup is incomplete or damaged"


def _copy_definitions(script: IO[bytes], to: IO[bytes]) -> None:
    """Copy *script* up to the first line of data, without VERSION_OF_COLUMN."""
    for line in script:
        if not VERSION_OF_COLUMN.fullmatch(line):
            to.write(line)
        if line.startswith(FIRST_DATA):
            return


@contextmanager
def _table_of_contents(binaries: PostgresBinaries, file: Path) -> Iterator[Path]:
    """Write the backup's table of contents to a file, without what is LEFT_OUT."""
    listed = subprocess.run(
        _pg_restore(binaries, "--list", str(file.absolute())),
        env=binaries.environment,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        reason = NEWER_BACKUP if b"unsupported version" in listed.stderr else "the backup is incomplete or damaged"
        raise ServerUnavailable(f"Nothing was restored or changed: {reason}")
    with tempfile.NamedTemporaryFile("w", suffix=".list") as contents:
        contents.write(LEFT_OUT.sub(";\\g<0>", listed.stdout.decode()))
        contents.flush()
        yield Path(contents.name)


def _pg_restore(binaries: PostgresBinaries, *arguments: str) -> Sequence[str]:
    return [str(binaries.folder / "pg_restore"), "--no-owner", "--no-privileges", *arguments]


def _check_can_restore(url: str, *, replace: bool) -> None:
    with psycopg.connect(libpq.conninfo(url)) as connection:
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
            # Nodes of Citus keep connections to each other.
            "   AND application_name NOT ILIKE 'citus%'"
        ).fetchone()
    if filled and not replace:
        raise BadInput("The database contains data; --replace overwrites it with the backup")
    if others and others[0]:
        raise BadInput("Almanac is still connected to this database; stop it first")


def _is_recorded(url: str, restore_id: str) -> bool:
    with suppress(psycopg.errors.UndefinedTable), psycopg.connect(libpq.conninfo(url)) as connection:
        found = connection.execute(
            "SELECT EXISTS (SELECT FROM public.audit_event WHERE action = 'backup_restored' AND request_id = %s)",
            (restore_id,),
        ).fetchone()
        return found == (True,)
    return False


def _error_message(output: IO[bytes]) -> str:
    output.seek(0)
    lines = [line for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    if any("SSL support is not compiled in" in line for line in errors):
        return WITHOUT_TLS
    from_server = [line for line in errors if "Error message from server" in line]
    return (from_server or errors or lines or ["no reason given"])[0]


def _program(binaries: PostgresBinaries, name: str, url: str, *arguments: str) -> dict[str, Any]:
    """Return the arguments of Popen for a program that connects to *url*.

    Passwords are environment variables: a command line shows in the list of processes.
    """
    # What libpq reads in this process, such as PGPASSFILE and the password file in the home directory, counts too.
    variables = {key: value for key, value in os.environ.items() if key.startswith("PG") or key == "HOME"}
    others = {}
    for option in psycopg.pq.Conninfo.parse(libpq.conninfo(url).encode()):
        if option.val is None:
            continue
        if option.envvar:
            variables[option.envvar.decode()] = option.val.decode()
        elif option.dispchar:  # a secret
            raise BadInput(f"{option.keyword.decode()} cannot be handed to {name} without showing it to other users")
        else:
            others[option.keyword.decode()] = option.val.decode()
    return {
        "args": [str(binaries.folder / name), f"--dbname={make_conninfo('', **others)}", *arguments],
        "env": binaries.environment | variables,
    }
