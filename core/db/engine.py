"""The SQLAlchemy engine of this process, and transactions on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from core.db.errors import is_conflict, is_connection_error, is_server_unavailable, unavailable_reason
from core.errors import ServerUnavailable
from core.settings import settings

log = structlog.get_logger()
Result = TypeVar("Result")


def parse_database_url(database_url: str) -> URL:
    """Parse *database_url* with any of its usual schemes; the driver is always psycopg 3."""
    url = make_url(database_url)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    return url


_embedded_server_url: Callable[[], str] | None = None


def use_embedded_server(url: Callable[[], str]) -> None:
    """Get the URL from *url*, which may start a server, where DATABASE_URL is empty. Entry points call this once."""
    global _embedded_server_url  # noqa: PLW0603 - one provider per process, set by its entry point
    _embedded_server_url = url


def database_url() -> str:
    """Return DATABASE_URL, else the embedded server's URL. Raises ServerUnavailable where there is neither."""
    if configured := settings().database_url:
        return configured
    if _embedded_server_url is None:
        raise ServerUnavailable("DATABASE_URL is empty, and this process starts no embedded Postgres")
    return _embedded_server_url()


@lru_cache(maxsize=1)
def engine() -> Engine:
    return create_engine(
        parse_database_url(database_url()),
        pool_pre_ping=True,  # a restarted server closes its connections
        pool_size=5,
        max_overflow=15,
        hide_parameters=True,  # bound values may be secrets or personal data
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c jit=off"},
    )


_override: ContextVar[Engine | Connection | None] = ContextVar("bound", default=None)
_process_wide_override: Engine | Connection | None = None


@contextmanager
def override_engine(other: Engine | Connection, *, everywhere: bool) -> Iterator[None]:
    """Let `transaction` use *other* inside this block; `core.db.override.use_engine` also clears the frame cache.

    Applies to the current context, with *everywhere* to all threads.
    """
    global _process_wide_override  # noqa: PLW0603 - threads started by a test must see it too
    token = _override.set(other)
    before, _process_wide_override = _process_wide_override, other if everywhere else _process_wide_override
    try:
        yield
    finally:
        _override.reset(token)
        _process_wide_override = before


@contextmanager
def transaction() -> Iterator[Connection]:
    """Open a transaction that commits at the end of the block and rolls back on an error.

    Where a connection overrides the engine, the transaction is a savepoint on it.
    """
    bind = _override.get() or _process_wide_override or engine()
    if isinstance(bind, Connection):
        with bind.begin_nested():
            yield bind
    else:
        with bind.begin() as connection:
            yield connection


def retry_conflict(read: Callable[[], Result]) -> Result:
    """Call *read*, which writes nothing, and once more after a deadlock or a serialization failure."""
    try:
        return read()
    except Exception as error:
        if not is_conflict(error):
            raise
        log.warning("query repeated", reason=unavailable_reason(error))
    return read()


@contextmanager
def optional_write(connection: Connection) -> Iterator[None]:
    """Run a write that the caller can do without, in a savepoint.

    Where Postgres cannot write now, as on a full disk, the write is skipped and logged.
    """
    try:
        with connection.begin_nested():
            yield
    except DBAPIError as error:
        if is_connection_error(error) or not is_server_unavailable(error):
            raise
        log.warning("optional write skipped", reason=unavailable_reason(error))
