"""GraphQL connections: cursors, pages and what may be asked of them."""

import json
from base64 import b64decode, b64encode
from binascii import Error
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.sandbox.plan import Refused, Thing

MOST_ITEMS = 100
Key = Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of a connection: its items, in order, and what lies around them."""

    items: Sequence[Any]
    total: int
    start: int
    key: Key
    bounded: bool

    def page_info(self) -> Thing:
        row = {
            "__typename": "PageInfo",
            "hasNextPage": self.start + len(self.items) < self.total,
            "hasPreviousPage": self.start > 0,
        }
        return Thing("PageInfo", row, self)

    def cursor(self, index: int) -> str | None:
        return cursor(self.key(self.items[index])) if self.items else None


def cut(
    name: str, ordered: Sequence[Any], values: Mapping[str, Any], key: Key, *, descending: bool = False, shift: int = 0
) -> Slice:
    """Cut a page from *ordered*, which ascends by *key*; *descending* pages come from its end.

    A cursor is a value, not a place: whoever moves across it between two pages comes twice or never.
    """
    first, last = values.get("first"), values.get("last")
    for word, asked in (("first", first), ("last", last)):
        _check(name, word, asked)
    total = len(ordered)
    start, stop = _bounds(ordered, values, key, descending=descending)
    if values.get("after"):
        start = max(start + shift, 0)
    if first is not None:
        stop = min(stop, start + first)
    elif last is not None:
        start = max(start, stop - last)
    items = [ordered[total - 1 - at] for at in range(start, stop)] if descending else ordered[start:stop]
    return Slice(items, total, start, key, first is not None or last is not None)


def counted(type_name: str, total: int) -> Thing:
    """Make a connection of which only the number is told."""
    return Thing(type_name, {"__typename": type_name, "totalCount": total})


def bounded(name: str, page: Slice) -> Slice:
    """Return *page* where a `first` or `last` was given, as GitHub demands before it lists anything."""
    if not page.bounded:
        message = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        raise Refused("MISSING_PAGINATION_BOUNDARIES", message)
    return page


def cursor(key: tuple[Any, ...]) -> str:
    return b64encode(b"cursor:v2:" + json.dumps(key).encode()).decode()


def _key_of(text: str) -> tuple[Any, ...]:
    try:
        return tuple(json.loads(b64decode(text, validate=True).removeprefix(b"cursor:v2:")))
    except (Error, ValueError, TypeError) as error:
        message = f"`{text}` does not appear to be a valid cursor."
        raise Refused("INVALID_CURSOR_ARGUMENTS", message) from error


def _bounds(ordered: Sequence[Any], values: Mapping[str, Any], key: Key, *, descending: bool) -> tuple[int, int]:
    after, before = values.get("after"), values.get("before")
    start, stop = 0, len(ordered)
    if after:
        target = _key_of(after)
        start = stop - bisect_left(ordered, target, key=key) if descending else bisect_right(ordered, target, key=key)
    if before:
        target = _key_of(before)
        total = len(ordered)
        stop = total - bisect_right(ordered, target, key=key) if descending else bisect_left(ordered, target, key=key)
    return start, stop


def _check(name: str, word: str, asked: int | None) -> None:
    if asked is None:
        return
    if asked > MOST_ITEMS:
        message = f"Requesting {asked} records on the `{name}` connection exceeds the `{word}` limit of 100 records."
        raise Refused("EXCESSIVE_PAGINATION", message)
    if asked < 0:
        raise Refused("INVALID_PAGINATION", f"`{word}` on the `{name}` connection cannot be less than zero.")
