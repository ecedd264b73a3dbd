"""The search of the whole site: accounts, repositories, languages and pages in one list, for pages and API."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

import pandas as pd
from pandas import DataFrame

from core.as_of import as_of_text
from core.queries import search
from core.site_pages import find_pages

Kind = Literal["account", "repository", "language", "page"]


@dataclass(frozen=True)
class Hit:
    """A result of a search. `path` is the page that shows it, without its parameters; `param` names it there."""

    kind: Kind
    name: str
    description: str | None = None
    path: str = ""
    param: str = ""

    def query(self, as_of: datetime | None = None, vs: datetime | None = None) -> dict[str, str]:
        """Return the parameters of its page at these times."""
        named = {self.param: self.name} if self.param else {}
        times = {"as_of": as_of, "vs": vs}
        return named | {name: as_of_text(at) for name, at in times.items() if at is not None}

    def url(self, as_of: datetime | None = None, vs: datetime | None = None) -> str:
        """Return the URL of its page, relative to the site's root."""
        query = urlencode(self.query(as_of, vs))
        return f"/{self.path}?{query}" if query else f"/{self.path}"


def find(text: str, as_of: datetime | None, limit: int, *, is_admin: bool) -> list[Hit]:
    """Return at most *limit* hits of each kind, accounts first and pages last, the best match of each first."""
    return list(_hits(text, as_of, limit, is_admin=is_admin))


def as_frame(hits: list[Hit], as_of: datetime | None, vs: datetime | None = None) -> DataFrame:
    """Return one row per hit: position, kind, name, description, url."""
    rows = [{"position": number, **asdict(hit), "url": hit.url(as_of, vs)} for number, hit in enumerate(hits)]
    columns = ["position", "kind", "name", "description", "url"]
    return DataFrame(rows, columns=columns).astype({"description": "string"})


def _hits(text: str, as_of: datetime | None, limit: int, *, is_admin: bool) -> Iterator[Hit]:
    for account in search.accounts(text, as_of, limit).itertuples():
        yield Hit("account", str(account.login), _text(account.name), "account", "login")
    for repository in search.repositories(text, as_of, limit).itertuples():
        yield Hit("repository", str(repository.full_name), _text(repository.description), "repository", "name")
    for language in search.languages(text, limit):
        yield Hit("language", language, None, "languages", "language")
    for page in find_pages(text, is_admin=is_admin)[:limit]:
        yield Hit("page", page.title, None, page.path)


def _text(value: object) -> str | None:
    return None if pd.isna(value) else str(value)  # type: ignore[call-overload]
