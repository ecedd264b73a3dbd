"""`/github/stats/{login}`: the numbers of an account in one answer; who is not known yet is collected."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from core.auth.identity import Identity, Origin
from core.db.engine import transaction
from core.errors import NotFound
from core.queries import accounts, languages, repository_detail, tracking
from core.queries.accounts import AccountSummary
from core.queries.tracking import RefreshProgress
from core.ratelimit import limiter
from core.tracking import commands as tracking_commands
from core.tracking.login import parse_login
from core.web.api.conditional import ReadRequest, SignedInIdentity, UncheckedReadRequest, json_response, records
from core.web.api.errors import STATUS_DESCRIPTIONS, Error, error_responses
from core.web.api.routers.accounts import Login, get_account
from core.web.api.routers.repositories import Repository
from core.web.middleware.error_responses import error_response

router = APIRouter(tags=["github"])
MAX_TOP_LANGUAGES = 10
ACCOUNT_NOT_FOUND = "account_not_found"
RETRY_SECONDS = 5
ACCEPTED = 202
GONE = 410
Status = Literal["awaiting", "queued", "running", "stored", "failed"]


class TopLanguage(BaseModel):
    """A language of the account's own code."""

    name: str = Field(examples=["Python"])
    bytes: int
    share: float | None = Field(description="From 0 to 1, of all bytes.")
    repositories: int = Field(description="That have any of it.")


class Stats(BaseModel):
    """An account in numbers, as GitHub said at captured_at."""

    username: str = Field(examples=["octocat"])
    id: int | None = Field(description="GitHub's.")
    kind: Literal["user", "organization"] | None
    name: str | None
    public_repos: int | None
    followers: int | None
    following: int | None
    total_stars: int | None = Field(description="Over its owned repositories that are not gone, forks included.")
    top_languages: list[TopLanguage] = Field(description="By bytes, forks left out; at most ten.")
    repos: list[Repository] = Field(description="Most stars first; those that are gone are left out.")
    captured_at: datetime | None
    checked_at: datetime | None
    as_of: datetime | None = Field(description="The moment that was asked about; null: now.")
    data_version: int


class Progress(BaseModel):
    """How far the collecting of an account is."""

    status: Status
    message: str = Field(examples=["octocat waits for its turn."])
    login: str
    status_url: str = Field(description="Ask here again.", examples=["/api/v1/github/stats/octocat/status"])
    stats_url: str = Field(description="Where the numbers will be.", examples=["/api/v1/github/stats/octocat"])


@router.get(
    "/github/stats/{login}",
    operation_id="get_github_stats",
    summary="An account in numbers; starts collecting it where it is not known.",
    response_model=Stats,
    responses={
        ACCEPTED: {"model": Progress, "description": "It is being collected; Location says where to ask."},
        GONE: {"model": Error, "description": STATUS_DESCRIPTIONS[GONE]},
        **error_responses(304, 404),
    },
)
def stats(login: Login, asked: UncheckedReadRequest, request: Request) -> Response:
    name = parse_login(login)
    held = accounts.by_login(name, asked.as_of)
    if held and held.gone_at:
        sentence = f"{name} is no longer on GitHub, noticed on {held.gone_at:%Y-%m-%d}: {held.gone_reason}."
        return error_response(GONE, "gone", sentence + " What was collected before can be read with as_of.")
    if held and held.captured_at:
        asked.check()
        return json_response(_stats(held, asked), asked)
    if asked.as_of is not None:
        get_account(name, None)
        raise NotFound(f"Nothing was collected of {name} by then")
    return _start_or_report_progress(name, held, asked.identity, request)


def _stats(held: AccountSummary, asked: ReadRequest) -> Stats:
    account_id = held.account_id
    repositories = repository_detail.by_account(account_id, asked.as_of)
    shown = repositories[~repositories["is_gone"].astype(bool)].sort_values(
        ["stars", "full_name"], ascending=[False, True], na_position="last"
    )
    spoken = (
        languages.account_languages(account_id, asked.as_of)
        .head(MAX_TOP_LANGUAGES)
        .rename(columns={"language": "name"})
    )
    return Stats.model_validate(
        {
            **asdict(held),
            "username": held.login,
            "public_repos": held.public_repositories,
            "total_stars": held.stars,
            "top_languages": records(spoken),
            "repos": records(shown),
            "as_of": asked.as_of,
            "data_version": asked.version,
        }
    )


def _start_or_report_progress(name: str, held: AccountSummary | None, identity: Identity, request: Request) -> Response:
    """Begin to collect *name*, or tell how far it is."""
    if not held and (renamed := accounts.current_login(name)):
        raise NotFound(f"{name} is now called {renamed}")
    if not held or not held.is_tracked:
        limiter.check("track", str(identity.person_id))
        if request_tracking(name, identity, request.state.origin).awaiting_approval:
            return _progress_response(awaiting_approval(name))
        held = get_account(name, None)
    far = tracking.refresh_progress(held.account_id)
    status, message = status_and_message(name, far)
    if status == "failed" and (far.gone_at or far.error_code == ACCOUNT_NOT_FOUND):
        raise NotFound(message)
    # What failed otherwise is tried again: it may still come.
    return _progress_response(_progress(name, status, message))


def _progress_response(far: Progress) -> Response:
    headers = {"location": far.status_url, "retry-after": str(RETRY_SECONDS), "cache-control": "no-store"}
    return JSONResponse(far.model_dump(), status_code=ACCEPTED, headers=headers)


def awaiting_approval(name: str) -> Progress:
    return _progress(name, "awaiting", f"An admin decides whether {name} is tracked.")


def request_tracking(name: str, identity: Identity, origin: Origin) -> tracking_commands.TrackingResult:
    """Track *name* and let it be refreshed before what the timetable wants, or keep the wish for an admin."""
    with transaction() as connection:
        return tracking_commands.request_tracking(connection, identity, [name], datetime.now(UTC), origin)


@router.get(
    "/github/stats/{login}/status",
    operation_id="get_github_stats_status",
    summary="How far the collecting of an account is.",
    response_model=Progress,
    responses=error_responses(404),
)
def status(login: Login, _reader: SignedInIdentity) -> Response:
    name = parse_login(login)
    far = (
        awaiting_approval(name)
        if tracking.has_pending_request(name)
        else account_progress(name, get_account(name, None).account_id)
    )
    return JSONResponse(far.model_dump(), headers={"cache-control": "no-store"})


def account_progress(name: str, account_id: int) -> Progress:
    return _progress(name, *status_and_message(name, tracking.refresh_progress(account_id)))


def _progress(name: str, state: Status, message: str) -> Progress:
    address = f"/api/v1/github/stats/{name}"
    return Progress(status=state, message=message, login=name, status_url=f"{address}/status", stats_url=address)


def status_and_message(name: str, far: RefreshProgress) -> tuple[Status, str]:
    """The state of what *far* tells, and a sentence: the first that holds."""
    looked = f"{far.checked_at:%Y-%m-%d at %H:%M} UTC" if far.checked_at else ""
    unknown = far.error_code == ACCOUNT_NOT_FOUND
    unwanted = not far.is_tracked or far.paused
    why = far.error or far.error_code
    told: tuple[tuple[Any, Status, str], ...] = (
        (far.is_running, "running", f"{name} is being collected."),
        (far.queued_at, "queued", f"{name} waits for its turn."),
        (far.gone_at, "failed", f"{name} is no longer on GitHub."),
        (looked, "stored", f"{name} was collected on {looked}."),
        (unknown, "failed", f"GitHub knows no account called {name}."),
        (far.item_state == "failed", "failed", f"{name} could not be collected: {why}. It is tried again."),
        (unwanted, "failed", f"{name} is known by name only, and nobody has it refreshed."),
        (True, "queued", f"{name} waits for the next refresh."),
    )
    return next((status, sentence) for holds, status, sentence in told if holds)
