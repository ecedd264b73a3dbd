"""The command line of the house itself: `python -m core`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from core import log
from core.errors import AlmanacError, NotFound
from core.settings import Settings, settings

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
CLI_ACTOR = "command line"
EXIT_FAILED, EXIT_UNUSABLE_INPUT, EXIT_INTERRUPTED = 1, 2, 130


@app.callback()
def configure_logging() -> None:
    """Commands say themselves what they did; what goes wrong on the way goes to standard error."""
    log.configure("WARNING", as_json=settings().environment == "production")


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Against a pretend GitHub, with data of its own.")] = False,
) -> None:
    """Start everything on this machine: Postgres and Valkey unless given, web, scheduler and worker."""
    from core.launcher.demo import Demo  # noqa: PLC0415
    from core.launcher.stack import Stack  # noqa: PLC0415

    stack = Demo.of(settings(), print_line) if demo else Stack(settings(), print_line)
    stack.run()


@app.command()
def migrate() -> None:
    """Bring the tables to the newest revision; safe to repeat."""
    from core.launcher.embedded import lease  # noqa: PLC0415
    from core.launcher.stack import migrate_if_needed  # noqa: PLC0415

    wanted = settings()
    url = wanted.database_url or lease(wanted.data_dir, pg_bin_dir=wanted.pg_bin_dir, redis=False).database_url
    changed = migrate_if_needed(url)
    print_line("The tables are current now." if changed else "The tables were current already.")


@app.command()
def check() -> None:
    """Say of each part whether it works, and fail if one does not."""
    from core.launcher.check import run_checks  # noqa: PLC0415

    found = run_checks(settings())
    for finding in found:
        print_line(f"{'ok ' if finding.is_ok else 'NOT'}  {finding.part:<10} {finding.sentence}")
    raise typer.Exit(0 if all(finding.is_ok for finding in found) else EXIT_FAILED)


@app.command()
def backup(to: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Write everything that Postgres holds into one file."""
    from core.launcher.backups import write_backup  # noqa: PLC0415

    with _postgres_url() as url:
        size = write_backup(url, to, settings().pg_bin_dir)
    print_line(f"{to} holds everything, {size / 1e6:,.1f} MB. It holds hashes of passwords too: keep it safe.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.")] = False,
) -> None:
    """Put back what a backup holds, all of it or nothing; everybody has to sign in again."""
    from core.launcher.backups import restore_backup as put_back  # noqa: PLC0415
    from core.launcher.stack import migrate_if_needed  # noqa: PLC0415

    with _postgres_url() as url:
        put_back(url, file, settings().pg_bin_dir, replace=replace)
        migrate_if_needed(url.render_as_string(hide_password=False))
    print_line(f"{file} is restored.")


@contextmanager
def _postgres_url() -> "Iterator[URL]":
    """The address of Postgres, which is started for as long as this takes where it is an embedded one."""
    from core.db.engine import parse_database_url  # noqa: PLC0415
    from core.launcher.embedded import lease  # noqa: PLC0415

    wanted = settings()
    if wanted.database_url:
        yield parse_database_url(wanted.database_url)
    else:
        with lease(wanted.data_dir, pg_bin_dir=wanted.pg_bin_dir, redis=False) as servers:
            yield parse_database_url(servers.database_url)


@app.command()
def create_person(
    name: str,
    role: Annotated[str, typer.Option(help="analyst or admin")] = "analyst",
    email: Annotated[str, typer.Option(help="Address, for people; nothing is sent to it.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of making a link.")
    ] = False,
) -> None:
    """Add somebody, and print a link with which they set their password."""
    from core.auth import people  # noqa: PLC0415
    from core.launcher.embedded.urls import use_embedded_servers  # noqa: PLC0415

    use_embedded_servers()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    person = people.create(name, actor=CLI_ACTOR, role=role, email=email, password=password)
    print_line(f"{person.username} is an {person.role} now.")
    if not password_stdin:
        print_reset_link(person.id)


@app.command()
def reset_password(name: str) -> None:
    """Print a link with which somebody sets a new password, once and within an hour."""
    from core.auth import people  # noqa: PLC0415
    from core.launcher.embedded.urls import use_embedded_servers  # noqa: PLC0415

    use_embedded_servers()
    person = people.find_by_username(name)
    if person is None:
        raise NotFound(f"There is nobody called {name!r}")
    print_reset_link(person.id)


def print_reset_link(person_id: int) -> None:
    from core.auth import tickets  # noqa: PLC0415
    from core.auth.identity import Origin  # noqa: PLC0415

    token = tickets.issue_reset(CLI_ACTOR, person_id, Origin())
    # What stands after # stays in the browser: no server and no proxy writes it down.
    print_line(f"{settings().address}/reset#{token}")
    print_line("The link is good once and for an hour; whoever has it can sign in with it.")


def print_line(sentence: str) -> None:
    """Tell the person at the terminal, at once even when output goes to a file."""
    print(sentence, flush=True)  # noqa: T201


def validation_messages(error: ValidationError) -> list[str]:
    """Name each setting as it is written in the environment."""
    sentences = []
    for problem in error.errors():
        name = str(problem["loc"][0]).upper() if problem["loc"] else "A setting"
        sentences.append(f"{name} cannot be used: {problem['msg'].removeprefix('Value error, ')}")
    return sentences


def main() -> None:
    """Run a command; what goes wrong on purpose is one sentence, not a traceback."""
    try:
        app()
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        sys.exit(_print_error("\n".join(validation_messages(error)), EXIT_UNUSABLE_INPUT))
    except AlmanacError as error:
        sys.exit(_print_error(str(error), EXIT_UNUSABLE_INPUT if error.code == "bad_input" else EXIT_FAILED))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _print_error(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    main()
