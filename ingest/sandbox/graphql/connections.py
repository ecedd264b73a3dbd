"""GraphQL connections: cursors, pages and their bounds."""

import json
from base64 import b64decode, b64encode
from binascii import Error
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.sandbox.graphql.selections import FieldRefused, GraphObject

MAX_ITEMS = 100
SortKey = Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """One page of a connection: its items in order, and whether more lie before and after."""

    items: Sequence[Any]
    total: int
    start: int
    key: SortKey
    has_bounds: bool

    def page_info(self) -> GraphObject:
        row = {
            "__typename": "PageInfo",
            "hasNextPage": self.start + len(self.items) < self.total,
            "hasPreviousPage": self.start > 0,
        }
        return GraphObject("PageInfo", row, self)

    def cursor(self, index: int) -> str | None:
        return encode_cursor(self.key(self.items[index])) if self.items else None


def paginate(
    name: str,
    ordered: Sequence[Any],
    values: Mapping[str, Any],
    key: SortKey,
    *,
    descending: bool = False,
    shift: int = 0,
) -> ConnectionPage:
    """Cut a page from *ordered*, which ascends by *key*; *descending* pages come from its end.

    A cursor is a value, not a position: an item that moves across it between two pages appears twice or never.
    """
    first, last = values.get("first"), values.get("last")
    for word, size in (("first", first), ("last", last)):
        _check_size(name, word, size)
    total = len(ordered)
    start, stop = _bounds(ordered, values, key, descending=descending)
    if values.get("after"):
        start = max(start + shift, 0)
    if first is not None:
        stop = min(stop, start + first)
    elif last is not None:
        start = max(start, stop - last)
    items = [ordered[total - 1 - at] for at in range(start, stop)] if descending else ordered[start:stop]
    return ConnectionPage(items, total, start, key, first is not None or last is not None)


def count_connection(type_name: str, total: int) -> GraphObject:
    """Make a connection that has only a total count."""
    return GraphObject(type_name, {"__typename": type_name, "totalCount": total})


def require_bounds(name: str, page: ConnectionPage) -> ConnectionPage:
    """Return *page* where a `first` or `last` was given, as GitHub demands before it lists anything."""
    if not page.has_bounds:
        message = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        raise FieldRefused("MISSING_PAGINATION_BOUNDARIES", message)
    return page


def encode_cursor(key: tuple[Any, ...]) -> str:
    return b64encode(b"cursor:v2:" + json.dumps(key).encode()).decode()


def _decode_cursor(text: str) -> tuple[Any, ...]:
    try:
        return tuple(json.loads(b64decode(text, validate=True).removeprefix(b"cursor:v2:")))
    except (Error, ValueError, TypeError) as error:
        message = f"`{text}` does not appear to be a valid cursor."
        raise FieldRefused("INVALID_CURSOR_ARGUMENTS", message) from error


def _bounds(ordered: Sequence[Any], values: Mapping[str, Any], key: SortKey, *, descending: bool) -> tuple[int, int]:
    after, before = values.get("after"), values.get("before")
    start, stop = 0, len(ordered)
    if after:
        target = _decode_cursor(after)
        start = stop - bisect_left(ordered, target, key=key) if descending else bisect_right(ordered, target, key=key)
    if before:
        target = _decode_cursor(before)
        total = len(ordered)
        stop = total - bisect_right(ordered, target, key=key) if descending else bisect_left(ordered, target, key=key)
    return start, stop


def _check_size(name: str, word: str, size: int | None) -> None:
    if size is None:
        return
    if size > MAX_ITEMS:
        message = f"Requesting {size} records on the `{name}` connection exceeds the `{word}` limit of 100 records."
        raise FieldRefused("EXCESSIVE_PAGINATION", message)
    if size < 0:
        raise FieldRefused("INVALID_PAGINATION", f"`{word}` on the `{name}` connection cannot be less than zero.")
