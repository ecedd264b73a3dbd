"""`/ingestions`: for admins. Start one, see what became of each."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import Connection

from core.auth import audit
from core.db.engine import transaction
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

router = APIRouter(tags=["ingestions"])
MAX_LOGINS = 500
MAX_EXPORT_ROWS = 10_000
State = Literal["queued", "running", "done", "partial", "failed", "stopped", "cancelled"]


class Ingestion(BaseModel):
    """What was asked for at once."""

    id: int = Field(examples=[42])
    state: State
    trigger: str = Field(description="schedule, person, command line or import.", examples=["person"])
    requested_by: str | None
    request_id: str | None
    started_at: datetime
    finished_at: datetime | None = Field(description="null until all of it is over.")
    accounts: int
    stored: int = Field(description="Of them, those that were stored or had not changed.")
    failed: int = Field(description="Of them, those that were not stored, or are gone.")
    requests: int = Field(description="To GitHub.")
    points: int = Field(description="Of GitHub's GraphQL budget.")
    not_modified: int
    rows_written: int


class IngestionItem(BaseModel):
    """What became of one account."""

    login: str
    state: Literal["stored", "unchanged", "failed", "gone"]
    repositories: int | None
    rows_written: int | None
    requests: int | None
    points: int | None
    duration_ms: int | None
    error_code: str | None
    error: str | None
    finished_at: datetime


class IngestionDetail(Ingestion):
    """An ingestion and what became of each account so far."""

    items: list[IngestionItem]


class IngestionRequest(StrictBody):
    """Whom to ask GitHub for: these logins, or everything that is due."""

    logins: list[str] | None = Field(None, min_length=1, max_length=MAX_LOGINS, examples=[["octocat", "pallets"]])
    all_due: bool = False

    @model_validator(mode="after")
    def require_exactly_one(self) -> "IngestionRequest":
        if (self.logins is not None) == self.all_due:
            raise ValueError("give either logins or all_due: true")
        return self


class StartedIngestion(BaseModel):
    """An ingestion that was begun, or the one that has these accounts to do already."""

    id: int
    status_url: str = Field(examples=["/api/v1/ingestions/42"])
    accounts: int = Field(description="That were put into the queue.")
    queued_already: int = Field(description="That waited there before, and come sooner now.")


@router.post(
    "/ingestions",
    operation_id="start_ingestion",
    summary="Have accounts refreshed now.",
    status_code=202,
    responses=error_responses(403, 409, 413),
)
def start_ingestion(
    wanted: IngestionRequest, identity: AdminIdentity, request: Request, response: Response
) -> StartedIngestion:
    logins = [parse_login(login) for login in wanted.logins or ()]
    origin, now = request_origin(request), datetime.now(UTC)
    with transaction() as connection:
        ids = _account_ids(connection, logins) if wanted.logins else tracking.due_account_ids(now)
        begun = queue.start(connection, ids, JobOrigin("person", identity.username, origin.request_id), now)
        if begun is None:
            raise Conflict("Nothing is due" if wanted.all_due else "These wait in the queue already")
        audit.record(
            connection,
            "ingestion_started",
            actor=identity.username,
            person_id=identity.person_id,
            target=str(begun.id),
            origin=origin,
            accounts=begun.accounts,
        )
    address = f"/api/v1/ingestions/{begun.id}"
    response.headers["location"] = address
    return StartedIngestion(
        id=begun.id, status_url=address, accounts=begun.accounts, queued_already=begun.queued_already
    )


def _account_ids(connection: Connection, logins: list[str]) -> list[int]:
    """Our ids of these logins; who was never heard of gets a row by name, without being tracked from now on."""
    return list(dict.fromkeys(tracking_accounts.get_or_create_account_id(connection, login) for login in logins))


def ingestions(asked: UncachedListRequest) -> Response:
    before = int(asked.after[0] or 0) if asked.after else queries.MAX_ID
    most = (asked.limit if asked.form == "json" else MAX_EXPORT_ROWS) + 1
    found = queries.list_ingestions(before, most)
    shown = found.head(most - 1)
    cursor = cursors.encode_cursor(asked.query_key, (int(shown["id"].iloc[-1]),)) if len(found) > len(shown) else None
    return page_response(asked, shown, Page[Ingestion], cursor)


@router.get(
    "/ingestions/{id}",
    operation_id="get_ingestion",
    summary="One ingestion and what became of each account.",
    responses=error_responses(403, 404),
)
def ingestion(
    id: Annotated[int, Path(ge=1, lt=2**62, examples=[42])],
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
    summary="Ingestions, newest first.",
    statuses=(403,),
    keeps=False,
)
