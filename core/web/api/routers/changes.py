"""API route of detected changes such as renames and archivals, newest first: `/changes`."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.as_of import EARLIEST, parse_since
from core.queries import accounts
from core.queries import changes as queries
from core.tracking.login import parse_login
from core.web.api import cursors
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
    """One detected change."""

    detected_at: datetime
    kind: str = Field(examples=["renamed"])
    account: str = Field(description="The account's current login.", examples=["octocat"])
    account_id: int | None = Field(description="GitHub's id.")
    repository: str | None = Field(
        description="The repository's current full name; null if the account itself changed."
    )
    repository_id: int | None = Field(description="GitHub's id.")
    before: str | None
    after: str | None


COLUMNS = list(Change.model_fields)
Kinds = Annotated[list[Kind] | None, Query(description="Only these kinds; repeatable.")]
Account = Annotated[
    str | None, Query(description="Only this account, by its current or a former login.", examples=["octocat"])
]
Since = Annotated[
    str | None, Query(description="Only changes detected since a date (its start, UTC) or an RFC 3339 timestamp.")
]


def changes(
    read_request: CheckedListRequest, kind: Kinds = None, account: Account = None, since: Since = None
) -> Response:
    login = parse_login(account) if account is not None else ""
    if found := login and accounts.find(login, read_request.as_of):
        login = found.current_login
    start = parse_since(since, datetime.now(UTC)) if since is not None else EARLIEST
    # One row more than returned shows whether there is a next page.
    max_rows = (read_request.limit if read_request.format == "json" else MAX_EXPORT_ROWS) + 1
    ledger = queries.ledger(
        read_request.as_of,
        kinds=kind or (),
        login=login,
        since=start,
        before=_cursor_position(read_request),
        limit=max_rows,
    )
    if read_request.format != "json":
        return file_response(read_request, ledger, COLUMNS)
    shown = ledger.head(read_request.limit)
    cursor = None
    if len(ledger) > len(shown):
        last = shown.iloc[-1]
        cursor = cursors.encode_cursor(read_request.query_key, (last["detected_at"].isoformat(), int(last["entry"])))
    return page_response(read_request, shown[COLUMNS], Page[Change], cursor)


def _cursor_position(read_request: ListRequest) -> tuple[datetime, int] | None:
    if read_request.after is None:
        return None
    at, entry = read_request.after
    return datetime.fromisoformat(str(at)), int(entry or 0)


add_row_routes(
    router, "/changes", changes, page=Page[Change], name="list_changes", summary="List detected changes, newest first."
)
