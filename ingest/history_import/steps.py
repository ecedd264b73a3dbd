"""One connection, held for as long as an import's temporary tables are needed, and its transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from core.errors import ServerUnavailable


@dataclass(frozen=True)
class ImportConnection:
    """A connection and how to begin on it: in a transaction somebody else has open, a step is a savepoint."""

    connection: Connection
    is_nested: bool

    @contextmanager
    def step(self) -> Iterator[Connection]:
        """One transaction. What a crash of the server could lose of it is made good by the next import."""
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
    """Raises ServerUnavailable when the database refuses or goes away; what was committed by then stays."""
    try:
        if isinstance(database, Connection):
            yield ImportConnection(database, is_nested=database.in_transaction())
        else:
            with database.connect() as connection:
                yield ImportConnection(connection, is_nested=False)
    except (OperationalError, psycopg.OperationalError) as error:
        said = str(getattr(error, "orig", error)).splitlines()[0]
        raise ServerUnavailable(
            f"The database broke off the import ({said}); import it again, and it goes on where it stopped"
        ) from error
