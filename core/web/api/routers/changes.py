"""API routes of detected changes such as renames and archivals, newest first: `/changes`, `/changes.atom`."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from core.as_of import EARLIEST, end_of_day, just_after, parse_since
from core.export import atom
from core.queries import accounts, repository_detail
from core.queries import changes as queries
from core.settings import settings
from core.tracking.login import parse_login, parse_repository
from core.web.api import cursors
from core.web.api.conditional import (
    MAX_EXPORT_ROWS,
    ListRequest,
    ReadRequest,
    UncheckedReadRequest,
    checked_list_request,
    checked_read_request,
    file_response,
    page_response,
)
from core.web.api.errors import error_responses
from core.web.api.pagination import Cursor, Limit, Page
from core.web.api.row_formats import NOT_MODIFIED, add_row_routes
from core.whole_numbers import WholeNumber

router = APIRouter(tags=["changes"])
FEED_PATH = "/changes.atom"
ATOM_MEDIA_TYPE = "application/atom+xml"
NO_REPOSITORY = -1
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


FeedLimit = Annotated[WholeNumber, Query(ge=1, le=1000, description="Maximum number of entries.")]
FeedToken = Annotated[
    str | None,
    Query(description="A feed token, created on the profile page, for programs that send no headers of their own."),
]
Repository = Annotated[
    str | None,
    Query(
        description="Only this repository, by its name of then, its present or a former one.",
        examples=["octocat/hello-world"],
    ),
]
Days = Annotated[
    WholeNumber | None,
    Query(ge=1, le=3650, description="Only changes detected within this many days before as_of (or now)."),
]


Top = Annotated[
    WholeNumber | None, Query(ge=1, le=MAX_EXPORT_ROWS, description="Only so many, the newest; null: all of them.")
]
MAX_TOP = 2**31


async def window_request(read_request: UncheckedReadRequest, days: Days = None) -> ReadRequest:
    """Return the request with the start of its *days*, unless the client has the current response.

    Before now they begin with the first entry in them: until that leaves them, the response and its ETag stay the same.
    """
    if days is not None:
        start = (read_request.as_of or read_request.now) - timedelta(days=days)
        if read_request.as_of is None:
            first = await run_in_threadpool(queries.first_detected_at, start)
            start = first or end_of_day(read_request.now.date())
        read_request = replace(read_request, window_start=start)
    return await checked_read_request(read_request)


WindowRequest = Annotated[ReadRequest, Depends(window_request)]


async def window_list_request(read_request: WindowRequest, limit: Limit = 100, cursor: Cursor = None) -> ListRequest:
    return await checked_list_request(read_request, limit, cursor)


def changes(
    read_request: Annotated[ListRequest, Depends(window_list_request)],
    kind: Kinds = None,
    account: Account = None,
    repository: Repository = None,
    since: Since = None,
    top: Top = None,
) -> Response:
    position, sent = _cursor_position(read_request)
    left = MAX_TOP if top is None else top - sent
    # One row more than returned shows whether there is a next page.
    max_rows = min((read_request.limit if read_request.format == "json" else MAX_EXPORT_ROWS) + 1, left)
    found = queries.list_changes(
        read_request.as_of,
        **_filters(read_request, kind, account, repository, since),
        before=position,
        limit=max_rows,
    )
    if read_request.format != "json":
        return file_response(read_request, found, COLUMNS)
    shown = found.head(read_request.limit)
    cursor = None
    if len(found) > len(shown):
        last = shown.iloc[-1]
        cursor = cursors.encode_cursor(
            read_request.query_key, (last["detected_at"].isoformat(), int(last["entry"]), sent + len(shown))
        )
    return page_response(read_request, shown[COLUMNS], Page[Change], cursor)


def _filters(
    read_request: ReadRequest,
    kind: list[Kind] | None,
    account: str | None,
    repository: str | None,
    since: str | None,
) -> dict[str, Any]:
    """Return the arguments of `list_changes` that select entries. Raises BadInput."""
    login = parse_login(account) if account is not None else ""
    if found := login and accounts.find(login, read_request.as_of):
        login = found.current_login
    start = max(
        parse_since(since, read_request.now) if since is not None else EARLIEST,
        just_after(read_request.vs),
        read_request.window_start or EARLIEST,
    )
    selected: dict[str, Any] = {"kinds": kind or (), "login": login, "since": start}
    if repository is not None:
        owner, _, name = parse_repository(repository).partition("/")
        known = repository_detail.find(owner, name, read_request.as_of)
        selected["repository_id"] = known.repository_id if known else NO_REPOSITORY
    return selected


@router.get(
    FEED_PATH,
    operation_id="feed_of_changes",
    summary="The newest detected changes as an Atom feed.",
    response_class=Response,
    responses={
        200: {"description": "An Atom feed.", "content": {ATOM_MEDIA_TYPE: {"schema": {"type": "string"}}}},
        **error_responses(NOT_MODIFIED),
    },
)
def feed_of_changes(
    read_request: WindowRequest,
    kind: Kinds = None,
    account: Account = None,
    repository: Repository = None,
    since: Since = None,
    days: Days = None,
    limit: FeedLimit = 100,
    token: FeedToken = None,  # noqa: ARG001 - the middleware has read it
) -> Response:
    selected = _filters(read_request, kind, account, repository, since)
    found = queries.list_changes(read_request.as_of, **selected, limit=limit)
    filters = {"kind": kind, "account": account, "repository": repository, "since": since, "days": days}
    feed = atom.changes_feed(
        found,
        site=settings().base_url,
        filters={name: value for name, value in filters.items() if value},
        title=" · ".join(filter(None, ["Almanac: changes", account, repository])),
    )
    return Response(feed, media_type=ATOM_MEDIA_TYPE, headers=read_request.headers())


def _cursor_position(read_request: ListRequest) -> tuple[tuple[datetime, int] | None, int]:
    """Return the last row of the page before, and how many rows were sent by then."""
    if read_request.after is None:
        return None, 0
    at, entry, sent = read_request.after
    return (datetime.fromisoformat(str(at)), int(entry or 0)), int(sent or 0)


add_row_routes(
    router, "/changes", changes, page=Page[Change], name="list_changes", summary="List detected changes, newest first."
)
