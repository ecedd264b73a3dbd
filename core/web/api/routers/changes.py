"""`/changes`: the ledger of what was noticed, newest first."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.queries import changes as queries
from core.tracking.login import parse_login
from core.web.api import as_of, cursors
from core.web.api.conditional import MAX_EXPORT_ROWS, CheckedListRequest, ListRequest, file_response, page_response
from core.web.api.pagination import Page
from core.web.api.row_formats import add_row_routes

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

    detected_at: datetime
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


def changes(asked: CheckedListRequest, kind: Kinds = None, account: Account = None, since: Since = None) -> Response:
    login = parse_login(account) if account is not None else ""
    begin = as_of.parse_since(since, datetime.now(UTC)) if since is not None else queries.EARLIEST
    # One more than is shown says whether it goes on.
    most = (asked.limit if asked.form == "json" else MAX_EXPORT_ROWS) + 1
    found = queries.ledger(
        asked.as_of, kinds=kind or (), login=login, since=begin, before=_cursor_position(asked), most=most
    )
    if asked.form != "json":
        return file_response(asked, found, COLUMNS)
    shown = found.head(asked.limit)
    cursor = None
    if len(found) > len(shown):
        last = shown.iloc[-1]
        cursor = cursors.encode_cursor(asked.query_key, (last["detected_at"].isoformat(), int(last["entry"])))
    return page_response(asked, shown[COLUMNS], Page[Change], cursor)


def _cursor_position(asked: ListRequest) -> tuple[datetime, int] | None:
    if asked.after is None:
        return None
    at, entry = asked.after
    return datetime.fromisoformat(str(at)), int(entry or 0)


add_row_routes(
    router, "/changes", changes, page=Page[Change], name="list_changes", summary="What was noticed to have changed."
)
