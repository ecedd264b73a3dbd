"""`/changes`: the ledger of what was noticed, newest first."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.queries import changes as queries
from core.tracking.login import parse_login
from core.web.api import as_of, cursors
from core.web.api.conditional import MOST_ROWS, Listed, Listing, enveloped, file
from core.web.api.pagination import Page
from core.web.api.row_formats import add_rows

router = APIRouter(tags=["changes"])
Kind = Literal[
    "renamed",
    "transferred",
    "relicensed",
    "archived",
    "restored",
    "gone",
    "back",
    "new",
    "primary_language",
    "default_branch",
]


class Change(BaseModel):
    """One entry of the ledger."""

    noticed_at: datetime
    kind: str = Field(examples=["renamed"])
    account: str = Field(description="The account's login now.", examples=["octocat"])
    account_id: int | None = Field(description="GitHub's.")
    repository: str | None = Field(description="The repository's name now; null where the account itself changed.")
    repository_id: int | None = Field(description="GitHub's.")
    before: str | None
    after: str | None


COLUMNS = list(Change.model_fields)
Kinds = Annotated[list[Kind] | None, Query(description="Only these; may be given more than once.")]
Account = Annotated[str | None, Query(description="Only of this account, by its login now.", examples=["octocat"])]
Since = Annotated[str | None, Query(description="Only what was noticed from then on: a date or a moment, as `as_of`.")]


def changes(asked: Listed, kind: Kinds = None, account: Account = None, since: Since = None) -> Response:
    login = parse_login(account) if account is not None else ""
    begin = as_of.beginning(since, datetime.now(UTC)) if since is not None else queries.FIRST
    # One more than is shown says whether it goes on.
    most = (asked.limit if asked.form == "json" else MOST_ROWS) + 1
    found = queries.ledger(asked.as_of, kinds=kind or (), login=login, since=begin, before=_place(asked), most=most)
    if asked.form != "json":
        return file(asked, found, COLUMNS)
    shown = found.head(asked.limit)
    cursor = None
    if len(found) > len(shown):
        last = shown.iloc[-1]
        cursor = cursors.seal(asked.question, (last["noticed_at"].isoformat(), int(last["entry"])))
    return enveloped(asked, shown[COLUMNS], Page[Change], cursor)


def _place(asked: Listing) -> tuple[datetime, int] | None:
    if asked.after is None:
        return None
    at, entry = asked.after
    return datetime.fromisoformat(str(at)), int(entry or 0)


add_rows(
    router, "/changes", changes, page=Page[Change], name="list_changes", summary="What was noticed to have changed."
)
