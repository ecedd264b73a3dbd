"""Run, migrate, check and back up Almanac, and manage people: `python -m core`."""

import gc

from core import interrupts

interrupts.end_quietly()
gc.disable()  # as in `paused_garbage_collection`, until all is imported

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from core import command_line, log, wording
from core.command_line import EXIT_FAILED, print_line
from core.errors import NotFound
from core.settings import settings

gc.freeze()
gc.enable()
interrupts.raise_again()
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
CLI_ACTOR = "command line"


@app.callback()
def configure_logging() -> None:
    """Log warnings and errors to standard error; commands print their results to standard output."""
    log.configure("WARNING", as_json=settings().environment == "production")


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Use a sandbox GitHub and a data directory of its own.")] = False,
) -> None:
    """Start everything on this machine: embedded Postgres and Valkey unless configured, web, scheduler, worker."""
    from core.launcher.demo import Demo  # noqa: PLC0415
    from core.launcher.stack import Stack  # noqa: PLC0415

    stack = Demo.from_settings(settings(), print_line) if demo else Stack(settings(), print_line)
    stack.run()


@app.command()
def migrate() -> None:
    """Migrate the database to the newest revision; safe to repeat."""
    from core.launcher.embedded import lease  # noqa: PLC0415
    from core.launcher.stack import migrate_if_needed  # noqa: PLC0415

    config = settings()
    url = config.database_direct_url or config.database_url
    url = url or lease(config.data_dir, pg_bin_dir=config.pg_bin_dir, redis=False).database_url
    changed = migrate_if_needed(url, print_line)
    print_line("The database was migrated." if changed else "The database is up to date.")


@app.command()
def check() -> None:
    """Check each component of the installation; exit with 1 if one does not work."""
    from core.launcher.check import run_checks  # noqa: PLC0415

    results = run_checks(settings())
    for result in results:
        print_line(f"{'ok    ' if result.is_ok else 'FAILED'}  {result.component:<10} {result.message}")
    raise typer.Exit(0 if all(result.is_ok for result in results) else EXIT_FAILED)


@app.command()
def backup(to: Annotated[Path, typer.Argument(help="File to write; it must not exist.")]) -> None:
    """Write the whole database to one file."""
    from core.launcher.backups import write_backup  # noqa: PLC0415

    with _postgres_url() as url:
        size = write_backup(url, to, settings().pg_bin_dir)
    print_line(f"Backup written to {to}, {wording.byte_size(size)}. It contains password hashes: keep it safe.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File that `backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the data in the database.")] = False,
) -> None:
    """Restore a backup, completely or not at all; everyone has to sign in again."""
    from core.db.schema_check import check_schema  # noqa: PLC0415
    from core.launcher.backups import restore_backup  # noqa: PLC0415
    from core.launcher.stack import migrate_if_needed  # noqa: PLC0415

    with _postgres_url() as url:
        restore_backup(url, file, settings().pg_bin_dir, replace=replace)
        migrate_if_needed(url, print_line)
        check_schema(url)
    print_line(f"Restored {file}.")


@contextmanager
def _postgres_url() -> Iterator[str]:
    """Yield the direct URL of Postgres; an embedded server runs for the duration of the block."""
    from core.launcher.embedded import lease  # noqa: PLC0415

    config = settings()
    if url := config.database_direct_url or config.database_url:
        yield url
    else:
        with lease(config.data_dir, pg_bin_dir=config.pg_bin_dir, redis=False) as servers:
            yield servers.database_url


@app.command()
def create_person(
    name: str,
    role: Annotated[str, typer.Option(help="analyst or admin")] = "analyst",
    email: Annotated[str, typer.Option(help="E-mail address, for display; nothing is sent to it.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of making a link.")
    ] = False,
) -> None:
    """Create a person and print a link for setting their password."""
    from core.auth import people  # noqa: PLC0415
    from core.launcher.embedded.urls import use_embedded_servers  # noqa: PLC0415

    use_embedded_servers()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    person = people.create(name, actor=CLI_ACTOR, role=role, email=email, password=password)
    print_line(f"Created {person.role} {person.username}.")
    if not password_stdin:
        print_reset_link(person.id)


@app.command()
def reset_password(name: str) -> None:
    """Print a link for setting a new password; it can be used once and expires in an hour."""
    from core.auth import people  # noqa: PLC0415
    from core.launcher.embedded.urls import use_embedded_servers  # noqa: PLC0415

    use_embedded_servers()
    person = people.find_by_username(name)
    if person is None:
        raise NotFound(f"There is no person called {name!r}")
    print_reset_link(person.id)


def print_reset_link(person_id: int) -> None:
    from core.auth import tickets  # noqa: PLC0415
    from core.auth.identity import Origin  # noqa: PLC0415

    token = tickets.issue_reset(CLI_ACTOR, person_id, Origin())
    # Browsers do not send the part after #, so the token appears in no server's or proxy's log.
    print_line(f"{settings().base_url}/reset#{token}")
    print_line("The link can be used once and expires in an hour. Anyone who has it can set the password.")


def main() -> None:
    command_line.run(app)


if __name__ == "__main__":
    main()
