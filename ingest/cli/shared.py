"""Arguments, exit codes and connections that several commands of `python -m ingest` use."""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer
from sqlalchemy import Engine

from core import redis_client, server_urls
from core.command_line import EXIT_UNUSABLE_INPUT
from core.db import engine, migrations
from core.db.pooler import check_sessions
from core.settings import settings
from core.tracking.login import BadLogin, parse_name
from ingest.cli import output
from ingest.github import GitHub


def _refuse_unknown_options(texts: list[str] | None) -> list[str] | None:
    """Refuse unknown options, which arrive as logins with LOGIN_ARGUMENTS."""
    for text in texts or []:
        if text.startswith("--"):
            raise typer.BadParameter(f"there is no option {text}; write a login that begins with hyphens as @{text}")
    return texts


# Some logins begin with a hyphen.
LOGIN_ARGUMENTS = {"ignore_unknown_options": True}
Logins = Annotated[
    list[str] | None,
    typer.Argument(
        help="Logins, or URLs of accounts and repositories.", show_default=False, callback=_refuse_unknown_options
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def require_logins(logins: list[str] | None, purpose: str) -> list[str]:
    """Return *logins*; without any, say that one is needed *purpose*, and exit."""
    if not logins:
        output.err.print(f"Name an account {purpose}.")
        raise typer.Exit(EXIT_UNUSABLE_INPUT)
    return logins


def print_owners(texts: Iterable[str]) -> None:
    """Say of each repository in *texts* that its owner is meant."""
    for text in texts:
        with suppress(BadLogin):
            name = parse_name(text)
            if name.full_name:
                output.err.print(f"{name.full_name} is a repository; taking its owner {name.login}")


def migrate_if_needed() -> None:
    """Connect to Postgres and upgrade the schema to the newest revision."""
    url = server_urls.direct_database_url()
    if not migrations.is_current(url):
        migrations.upgrade(url)


def direct_engine() -> Engine:
    """Return an engine whose sessions can hold locks. Raises BadInput where the configured one cannot."""
    check_sessions(server_urls.direct_database_url())
    return engine.direct_engine()


@contextmanager
def github_client() -> Iterator[GitHub]:
    with GitHub.from_settings(settings(), redis_client.redis()) as client:
        yield client


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets, to stop after the current account; the second one aborts."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    previous = {name: signal.signal(name, on_signal) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
