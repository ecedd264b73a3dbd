"""Pages of REST lists and the Link header that joins them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page:
    """The requested part of a list; invalid numbers mean the default, as on GitHub."""

    number: int
    size: int

    @classmethod
    def of(cls, query: Mapping[str, str], *, default: int = 30, most: int = 100) -> "Page":
        return cls(_positive_int(query.get("page"), 1), min(_positive_int(query.get("per_page"), default), most))

    def cut(self, items: Sequence[Item], shift: int = 0) -> Sequence[Item]:
        """Return the items of this page. *shift* moves every page but the first: the list moved in between."""
        start = (self.number - 1) * self.size
        start = start if self.number == 1 else max(start + shift, 0)
        return items[start : start + self.size]

    def link_header(self, url: str, query: Mapping[str, str], total: int) -> str | None:
        """Write the Link header in GitHub's order: prev, next, last, first; None where all fits one page."""
        last = max(-(-total // self.size), 1)
        kept = {name: value for name, value in query.items() if name != "page"}
        rels: dict[str, int] = {}
        if self.number > 1:
            rels["prev"] = min(self.number - 1, last)
        if self.number < last:
            rels |= {"next": self.number + 1, "last": last}
        if self.number > 1:
            rels["first"] = 1
        parts = [f'<{url}?{urlencode(kept | {"page": str(page)})}>; rel="{rel}"' for rel, page in rels.items()]
        return ", ".join(parts) or None


def _positive_int(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else default
