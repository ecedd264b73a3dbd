"""One connection, held for as long as an import's temporary tables are needed, and its transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text


@dataclass(frozen=True)
class Steps:
    """A connection and how to begin on it: in a transaction somebody else has open, a step is a savepoint."""

    connection: Connection
    nested: bool

    @contextmanager
    def step(self) -> Iterator[Connection]:
        """One transaction. What a crash of the server could lose of it is made good by the next import."""
        with self.connection.begin_nested() if self.nested else self.connection.begin():
            self.connection.execute(text("SET LOCAL synchronous_commit = off"))
            self.connection.execute(text("SET LOCAL work_mem = '128MB'"))
            yield self.connection

    @property
    def is_alive(self) -> bool:
        return not (self.connection.closed or self.connection.invalidated)


@contextmanager
def connected(database: Engine | Connection) -> Iterator[Steps]:
    if isinstance(database, Connection):
        yield Steps(database, nested=database.in_transaction())
        return
    with database.connect() as connection:
        yield Steps(connection, nested=False)
