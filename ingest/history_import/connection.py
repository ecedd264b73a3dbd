"""The connection of an import, kept open as long as its temporary tables are needed, and its transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from core.db.errors import DISK_FULL, reported_reason
from core.errors import ServerUnavailable, first_line


@dataclass(frozen=True)
class ImportConnection:
    """A connection whose steps are transactions, or savepoints if the caller's transaction is open."""

    connection: Connection
    is_nested: bool

    @contextmanager
    def step(self) -> Iterator[Connection]:
        """Run one transaction, committed asynchronously: the next import repairs what a server crash loses."""
        with self.connection.begin_nested() if self.is_nested else self.connection.begin():
            self.connection.execute(text("SET LOCAL synchronous_commit = off"))
            self.connection.execute(text("SET LOCAL work_mem = '128MB'"))
            yield self.connection

    @property
    def is_alive(self) -> bool:
        driver = None if self.connection.closed else self.connection.connection.driver_connection
        return isinstance(driver, psycopg.Connection) and not driver.broken


@contextmanager
def import_connection(database: Engine | Connection) -> Iterator[ImportConnection]:
    """Open the connection. Raises ServerUnavailable if it is refused or lost; committed steps are kept."""
    try:
        if isinstance(database, Connection):
            yield ImportConnection(database, is_nested=database.in_transaction())
        else:
            with database.connect() as connection:
                yield ImportConnection(connection, is_nested=False)
    except (OperationalError, psycopg.OperationalError) as error:
        if reported_reason(error) == DISK_FULL:
            raise ServerUnavailable(
                "The disk of Postgres is full. What was imported so far is kept: free some space, then run the import"
                " again to continue it"
            ) from error
        reason = first_line(getattr(error, "orig", error))
        raise ServerUnavailable(
            f"The database connection of the import was lost ({reason}); run the import again to continue it"
        ) from error
