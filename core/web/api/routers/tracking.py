"""API routes for admins to list and change tracked accounts: `/tracked`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import JSONResponse

from core.auth import audit
from core.auth.identity import Identity
from core.db.engine import write_rows
from core.errors import BadInput, Conflict, NotFound
from core.queries import tracking as queries
from core.queue import ingestions
from core.queue.jobs import JobOrigin
from core.settings import DURATION_PATTERN, DURATION_UNITS
from core.tracking import accounts, first_lookup
from core.tracking import commands as tracking_commands
from core.tracking.login import parse_login
from core.web.api import cursors
from core.web.api.conditional import AdminIdentity, records, sort_keys
from core.web.api.errors import error_responses
from core.web.api.pagination import Page
from core.web.api.routers.accounts import Login
from core.web.api.routers.auth import StrictBody, request_origin
from core.web.api.row_formats import add_row_routes
from core.web.api.uncached import UncachedListRequest, page_response

router = APIRouter(tags=["tracked"])
MIN_CADENCE, MAX_CADENCE = timedelta(minutes=5), timedelta(days=365)
NUL = re.compile("\x00")


def _no_nul(text: str) -> str:
    if NUL.search(text):
        raise ValueError("must not contain a NUL character")
    return text


class TrackedAccount(BaseModel):
    """A tracked account."""

    id: int | None = Field(description="GitHub's id; null before the first refresh.")
    login: str
    kind: str | None
    name: str | None
    added_by: str | None
    added_at: datetime
    every_seconds: int = Field(description="Interval between two refreshes.", examples=[21600])
    is_default_every: bool = Field(description="Whether it is the default, REFRESH_EVERY.")
    priority: int = Field(description="Accounts with a higher priority are refreshed first.")
    paused: bool
    note: str | None
    only_repositories: str | None = Field(
        description="Short names, in lower case and separated by spaces, of the repositories that it is tracked for;"
        " null: all of them."
    )
    due_at: datetime
    queued_at: datetime | None = Field(description="When it was queued; null if it is not.")
    checked_at: datetime | None
    failures: int = Field(description="Consecutive failed refreshes.")


Cadence = Annotated[
    str | None,
    Field(
        None,
        description="Refresh interval such as `30m`, `6h` or `7d`; null: the default, REFRESH_EVERY.",
        examples=["6h"],
        max_length=20,
    ),
]
Priority = Annotated[int, Field(ge=-100, le=100)]
Note = Annotated[str, Field(max_length=500), AfterValidator(_no_nul)]


class NewTrackedAccount(StrictBody):
    """The account to track, and how."""

    login: str = Field(examples=["octocat"])
    every: Cadence = None
    priority: Priority = 0
    paused: bool = False
    note: Note | None = None


class TrackingChange(StrictBody):
    """The settings to change; omitted ones keep their values."""

    every: Cadence = None
    priority: Priority = 0
    paused: bool = False
    note: Note | None = None


def parse_cadence(text: str | None) -> timedelta | None:
    """Parse a refresh interval. Raises BadInput."""
    if text is None:
        return None
    found = DURATION_PATTERN.match(text) if text.isascii() else None
    # Longer numbers are out of range anyway, and timedelta overflows on some.
    every = int(found[1]) * DURATION_UNITS[found[2]] if found and len(found[1]) <= 6 else None
    if every is None or not MIN_CADENCE <= every <= MAX_CADENCE:
        raise BadInput("every is not a valid interval; write it like 30m, 6h or 7d, from 5m to 365d")
    return every


def list_tracked(read_request: UncachedListRequest) -> Response:
    tracked = queries.tracked_accounts()
    if read_request.format != "json":
        return page_response(read_request, tracked, Page[TrackedAccount], None)
    after = read_request.after
    # In the order of the query, as files have it.
    folded = tracked.assign(folded=tracked["login"].str.lower())
    keys = enumerate(sort_keys(folded, ("folded", "login")))
    remaining = sorted((key, row) for row, key in keys if after is None or key > after)
    shown = remaining[: read_request.limit]
    cursor = cursors.encode_cursor(read_request.query_key, shown[-1][0]) if len(remaining) > len(shown) else None
    return page_response(read_request, tracked.iloc[[row for _, row in shown]], Page[TrackedAccount], cursor)


add_row_routes(
    router,
    "/tracked",
    list_tracked,
    page=Page[TrackedAccount],
    name="list_tracked",
    summary="List tracked accounts.",
    statuses=(403,),
    has_etag=False,
)


@router.post(
    "/tracked",
    operation_id="track",
    summary="Track an account; its first refresh is queued at once.",
    description="A login that is not stored is checked at GitHub first. An unknown one is not tracked (404), a "
    "former one under its present name. Where GitHub does not answer within seconds, it is tracked as it was given.",
    status_code=201,
    response_model=TrackedAccount,
    responses=error_responses(403, 404, 409, 413),
)
def track(body: NewTrackedAccount, identity: AdminIdentity, request: Request) -> Response:
    login, every = parse_login(body.login), parse_cadence(body.every)
    if checked := first_lookup.check(login):
        if checked.is_missing:
            raise NotFound(f"There is no account {login} at GitHub; nothing is tracked")
        login = first_lookup.renamed_to(checked) or login
    now = datetime.now(UTC)

    def start_tracking(connection: Connection) -> None:
        if not accounts.track(connection, login, identity.username):
            raise Conflict(f"{login} is already tracked")
        values = {"every": every, **body.model_dump(include={"priority", "paused", "note"})}
        accounts.update_tracking(connection, login, values, now)
        account_id = accounts.find_account_id(connection, login)
        if account_id is not None and not body.paused:
            job_origin = JobOrigin("person", identity.username, request_origin(request).request_id)
            ingestions.start(connection, [account_id], job_origin, now)
        tracking_commands.close_pending_requests(connection, identity, login, now)
        _record_audit(connection, "account_tracked", identity, login, request)

    write_rows(start_tracking)
    headers = {"location": f"/api/v1/tracked/{login}", "cache-control": "no-store"}
    return JSONResponse(_tracked_account(login).model_dump(mode="json"), status_code=201, headers=headers)


@router.patch(
    "/tracked/{login}",
    operation_id="change_tracked",
    summary="Change the settings of a tracked account.",
    response_model=TrackedAccount,
    responses=error_responses(403, 404, 413),
)
def change_tracked(login: Login, body: TrackingChange, identity: AdminIdentity, request: Request) -> Response:
    name = parse_login(login)
    changes: dict[str, Any] = body.model_dump(include=body.model_fields_set)
    if "every" in changes:
        changes["every"] = parse_cadence(changes["every"])

    def change(connection: Connection) -> str:
        if not tracking_commands.update_tracking(
            connection, identity, {name: changes}, datetime.now(UTC), request_origin(request)
        ):
            raise NotFound(f"{name} is not tracked")
        return accounts.present_login(connection, name)

    name = write_rows(change)
    return JSONResponse(_tracked_account(name).model_dump(mode="json"), headers={"cache-control": "no-store"})


@router.delete(
    "/tracked/{login}",
    operation_id="untrack",
    summary="Stop tracking an account; its history is kept.",
    status_code=204,
    responses=error_responses(403, 404),
)
def untrack(login: Login, identity: AdminIdentity, request: Request) -> Response:
    name = parse_login(login)
    if not write_rows(
        lambda connection: tracking_commands.stop_tracking(connection, identity, [name], request_origin(request))
    ):
        raise NotFound(f"{name} is not tracked")
    return Response(status_code=204)


def _tracked_account(login: str) -> TrackedAccount:
    rows = records(queries.tracked_accounts(login))
    if not rows:
        raise NotFound(f"{login} is not tracked")
    return TrackedAccount.model_validate(rows[0])


def _record_audit(
    connection: Connection, action: audit.Action, identity: Identity, login: str, request: Request
) -> None:
    audit.record(
        connection,
        action,
        actor=identity.username,
        person_id=identity.person_id,
        target=login,
        origin=request_origin(request),
    )
