"""Arguments, exit codes and connections that several commands of `python -m ingest` use."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from core import redis_client
from core.db import engine, migrations
from core.settings import settings
from ingest.github import GitHub

Logins = Annotated[list[str] | None, typer.Argument(help="Logins, or URLs of GitHub profiles.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

EXIT_FAILED, EXIT_UNUSABLE_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def migrate_if_needed() -> None:
    """Connect to Postgres and upgrade the schema to the newest revision."""
    url = engine.database_url()
    if not migrations.is_current(url):
        migrations.upgrade(url)


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
