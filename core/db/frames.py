"""Run SQL and return DataFrames, cached per data version."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.postgres import types
from sqlalchemy import Connection, text

from core.db import statement
from core.db.data_version import data_version, is_settled, newest_past
from core.db.engine import read_rows, watch_access
from core.db.replica import read_at_version
from core.shared_cache import SharedCache, fingerprint, shared_cache

if TYPE_CHECKING:
    from pandas import DataFrame

# By Postgres type; all others become text.
DTYPES: Mapping[str, str] = {
    "bool": "boolean",
    "int2": "Int64",
    "int4": "Int64",
    "int8": "Int64",
    "oid": "Int64",
    "float4": "Float64",
    "float8": "Float64",
    "numeric": "Float64",
    "interval": "timedelta64[us]",
}

CacheKey = tuple[object, ...]
Record = TypeVar("Record")
QueryFrame = Callable[[str, dict[str, Any]], "DataFrame"]


class CachedFrame:
    """A frame that the cache holds, which nobody changes."""

    def __init__(self, frame: DataFrame) -> None:
        self.frame = frame
        self._digest = b""

    def digest(self) -> bytes:
        """Return a digest of the rows; computed once."""
        self._digest = self._digest or fingerprint(self.frame)
        return self._digest


class FrameCache:
    """Frames of one version at a time, in the cache that all readers share."""

    def __init__(self, cache: SharedCache | None = None, name: str = "data") -> None:
        self._cache = shared_cache if cache is None else cache
        self._name = f"frames of the {name}"
        self._lock = threading.Lock()
        self._version = -1

    def get(self, version: int, key: CacheKey, compute: Callable[[], DataFrame]) -> DataFrame:
        """Return a shallow copy of the frame of *key*, as `find`."""
        return self.find(version, key, compute).frame.copy(deep=False)

    def find(self, version: int, key: CacheKey, compute: Callable[[], DataFrame]) -> CachedFrame:
        """Return the frame of *key* at *version*; calls *compute* unless it is cached.

        A newer *version* than before drops the frames of older ones, which are from then on computed but not cached.
        """
        with self._lock:
            if is_newer := version > self._version:
                self._version = version
        if is_newer:
            self._cache.discard(lambda stored: stored[0] == self._name and stored[1] != version)
        return self._cache.get(
            (self._name, version, *key),
            lambda: CachedFrame(compute()),
            lambda found: frame_bytes(found.frame),
            is_outdated=lambda: version != self._version,
        )

    def clear(self) -> None:
        with self._lock:
            self._version = -1
        self._cache.discard(lambda stored: stored[0] == self._name)


def frame_bytes(frame: DataFrame) -> int:
    return int(frame.memory_usage(index=True, deep=True).sum())


frame_cache = FrameCache()
past_frame_cache = FrameCache(name="past")
"""By the first version with the same past."""


def clear_frames() -> None:
    """Forget all frames, as for another database."""
    frame_cache.clear()
    past_frame_cache.clear()


_pinned_version: ContextVar[int | None] = ContextVar("version_of_run", default=None)


def pin_version(version: int | None) -> None:
    """Read data version *version* in the rest of this script run, so that a page never mixes two; None unpins it."""
    _pinned_version.set(version)


def pinned_version() -> int | None:
    """Return the data version that `pin_version` has set in this script run."""
    return _pinned_version.get()


def version_of_run() -> int:
    """Return the data version that this script run reads, else the current one."""
    pinned = pinned_version()
    return data_version() if pinned is None else pinned


def read_frame(sql: str, *, fresh: bool = False, only_until: datetime | None = None, **values: Any) -> DataFrame:
    """Run *sql* with *values* bound; cached until the data version changes.

    `only_until` says that the rows follow from what was captured until then, whatever is stored of later times: once
    settled, they stay cached until the past changes.
    `fresh=True` skips the cache: for tables written outside runs (tracking, ingestion, people). Cached SQL must not
    contain `now()`: bind timestamps. A column's type follows from its type in SQL, never from the values; a `date` and
    an array are returned as text (cast dates to timestamptz). The frame belongs to the caller: pandas copies on write.
    Its `attrs` contain `sql` and `values`.
    """
    return _read_fresh(sql, values) if fresh else cached_per_version(_query_frame, sql, values, only_until)


@dataclass(frozen=True)
class FreshRead:
    """A query that skipped the cache, and the rows that it returned."""

    sql: str
    values: Mapping[str, Any]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class VersionedRead:
    """A query whose rows follow from the data version, and a digest of those that it returned."""

    query: QueryFrame
    sql: str
    values: dict[str, Any]
    only_until: datetime | None
    digest: bytes


@dataclass(frozen=True)
class Reads:
    """The queries that a block of code ran, in order; a query of the data version once, by its key in the cache."""

    fresh: list[FreshRead] = field(default_factory=list)
    versioned: dict[CacheKey, VersionedRead] = field(default_factory=dict)


_reads: ContextVar[Reads | None] = ContextVar("reads", default=None)


@contextmanager
def collect_reads() -> Iterator[Reads]:
    """Collect what is read in this block, of this context only."""
    found = Reads()
    token = _reads.set(found)
    try:
        yield found
    finally:
        _reads.reset(token)


def have_equal_rows(reads: Collection[VersionedRead]) -> bool:
    """Return whether the queries return the same rows at this script run's data version."""
    return all(_cached(read.query, read.sql, read.values, read.only_until).digest() == read.digest for read in reads)


def are_unchanged(reads: Sequence[FreshRead]) -> bool:
    """Return whether the queries would return the same rows now."""

    def compare(connection: Connection) -> bool:
        return all(
            [tuple(row) for row in connection.execute(statement.text(read.sql), dict(read.values))] == read.rows
            for read in reads
        )

    return not reads or read_rows(compare)


def _read_fresh(sql: str, values: dict[str, Any]) -> DataFrame:
    with watch_access(None):
        described, rows = _query(sql, values)
    if (reads := _reads.get()) is not None:
        reads.fresh.append(FreshRead(sql, values, rows))
    return _to_frame(sql, values, described, rows)


def cached_per_version(
    query: QueryFrame, sql: str, values: dict[str, Any], only_until: datetime | None = None
) -> DataFrame:
    """Return `query(sql, values)`, called once per data version, or past, for the same SQL and values."""
    found = _cached(query, sql, values, only_until)
    if (reads := _reads.get()) is not None:
        read = VersionedRead(query, sql, values, only_until, found.digest())
        reads.versioned[query, sql, _to_hashable(values)] = read
    return found.frame.copy(deep=False)


def _cached(query: QueryFrame, sql: str, values: dict[str, Any], only_until: datetime | None) -> CachedFrame:
    version = version_of_run()

    def compute() -> DataFrame:
        with watch_access(None):  # what it reads follows from the version
            return read_at_version(version, lambda: query(sql, values))

    key = (query, sql, _to_hashable(values))
    if only_until is not None and is_settled(only_until):
        return past_frame_cache.find(newest_past.version_for(version), key, compute)
    return frame_cache.find(version, key, compute)


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
    return _to_frame(sql, values, *_query(sql, values))


def _query(sql: str, values: dict[str, Any]) -> tuple[Sequence[Any], list[tuple[Any, ...]]]:
    """Return psycopg's description of the columns, and the rows."""

    def read(connection: Connection) -> tuple[Sequence[Any], list[tuple[Any, ...]]]:
        result = connection.execute(text(sql), values)
        cursor: Any = result.cursor
        return cursor.description, [tuple(row) for row in result]

    return read_rows(read)


def _to_frame(sql: str, values: dict[str, Any], described: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> DataFrame:
    import pandas as pd  # noqa: PLC0415 - half a second and 60 MB that the ingestor does not need

    columns = list(zip(*rows, strict=True)) or [()] * len(described)
    frame = pd.DataFrame(
        {column.name: _typed(columns[number], column.type_code) for number, column in enumerate(described)}
    )
    frame.attrs = query_attrs(sql, values)
    return frame


class BoundValues(dict[str, Any]):
    """The values of a query, which nobody changes: pandas copies `attrs` deeply with each operation on a frame."""

    def __deepcopy__(self, memo: dict[int, Any]) -> BoundValues:
        return self


def query_attrs(sql: str, values: Mapping[str, Any]) -> dict[Hashable, Any]:
    """Return the `attrs` of a frame that *sql* with *values* returned."""
    return {"sql": dedent(sql).strip(), "values": BoundValues(values)}


def _typed(values: Sequence[Any], oid: int) -> Any:
    """Return a column of *values* with the type of its Postgres type, whatever the values: all may be null."""
    import pandas as pd  # noqa: PLC0415 - as in `_query_frame`

    known = types.get(oid)
    kind = known.name if known else ""
    if kind == "timestamptz":
        return pd.DatetimeIndex(list(values), dtype="datetime64[us, UTC]").array
    if kind == "numeric":
        values = [None if value is None else float(value) for value in values]
    dtype = DTYPES.get(kind, "string")
    if dtype == "string":
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    return pd.array(values, dtype=dtype)  # type: ignore[call-overload]


def _to_hashable(value: object) -> object:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _to_hashable(item)) for key, item in value.items()))
    if isinstance(value, list | tuple | set):
        return tuple(_to_hashable(item) for item in value)
    return value
