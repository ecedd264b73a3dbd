"""The SQLAlchemy engine of this process, and transactions on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL

from core.errors import ServerUnavailable
from core.settings import settings


def parse_database_url(given: str) -> URL:
    """Read a DATABASE_URL in any of its usual spellings; the driver is always psycopg 3."""
    url = make_url(given)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    return url


_url_of_embedded_server: Callable[[], str] | None = None


def use_embedded_server(url: Callable[[], str]) -> None:
    """Ask *url*, which may start a server, for the URL where DATABASE_URL is empty. Entry points call this once."""
    global _url_of_embedded_server  # noqa: PLW0603 - one provider per process, set by its entry point
    _url_of_embedded_server = url


def database_url() -> str:
    """Return DATABASE_URL, else the embedded server's URL. Raises ServerUnavailable where there is neither."""
    if given := settings().database_url:
        return given
    if _url_of_embedded_server is None:
        raise ServerUnavailable("DATABASE_URL is empty, and this process starts no embedded Postgres")
    return _url_of_embedded_server()


@lru_cache(maxsize=1)
def engine() -> Engine:
    # A server that was restarted closes its connections: each is tried before it is used.
    return create_engine(
        parse_database_url(database_url()),
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=15,
        hide_parameters=True,  # errors name what failed, never the values: some are nobody else's business
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c jit=off"},
    )


_bound: ContextVar[Engine | Connection | None] = ContextVar("bound", default=None)
_bound_everywhere: Engine | Connection | None = None


@contextmanager
def bind(other: Engine | Connection, *, everywhere: bool) -> Iterator[None]:
    """Let `transaction` use *other* inside this block. Callers use `core.db.override.use`, which clears the frames."""
    global _bound_everywhere  # noqa: PLW0603 - threads that a test starts must see it too
    token = _bound.set(other)
    before, _bound_everywhere = _bound_everywhere, other if everywhere else _bound_everywhere
    try:
        yield
    finally:
        _bound.reset(token)
        _bound_everywhere = before


@contextmanager
def transaction() -> Iterator[Connection]:
    """A connection whose work is committed at the end of the block, or undone by an error."""
    at = _bound.get() or _bound_everywhere or engine()
    if isinstance(at, Connection):
        with at.begin_nested():
            yield at
    else:
        with at.begin() as connection:
            yield connection
