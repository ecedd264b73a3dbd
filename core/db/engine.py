"""The SQLAlchemy engine of this process, and transactions on it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg
import structlog
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from core.db import libpq
from core.db.errors import is_connection_error, is_server_unavailable, max_repeats, unavailable_reason
from core.server_urls import database_url
from core.settings import settings

log = structlog.get_logger()
Result = TypeVar("Result")


SESSION_SETTINGS = {"TimeZone": "UTC", "jit": "off", **libpq.SERVER_SETTINGS}
# Not as `options` of the connection, which poolers refuse or drop.
SESSION_SQL = "SELECT " + ", ".join(
    f"set_config('{name}', '{value}', false)" for name, value in SESSION_SETTINGS.items()
)


def create_engine_for(url: str, *, connect_timeout: int | None = None, **options: Any) -> Engine:
    """Create an engine for *url* with SQLAlchemy's *options*; it works through a pooler in transaction mode too.

    connect_timeout  in seconds, where the URL does not name one
    """
    limits = {"connect_timeout": str(connect_timeout)} if connect_timeout else {}
    made = create_engine(
        "postgresql+psycopg://",
        hide_parameters=True,  # bound values may be secrets or personal data
        # A pooler hands a prepared statement of one client to others, under the same name.
        connect_args={**limits, **libpq.parameters(url), "prepare_threshold": None},
        **options,
    )
    event.listen(made, "connect", _configure_session)
    return made


def _configure_session(connection: psycopg.Connection[Any], _record: object) -> None:
    try:
        connection.execute(SESSION_SQL)
        connection.commit()
    except BaseException:
        connection.close()
        raise


@lru_cache(maxsize=1)
def engine() -> Engine:
    return pooled_engine(database_url())


def direct_engine() -> Engine:
    """Return the engine of `direct_database_url()`, which is `engine()` where both URLs are the same."""
    direct = settings().database_direct_url
    return _direct_engine(direct) if direct else engine()


@lru_cache(maxsize=1)
def _direct_engine(url: str) -> Engine:
    return pooled_engine(url)


_pooled_engines: WeakSet[Engine] = WeakSet()


def pooled_engine(url: str, *, connect_timeout: int | None = None, **options: Any) -> Engine:
    """Create an engine with this process's pool sizes; `dispose_engines` closes its connections too."""
    made = create_engine_for(url, connect_timeout=connect_timeout, pool_size=10, max_overflow=10, **options)
    event.listen(made, "checkout", partial(_ping, made.dialect))
    _pooled_engines.add(made)
    return made


_repeats_on_lost_connection: ContextVar[bool] = ContextVar("repeats_on_lost_connection", default=False)


def _ping(dialect: Dialect, connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool replace a connection that a restarted server has closed, as `pool_pre_ping` does.

    Not before reads that are repeated then: the ping costs as much as a small query.
    """
    if _repeats_on_lost_connection.get():
        return
    try:
        dialect.do_ping(connection)
    except psycopg.Error as error:
        raise InvalidatePoolError from error


def dispose_engines() -> None:
    """Close the idle connections of `engine()` and `direct_engine()`, which start again when they are used."""
    for one in list(_pooled_engines):
        one.dispose()
    engine.cache_clear()
    _direct_engine.cache_clear()


_override: ContextVar[Engine | Connection | None] = ContextVar("bound", default=None)
_process_wide_override: Engine | Connection | None = None


@contextmanager
def override_engine(other: Engine | Connection, *, everywhere: bool) -> Iterator[None]:
    """Let `transaction` use *other* inside this block; `core.db.override.use_engine` also clears the caches.

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


def is_overridden() -> bool:
    """Return True inside `override_engine`."""
    return (_override.get() or _process_wide_override) is not None


_on_access: ContextVar[Callable[[], None] | None] = ContextVar("on_access", default=None)


@contextmanager
def watch_access(on_access: Callable[[], None] | None) -> Iterator[None]:
    """Call *on_access* at the start of each transaction and read in this block, of this context only."""
    token = _on_access.set(on_access)
    try:
        yield
    finally:
        _on_access.reset(token)


def _report_access() -> None:
    if on_access := _on_access.get():
        on_access()


@contextmanager
def transaction() -> Iterator[Connection]:
    """Open a transaction that commits at the end of the block and rolls back on an error.

    Where a connection overrides the engine, the transaction is a savepoint on it.
    """
    _report_access()
    bind = _override.get() or _process_wide_override or engine()
    if isinstance(bind, Connection):
        with bind.begin_nested():
            yield bind
    else:
        with bind.begin() as connection:
            yield connection


def read_rows(read: Callable[[Connection], Result]) -> Result:
    """Call *read*, which writes nothing, again after a conflict or a lost connection (as `retry_read`).

    Each of its statements is a transaction of its own, without the round trips of ping, BEGIN and COMMIT.
    """
    _report_access()
    token = _repeats_on_lost_connection.set(True)
    try:
        return retry_read(lambda: _read_by_statement(read))
    finally:
        _repeats_on_lost_connection.reset(token)


def _read_by_statement(read: Callable[[Connection], Result]) -> Result:
    bind = _override.get() or _process_wide_override or engine()
    if isinstance(bind, Connection):
        with bind.begin_nested():
            return read(bind)
    with bind.connect() as connection:
        return read(connection.execution_options(isolation_level="AUTOCOMMIT"))


def retry_read(read: Callable[[], Result]) -> Result:
    """Call *read*, which writes nothing, and again after a conflict (as `retry_conflicts`) or a lost connection."""

    def read_or_reconnect() -> Result:
        try:
            return read()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            log.warning("query repeated", reason=unavailable_reason(error))
        return read()

    return retry_conflicts(read_or_reconnect)


def retry_conflicts(transact: Callable[[], Result]) -> Result:
    """Call *transact*, whole transactions that are safe to repeat, and once more after a conflict.

    Up to three times more where Citus moved rows meanwhile: the next statement may meet the next move.
    """
    repeats = 0
    while True:
        try:
            return transact()
        except Exception as error:
            repeats += 1
            if repeats > max_repeats(error):
                raise
            log.warning("transaction repeated", reason=unavailable_reason(error))


def write_rows(write: Callable[[Connection], Result]) -> Result:
    """Call *write* in a `transaction`, and in another one after a conflict (as `retry_conflicts`).

    It must be safe to repeat once the database has rolled it back.
    """
    return _run(transaction, write)


def run_transaction(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """Call *work* in a transaction of *engine*, and in another one, as `write_rows`."""
    return _run(engine.begin, work)


def _run(begin: Callable[[], AbstractContextManager[Connection]], work: Callable[[Connection], Result]) -> Result:
    def transact() -> Result:
        with begin() as connection:
            return work(connection)

    return retry_conflicts(transact)


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
