"""Database migrations, run by Alembic without an ini file."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from core.db import libpq

MIGRATIONS_DIR = Path(__file__).parent


def is_current(url: str) -> bool:
    """Return whether the database at *url* has the newest revision, without importing Alembic."""
    newest = max(path.stem for path in (MIGRATIONS_DIR / "versions").glob("[0-9]*.py"))
    try:
        with psycopg.connect(libpq.conninfo(url)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return False
    return row is not None and newest.startswith(f"{row[0]}_")


def distribute_if_needed(url: str, progress: Callable[[str], None] = lambda _line: None) -> bool:
    """Spread the tables of a current database over the nodes of Citus; without Citus that costs one query."""
    from core.db import citus  # noqa: PLC0415 - the schema, which others do not need to start

    with psycopg.connect(libpq.conninfo(url)) as connection:
        if not citus.is_installed(connection):
            return False
    return citus.distribute(url, progress)


def upgrade(url: str) -> None:
    """Migrate the database at *url* to the newest revision. Concurrent calls wait for each other."""
    from alembic import command  # noqa: PLC0415 - half a second that a current database does not pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR))
    config.attributes["url"] = url
    command.upgrade(config, "head")
