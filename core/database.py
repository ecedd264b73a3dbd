"""The engine, transactions, and frames that are computed once per data version."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.engine import URL

from core import local
from core.settings import settings

if TYPE_CHECKING:
    from pandas import DataFrame

log = structlog.get_logger()
FRAMES_BYTES = 256 * 1024 * 1024

Key = tuple[object, ...]
Ask = Callable[[str, dict[str, Any]], "DataFrame"]


def address(given: str) -> URL:
    """Read a DATABASE_URL in any of its usual spellings; the driver is always psycopg 3."""
    url = make_url(given)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    return url


def database_url() -> str:
    given = settings().database_url
    return given or local.lease(settings().data_dir, pg_bin_dir=settings().pg_bin_dir, redis=False).database_url


@lru_cache(maxsize=1)
def engine() -> Engine:
    # A server that was restarted closes its connections: each is tried before it is used.
    return create_engine(
        address(database_url()),
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=15,
        hide_parameters=True,  # errors name what failed, never the values: some are nobody else's business
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c jit=off"},
    )


_bound: ContextVar[Engine | Connection | None] = ContextVar("bound", default=None)
_bound_everywhere: Engine | Connection | None = None


@contextmanager
def use(other: Engine | Connection, *, everywhere: bool = False) -> Iterator[None]:
    """Let everything in this block (and, if asked, in every thread) run on *other*: tests roll it back at the end."""
    global _bound_everywhere  # noqa: PLW0603 - threads that a test starts must see it too
    token = _bound.set(other)
    before, _bound_everywhere = _bound_everywhere, other if everywhere else _bound_everywhere
    frames.clear()
    try:
        yield
    finally:
        _bound.reset(token)
        _bound_everywhere = before
        frames.clear()


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


class Frames:
    """Frames by question and data version, bounded in bytes; each computed once however many ask.

    Nothing of an old version is kept, and a failure is told to all who wait but never kept.
    """

    def __init__(self, limit: int = FRAMES_BYTES) -> None:
        self.limit = limit
        self.held = 0
        self._lock = threading.Lock()
        self._version = -1
        self._frames: OrderedDict[Key, tuple[DataFrame, int]] = OrderedDict()
        self._coming: dict[Key, Future[DataFrame]] = {}

    def get(self, version: int, key: Key, compute: Any) -> DataFrame:
        with self._lock:
            if version > self._version:
                self._drop_all()
                self._version = version
            if (found := self._frames.get(key)) and version == self._version:
                self._frames.move_to_end(key)
                return found[0].copy(deep=False)
            coming = self._coming.get((version, *key))
            mine = coming is None
            if coming is None:
                coming = self._coming[version, *key] = Future()
        if not mine:
            return coming.result().copy(deep=False)
        return self._compute(version, key, compute, coming)

    def clear(self) -> None:
        with self._lock:
            self._drop_all()
            self._version = -1

    def _compute(self, version: int, key: Key, compute: Any, coming: Future[DataFrame]) -> DataFrame:
        try:
            frame: DataFrame = compute()
        except BaseException as error:
            coming.set_exception(error)
            raise
        else:
            coming.set_result(frame)
            self._keep(version, key, frame)
            return frame.copy(deep=False)
        finally:
            with self._lock:
                self._coming.pop((version, *key), None)

    def _keep(self, version: int, key: Key, frame: DataFrame) -> None:
        size = int(frame.memory_usage(index=True, deep=True).sum())
        with self._lock:
            if version != self._version or size > self.limit:
                return
            self._frames[key] = (frame, size)
            self.held += size
            while self.held > self.limit:
                self.held -= self._frames.popitem(last=False)[1][1]

    def _drop_all(self) -> None:
        self._frames.clear()
        self.held = 0


frames = Frames()
_version_of_run: ContextVar[int | None] = ContextVar("version_of_run", default=None)


def pin_version(version: int | None) -> None:
    """Let the rest of this script run read one data version, so that a page never mixes two."""
    _version_of_run.set(version)


def data_version() -> int:
    """The data version in Postgres now; 0 before anything was published."""
    with transaction() as connection:
        return connection.scalar(text("SELECT version FROM data_version")) or 0


def publish(connection: Connection, run_id: int | None = None) -> int:
    """Raise the data version in *connection*'s transaction; pages see it once that has committed."""
    version: int = connection.execute(
        text(
            "INSERT INTO data_version (version, run_id) VALUES (1, :run_id) ON CONFLICT (singleton) DO UPDATE"
            " SET version = data_version.version + 1, published_at = now(), run_id = excluded.run_id"
            " RETURNING version"
        ),
        {"run_id": run_id},
    ).scalar_one()
    return version


def read_frame(sql: str, *, fresh: bool = False, **values: Any) -> DataFrame:
    """Answer *sql* with *values* bound, from the cache while the data version is the same.

    `fresh=True` asks Postgres each time: for what no run publishes (tracking, runs, people). Cached SQL must not
    hold `now()`: bind moments. A `date` comes as text (select it as timestamptz), an array too. The frame is the
    caller's own; pandas copies what is written to. Its `attrs` say how it came to be: `sql` and `values`.
    """
    return _ask(sql, values) if fresh else once_per_version(_ask, sql, values)


def once_per_version(ask: Ask, sql: str, values: dict[str, Any]) -> DataFrame:
    """Let *ask* answer once per data version, however many want the same SQL with the same values."""
    version = _version_of_run.get()
    version = data_version() if version is None else version
    return frames.get(version, (ask, sql, _frozen(values)), lambda: ask(sql, values))


def _ask(sql: str, values: dict[str, Any]) -> DataFrame:
    import pandas as pd  # noqa: PLC0415 - half a second and 60 MB that the ingestor does not need

    with transaction() as connection:
        frame = pd.read_sql_query(text(sql), connection, params=values, dtype_backend="numpy_nullable")
    frame.attrs = {"sql": dedent(sql).strip(), "values": values}
    return frame


def _frozen(value: object) -> object:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    if isinstance(value, list | tuple | set):
        return tuple(_frozen(item) for item in value)
    return value
