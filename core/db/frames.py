"""DataFrames of SQL answers, computed once per data version and cached."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import text

from core.db.data_version import data_version
from core.db.engine import transaction

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_CACHE_BYTES = 256 * 1024 * 1024

CacheKey = tuple[object, ...]
Record = TypeVar("Record")
ComputeFrame = Callable[[str, dict[str, Any]], "DataFrame"]


class FrameCache:
    """Frames by question and data version, bounded in bytes; each computed once however many ask.

    Nothing of an old version is kept, and a failure is told to all who wait but never kept.
    """

    def __init__(self, limit: int = MAX_CACHE_BYTES) -> None:
        self.limit = limit
        self.held = 0
        self._lock = threading.Lock()
        self._version = -1
        self._frames: OrderedDict[CacheKey, tuple[DataFrame, int]] = OrderedDict()
        self._pending: dict[CacheKey, Future[DataFrame]] = {}

    def get(self, version: int, key: CacheKey, compute: Any) -> DataFrame:
        with self._lock:
            if version > self._version:
                self._clear_frames()
                self._version = version
            if (found := self._frames.get(key)) and version == self._version:
                self._frames.move_to_end(key)
                return found[0].copy(deep=False)
            coming = self._pending.get((version, *key))
            mine = coming is None
            if coming is None:
                coming = self._pending[version, *key] = Future()
        if not mine:
            return coming.result().copy(deep=False)
        return self._compute(version, key, compute, coming)

    def clear(self) -> None:
        with self._lock:
            self._clear_frames()
            self._version = -1

    def _compute(self, version: int, key: CacheKey, compute: Any, coming: Future[DataFrame]) -> DataFrame:
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
                self._pending.pop((version, *key), None)

    def _keep(self, version: int, key: CacheKey, frame: DataFrame) -> None:
        size = int(frame.memory_usage(index=True, deep=True).sum())
        with self._lock:
            if version != self._version or size > self.limit:
                return
            self._frames[key] = (frame, size)
            self.held += size
            while self.held > self.limit:
                self.held -= self._frames.popitem(last=False)[1][1]

    def _clear_frames(self) -> None:
        self._frames.clear()
        self.held = 0


frame_cache = FrameCache()
_pinned_version: ContextVar[int | None] = ContextVar("version_of_run", default=None)


def pin_version(version: int | None) -> None:
    """Let the rest of this script run read one data version, so that a page never mixes two."""
    _pinned_version.set(version)


def read_frame(sql: str, *, fresh: bool = False, **values: Any) -> DataFrame:
    """Answer *sql* with *values* bound, from the cache while the data version is the same.

    `fresh=True` asks Postgres each time: for what no run publishes (tracking, runs, people). Cached SQL must not
    hold `now()`: bind moments. A `date` comes as text (select it as timestamptz), an array too. The frame is the
    caller's own; pandas copies what is written to. Its `attrs` say how it came to be: `sql` and `values`.
    """
    return _query_frame(sql, values) if fresh else cached_per_version(_query_frame, sql, values)


def cached_per_version(ask: ComputeFrame, sql: str, values: dict[str, Any]) -> DataFrame:
    """Let *ask* answer once per data version, however many want the same SQL with the same values."""
    version = _pinned_version.get()
    version = data_version() if version is None else version
    return frame_cache.get(version, (ask, sql, _to_hashable(values)), lambda: ask(sql, values))


def derived(frame: DataFrame, source: DataFrame) -> DataFrame:
    """Return *frame* with the SQL and values of *source*, the frame it was computed from."""
    copy = frame.copy(deep=False)
    copy.attrs = dict(source.attrs)
    return copy


def first_record(frame: DataFrame, record: Callable[..., Record]) -> Record | None:
    """Build a *record* from the first row, its fields named like the columns; None without rows.

    Nulls become None, timestamps `datetime`, numpy's numbers Python's.
    """
    if frame.empty:
        return None
    return record(**{str(name): _to_python(column.iloc[0]) for name, column in frame.items()})


def single_record(frame: DataFrame, record: Callable[..., Record]) -> Record:
    """Build a *record* from the only row, as `first_record`. Raises LookupError without rows."""
    found = first_record(frame, record)
    if found is None:
        raise LookupError("the query returned no row")
    return found


def first_value(frame: DataFrame) -> Any:
    """Return the first column of the first row as a Python value; None without rows or where it is null."""
    return None if frame.empty else _to_python(frame.iat[0, 0])


def _to_python(value: Any) -> Any:
    import pandas as pd  # noqa: PLC0415 - as in `_query_frame`

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    if isinstance(value, pd.Timedelta):
        return value.to_pytimedelta()
    return value.item() if hasattr(value, "item") else value


def _query_frame(sql: str, values: dict[str, Any]) -> DataFrame:
    import pandas as pd  # noqa: PLC0415 - half a second and 60 MB that the ingestor does not need

    with transaction() as connection:
        frame = pd.read_sql_query(text(sql), connection, params=values, dtype_backend="numpy_nullable")
    frame.attrs = {"sql": dedent(sql).strip(), "values": values}
    return frame


def _to_hashable(value: object) -> object:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _to_hashable(item)) for key, item in value.items()))
    if isinstance(value, list | tuple | set):
        return tuple(_to_hashable(item) for item in value)
    return value
