"""`/github/stats/{login}`: the numbers of an account in one answer; who is not known yet is collected."""

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from core.auth.identity import Identity, Origin
from core.db.engine import transaction
from core.errors import NotHere
from core.queries import account_summary as accounts
from core.queries import languages, repository_detail, tracking
from core.ratelimit import limiter
from core.tracking import commands as tracking_commands
from core.tracking.login import parse_login
from core.web.api.conditional import AsAskedUnchecked, Reader, Reading, answer, records
from core.web.api.errors import MEANINGS, Error, refusals
from core.web.api.routers.accounts import Login, found
from core.web.api.routers.repositories import Repository
from core.web.middleware.error_responses import refusal

router = APIRouter(tags=["github"])
TOP = 10
UNKNOWN_TO_GITHUB = "account_not_found"
RETRY_SECONDS = 5
FAR = 202
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
        FAR: {"model": Progress, "description": "It is being collected; Location says where to ask."},
        GONE: {"model": Error, "description": MEANINGS[GONE]},
        **refusals(304, 404),
    },
)
def stats(login: Login, asked: AsAskedUnchecked, request: Request) -> Response:
    name = parse_login(login)
    held = accounts.by_login(name, asked.as_of)
    if held and held["gone_at"]:
        sentence = f"{name} is no longer on GitHub, noticed on {held['gone_at']:%Y-%m-%d}: {held['gone_reason']}."
        return refusal(GONE, "gone", sentence + " What was collected before can be read with as_of.")
    if held and held["captured_at"]:
        asked.check()
        return answer(_stats(held, asked), asked)
    if asked.as_of is not None:
        found(name, None)
        raise NotHere(f"Nothing was collected of {name} by then")
    return _collecting(name, held, asked.identity, request)


def _stats(held: dict[str, Any], asked: Reading) -> Stats:
    account_id = int(held["account_id"])
    repositories = repository_detail.of_account(account_id, asked.as_of)
    shown = repositories[~repositories["is_gone"].astype(bool)].sort_values(
        ["stars", "full_name"], ascending=[False, True], na_position="last"
    )
    spoken = languages.of_account(account_id, asked.as_of).head(TOP).rename(columns={"language": "name"})
    return Stats.model_validate(
        {
            **held,
            "username": held["login"],
            "public_repos": held["public_repositories"],
            "total_stars": held["stars"],
            "top_languages": records(spoken),
            "repos": records(shown),
            "as_of": asked.as_of,
            "data_version": asked.version,
        }
    )


def _collecting(name: str, held: dict[str, Any], identity: Identity, request: Request) -> Response:
    """Begin to collect *name*, or tell how far it is."""
    if not held and (renamed := _new_name(name)):
        raise NotHere(f"{name} is now called {renamed}")
    if not held or not held["is_tracked"]:
        limiter.check("track", str(identity.person_id))
        if collect(name, identity, request.state.origin).awaiting:
            return _told(awaiting(name))
        held = accounts.by_login(name, None)
    far = tracking.progress(int(held["account_id"]))
    status, message = said(name, far)
    if status == "failed" and (far["gone_at"] or far["error_code"] == UNKNOWN_TO_GITHUB):
        raise NotHere(message)
    # What failed otherwise is tried again: it may still come.
    return _told(_progress(name, status, message))


def _told(far: Progress) -> Response:
    headers = {"location": far.status_url, "retry-after": str(RETRY_SECONDS), "cache-control": "no-store"}
    return JSONResponse(far.model_dump(), status_code=FAR, headers=headers)


def awaiting(name: str) -> Progress:
    return _progress(name, "awaiting", f"An admin decides whether {name} is tracked.")


def _new_name(name: str) -> str | None:
    from core.queries.accounts import renamed_to  # noqa: PLC0415

    return renamed_to(name)


def collect(name: str, identity: Identity, origin: Origin) -> tracking_commands.Outcome:
    """Track *name* and let it be refreshed before what the timetable wants, or keep the wish for an admin."""
    with transaction() as connection:
        return tracking_commands.want(connection, identity, [name], datetime.now(UTC), origin)


@router.get(
    "/github/stats/{login}/status",
    operation_id="get_github_stats_status",
    summary="How far the collecting of an account is.",
    response_model=Progress,
    responses=refusals(404),
)
def status(login: Login, _reader: Reader) -> Response:
    name = parse_login(login)
    far = awaiting(name) if tracking.is_wished(name) else progress_of(name, int(found(name, None)["account_id"]))
    return JSONResponse(far.model_dump(), headers={"cache-control": "no-store"})


def progress_of(name: str, account_id: int) -> Progress:
    return _progress(name, *said(name, tracking.progress(account_id)))


def _progress(name: str, state: Status, message: str) -> Progress:
    address = f"/api/v1/github/stats/{name}"
    return Progress(status=state, message=message, login=name, status_url=f"{address}/status", stats_url=address)


def said(name: str, far: dict[str, Any]) -> tuple[Status, str]:
    """The state of what *far* tells, and a sentence: the first that holds."""
    looked = f"{far['checked_at']:%Y-%m-%d at %H:%M} UTC" if far["checked_at"] else ""
    unknown = far["error_code"] == UNKNOWN_TO_GITHUB
    unwanted = not far["is_tracked"] or far["paused"]
    why = far["error"] or far["error_code"]
    told: tuple[tuple[Any, Status, str], ...] = (
        (far["is_running"], "running", f"{name} is being collected."),
        (far["queued_at"], "queued", f"{name} waits for its turn."),
        (far["gone_at"], "failed", f"{name} is no longer on GitHub."),
        (looked, "stored", f"{name} was collected on {looked}."),
        (unknown, "failed", f"GitHub knows no account called {name}."),
        (far["item_state"] == "failed", "failed", f"{name} could not be collected: {why}. It is tried again."),
        (unwanted, "failed", f"{name} is known by name only, and nobody has it refreshed."),
        (True, "queued", f"{name} waits for the next refresh."),
    )
    return next((status, sentence) for holds, status, sentence in told if holds)
