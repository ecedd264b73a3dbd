"""Migrated databases for tests, on the embedded Postgres; `tests.citus_databases` has the same on a cluster."""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import Engine, text

from core.launcher.embedded import Servers
from tests.reusable_database import ReusableDatabase, sole_connection

TEMPLATE_DATABASE = "almanac_template"


def scalar(engine: Engine, statement: str, **values: object) -> Any:
    """Return the first value that *statement* returns, in a transaction of its own."""
    with engine.begin() as connection:
        return connection.scalar(text(statement), values)


class Databases(Protocol):
    """Makes migrated databases; each is gone, or as good as new, when its block ends."""

    def cloned(self) -> AbstractContextManager[str]:
        """Yield the URL of a new one, which is dropped in the end."""

    def emptied(self) -> AbstractContextManager[str]:
        """Yield the URL of one without rows, which others used before."""

    def close(self) -> None:
        """Drop those that wait for the next use."""


class EmbeddedDatabases:
    """Clones of a database that has been migrated once: cloning it takes a moment, migrating does not."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self._spare: list[ReusableDatabase] = []
        self._prepare_template()

    @contextmanager
    def cloned(self) -> Iterator[str]:
        name = self._clone()
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    @contextmanager
    def emptied(self) -> Iterator[str]:
        """Yield a database like a clone, under a name that none had before: what another test left cannot reach it."""
        if self._spare:
            database = self._spare.pop()
            with self._admin_connection() as admin:
                name = new_name()
                admin.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                        sql.Identifier(database.name), sql.Identifier(name)
                    )
                )
                database.name = name
        else:
            name = self._clone()
            with self._admin_connection() as admin, sole_connection(admin, self._dsn(name)) as connection:
                database = ReusableDatabase.learn(name, connection)
        try:
            yield self._url(database.name)
        finally:
            is_restored = False
            try:
                dsn = self._dsn(database.name)
                with self._admin_connection() as admin, sole_connection(admin, dsn) as connection:
                    is_restored = database.restore(connection)
            finally:
                if is_restored:
                    self._spare.append(database)
                else:
                    self._drop(database.name)

    def close(self) -> None:
        for database in self._spare:
            self._drop(database.name)

    def _prepare_template(self) -> None:
        from core.db.migrations import upgrade

        with self._template_lock(), self._admin_connection() as admin:
            found = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE_DATABASE]).fetchone()
            if not found:
                # Under another name until it is whole, so that a failed migration is not taken for it.
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS almanac_new"))
                admin.execute(sql.SQL("CREATE DATABASE almanac_new"))
                upgrade(self._url("almanac_new"))
                template = sql.Identifier(TEMPLATE_DATABASE)
                admin.execute(sql.SQL("ALTER DATABASE almanac_new RENAME TO {}").format(template))

    @contextmanager
    def _template_lock(self) -> Iterator[None]:
        with (self.folder / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _url(self, name: str) -> str:
        return self.servers.database_url.replace("/almanac?", f"/{name}?", 1)

    def _dsn(self, name: str) -> str:
        return self._url(name).replace("+psycopg", "")

    def _admin_connection(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.servers.database_url.replace("+psycopg", ""), autocommit=True)

    def _clone(self) -> str:
        name = new_name()
        # A template can be copied by one connection at a time.
        with self._template_lock(), self._admin_connection() as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE_DATABASE)
                )
            )
        return name

    def _drop(self, name: str) -> None:
        with self._admin_connection() as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def new_name() -> str:
    return f"test_{uuid4().hex[:12]}"
