"""API routes for admins to start, list and inspect ingestions: `/ingestions`."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import Connection

from core.auth import audit
from core.db.engine import write_rows
from core.errors import Conflict, NotFound
from core.queries import ingestions as queries
from core.queries import tracking
from core.queue import ingestions as queue
from core.queue.jobs import JobOrigin
from core.tracking import accounts as tracking_accounts
from core.tracking.login import parse_login
from core.web.api import cursors
from core.web.api.conditional import AdminIdentity, records
from core.web.api.errors import error_responses
from core.web.api.pagination import Page
from core.web.api.routers.auth import StrictBody, request_origin
from core.web.api.row_formats import add_row_routes
from core.web.api.uncached import UncachedListRequest, page_response
from core.whole_numbers import WholeNumber

router = APIRouter(tags=["ingestions"])
MAX_LOGINS = 500
MAX_EXPORT_ROWS = 10_000
State = Literal["queued", "running", "done", "partial", "failed", "stopped", "cancelled"]


class Ingestion(BaseModel):
    """One ingestion: the refreshes that were requested together."""

    id: int = Field(examples=[42])
    state: State
    trigger: str = Field(description="One of: schedule, person, command line, import.", examples=["person"])
    requested_by: str | None
    request_id: str | None
    started_at: datetime
    finished_at: datetime | None = Field(description="null while it is running.")
    accounts: int
    stored: int = Field(description="Accounts that were stored or unchanged.")
    failed: int = Field(description="Accounts that failed, or are deleted or private.")
    requests: int = Field(description="Requests to GitHub.")
    points: int = Field(description="Points of GitHub's GraphQL rate limit.")
    not_modified: int
    rows_written: int


class IngestionItem(BaseModel):
    """The outcome of one account."""

    login: str
    state: Literal["stored", "unchanged", "failed", "deleted"]
    repositories: int | None
    rows_written: int | None
    requests: int | None
    points: int | None
    duration_ms: int | None
    error_code: str | None
    error: str | None
    finished_at: datetime


class IngestionDetail(Ingestion):
    """An ingestion with the outcome of each finished account."""

    items: list[IngestionItem]


class IngestionRequest(StrictBody):
    """Accounts to refresh: these logins, or all that are due."""

    logins: list[str] | None = Field(None, min_length=1, max_length=MAX_LOGINS, examples=[["octocat", "pallets"]])
    all_due: bool = False

    @model_validator(mode="after")
    def require_exactly_one(self) -> "IngestionRequest":
        if (self.logins is not None) == self.all_due:
            raise ValueError("give either logins or all_due: true")
        return self


class StartedIngestion(BaseModel):
    """The started ingestion, or the running one that already includes these accounts."""

    id: int
    status_url: str = Field(examples=["/api/v1/ingestions/42"])
    accounts: int = Field(description="Accounts added to the queue.")
    queued_already: int = Field(description="Accounts already in the queue; they moved to the front.")


@router.post(
    "/ingestions",
    operation_id="start_ingestion",
    summary="Refresh accounts now.",
    status_code=202,
    responses=error_responses(403, 409, 413),
)
def start_ingestion(
    body: IngestionRequest, identity: AdminIdentity, request: Request, response: Response
) -> StartedIngestion:
    logins = [parse_login(login) for login in body.logins or ()]
    origin, now = request_origin(request), datetime.now(UTC)

    def start(connection: Connection) -> queue.StartedIngestion:
        ids = _account_ids(connection, logins) if body.logins else tracking.due_account_ids(now)
        started = queue.start(connection, ids, JobOrigin("person", identity.username, origin.request_id), now)
        if started is None:
            raise Conflict("No account is due" if body.all_due else "These accounts are already queued")
        audit.record(
            connection,
            "ingestion_started",
            actor=identity.username,
            person_id=identity.person_id,
            target=str(started.id),
            origin=origin,
            accounts=started.accounts,
        )
        return started

    started = write_rows(start)
    url = f"/api/v1/ingestions/{started.id}"
    response.headers["location"] = url
    return StartedIngestion(
        id=started.id, status_url=url, accounts=started.accounts, queued_already=started.queued_already
    )


def _account_ids(connection: Connection, logins: list[str]) -> list[int]:
    """Return our account ids of these logins, also former ones; an unknown login gets a row, without being tracked."""
    return list(
        dict.fromkeys(
            tracking_accounts.find_account_id(connection, login)
            or tracking_accounts.get_or_create_account_id(connection, login)
            for login in logins
        )
    )


def ingestions(read_request: UncachedListRequest) -> Response:
    before = int(read_request.after[0] or 0) if read_request.after else queries.MAX_ID
    max_rows = (read_request.limit if read_request.format == "json" else MAX_EXPORT_ROWS) + 1
    found = queries.list_ingestions(before, max_rows)
    shown = found.head(max_rows - 1)
    cursor = (
        cursors.encode_cursor(read_request.query_key, (int(shown["id"].iloc[-1]),)) if len(found) > len(shown) else None
    )
    return page_response(read_request, shown, Page[Ingestion], cursor)


@router.get(
    "/ingestions/{id}",
    operation_id="get_ingestion",
    summary="Get an ingestion with the outcome of each account.",
    responses=error_responses(403, 404),
)
def ingestion(
    id: Annotated[WholeNumber, Path(ge=1, lt=2**62, examples=[42])],
    _admin: AdminIdentity,
    response: Response,
) -> IngestionDetail:
    found = queries.get_ingestion(id)
    if found is None:
        raise NotFound(f"There is no ingestion {id}")
    response.headers["cache-control"] = "no-store"
    return IngestionDetail.model_validate({**asdict(found), "items": records(queries.items(id))})


add_row_routes(
    router,
    "/ingestions",
    ingestions,
    page=Page[Ingestion],
    name="list_ingestions",
    summary="List ingestions, newest first.",
    statuses=(403,),
    has_etag=False,
)
