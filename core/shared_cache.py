"""One cache of this process for what all readers share: rows, charts, tables and pages, bounded in bytes together."""

import pickle
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from hashlib import blake2b
from io import BytesIO
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from cachetools import LRUCache

MAX_CACHE_BYTES = 256 * 1024 * 1024
ENTRY_BYTES = 500  # what an entry needs beside its value: key, bookkeeping

Value = TypeVar("Value")
Parameters = ParamSpec("Parameters")
Key = tuple[Hashable, ...]


class Entry(NamedTuple):
    value: Any
    size: int


class SharedCache:
    """A thread-safe LRU cache, bounded in bytes.

    Concurrent callers of the same key share one computation. An error is raised in all of them and not cached.
    """

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self._lock = threading.Lock()
        self._entries: LRUCache[Key, Entry] = LRUCache(max_bytes, getsizeof=lambda entry: entry.size)
        self._pending: dict[Key, Future[Any]] = {}
        self.hits = 0
        self.misses = 0

    @property
    def stored_bytes(self) -> int:
        return int(self._entries.currsize)

    @property
    def max_bytes(self) -> int:
        return int(self._entries.maxsize)

    def find(self, key: Key) -> Any:
        """Return the value of *key*; None unless it is cached."""
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry.value

    def put(self, key: Key, value: object, size: int) -> None:
        """Cache *value*, of *size* bytes, in place of what *key* had."""
        with self._lock:
            self._entries.pop(key, None)
            if size <= self._entries.maxsize:
                self._entries[key] = Entry(value, size)

    def get(
        self,
        key: Key,
        compute: Callable[[], Value],
        size_of: Callable[[Value], int],
        *,
        is_outdated: Callable[[], bool] = lambda: False,
    ) -> Value:
        """Return the value of *key*, which belongs to all callers; calls *compute* unless it is cached.

        is_outdated  whether to drop the computed value instead of caching it
        """
        with self._lock:
            if entry := self._entries.get(key):
                self.hits += 1
                return cast("Value", entry.value)
            self.misses += 1
            pending = self._pending.get(key)
            is_first = pending is None
            if pending is None:
                pending = self._pending[key] = Future()
        if not is_first:
            return cast("Value", pending.result())
        with self._finished(key, pending):
            value = compute()
            pending.set_result(value)
            # Measured outside the lock: it takes long for text columns.
            entry = Entry(value, size_of(value))
            with self._lock:
                if entry.size <= self._entries.maxsize and not is_outdated():
                    self._entries[key] = entry
            return value

    def discard(self, is_outdated: Callable[[Key], bool]) -> None:
        """Drop the values whose keys *is_outdated* says so of."""
        with self._lock:
            for key in [key for key in self._entries if is_outdated(key)]:
                del self._entries[key]

    @contextmanager
    def _finished(self, key: Key, pending: "Future[Any]") -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if not pending.done():
                pending.set_exception(error)
            raise
        finally:
            with self._lock:
                self._pending.pop(key, None)


shared_cache = SharedCache()


def memoized(
    function: Callable[Parameters, Value],
    size_of: Callable[[Value], int],
    *args: Parameters.args,
    **kwargs: Parameters.kwargs,
) -> Value:
    """Return `function(*args, **kwargs)`, computed once for equal arguments and shared: nobody may change it.

    The function's value must follow from its arguments alone. Frames are equal whose rows are, whatever their `attrs`.
    A new data version with the same rows computes nothing again.
    """
    # A function that is not of a module could read more than its arguments; pickle refuses it.
    key = fingerprint((function, args, kwargs))
    return shared_cache.get((key,), lambda: function(*args, **kwargs), lambda value: size_of(value) + ENTRY_BYTES)


def fingerprint(value: object) -> bytes:
    """Return a digest of the content of *value*: of any depth, with frames and arrays; `attrs` of frames left out."""
    digest, content, buffers = blake2b(digest_size=20), BytesIO(), cast("list[pickle.PickleBuffer]", [])
    _ContentPickler(content, protocol=5, buffer_callback=buffers.append).dump(value)
    digest.update(content.getbuffer())
    for buffer in buffers:
        with buffer.raw() as raw:
            # Lengths, so that two buffers never read like two others that are cut elsewhere.
            digest.update(raw.nbytes.to_bytes(8))
            digest.update(raw)
    return digest.digest()


class _ContentPickler(pickle.Pickler):
    """Writes frames and series as labels and arrays: without their `attrs`, and not as pandas happens to store them."""

    def reducer_override(self, value: Any) -> Any:
        kind = type(value).__name__
        if kind == "DataFrame":
            columns = [column.array for _, column in value.items()]
            return _content, (kind, list(value.columns), columns, value.index)
        if kind == "Series":
            return _content, (kind, value.name, value.array, value.index)
        if kind == "ArrowExtensionArray":
            # Pickled as it is, it would be another one once anybody has counted its nulls.
            import pyarrow as pa  # noqa: PLC0415 - who has such an array has loaded it

            chunks = value.__arrow_array__().chunks
            return _content, (kind, str(value.dtype), [pa.record_batch([one], ["_"]).serialize() for one in chunks])
        if kind.endswith("Dtype") and hasattr(value, "numpy_dtype"):
            # Columns share it; pickled as it is, it would be another one once anybody has asked for its properties.
            return _content, (kind, str(value))
        if kind == "RangeIndex":
            return _content, (kind, value.name, value.start, value.stop, value.step)
        return NotImplemented


def _content(*parts: object) -> tuple[object, ...]:
    return parts
