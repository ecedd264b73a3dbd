"""API routes of an account's statistics in one response, collected on request: `/github/stats/{login}`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from core.auth.identity import Identity, Origin
from core.db.engine import transaction, write_rows
from core.errors import NotFound
from core.queries import accounts, empty_reasons, languages, repository_detail, tracking
from core.queries.accounts import AccountSummary
from core.queries.empty_reasons import EmptyReason
from core.queries.tracking import RefreshProgress
from core.queue.lookups import Lookup
from core.ratelimit import limiter
from core.tracking import commands as tracking_commands
from core.tracking import first_lookup
from core.tracking.login import parse_login
from core.web.api.compared import compared_fields, compared_model, compared_rows, object_model
from core.web.api.conditional import (
    ReadRequest,
    SignedInIdentity,
    UncheckedReadRequest,
    json_response,
    may_start_work,
    records,
)
from core.web.api.errors import STATUS_DESCRIPTIONS, Error, error_responses
from core.web.api.former_names import Moved, find_account
from core.web.api.pagination import VS_FIELD, ComparedRow
from core.web.api.routers.accounts import Login, get_account, with_counts
from core.web.api.routers.repositories import Repository
from core.web.middleware.error_responses import error_response

if TYPE_CHECKING:
    from pandas import DataFrame

router = APIRouter(tags=["github"])
MAX_TOP_LANGUAGES = 10
MAX_TOP_REPOSITORIES = 10
ACCOUNT_NOT_FOUND = "account_not_found"
RETRY_SECONDS = 5
ACCEPTED = 202
GONE = 410
Status = Literal["awaiting", "queued", "running", "stored", "failed"]


class TopLanguage(ComparedRow):
    """A language of the account's repositories, forks excluded."""

    KEY = ("name",)
    COMPARED = ("bytes", "repositories")

    name: str = Field(examples=["Python"])
    bytes: int
    share: float | None = Field(description="Share of all bytes, from 0 to 1.")
    repositories: int = Field(description="Number of repositories with code in it.")


class Stats(ComparedRow):
    """Statistics of an account as GitHub reported them at captured_at."""

    COMPARED = ("public_repos", "followers", "following", "total_stars")

    username: str = Field(description="The login then.", examples=["octocat"])
    id: int | None = Field(description="GitHub's id.")
    kind: Literal["user", "organization"] | None
    name: str | None
    public_repos: int | None
    followers: int | None
    following: int | None
    total_stars: int | None = Field(
        description="Total of its owned repositories, forks included, without deleted or private ones."
    )
    top_languages: list[TopLanguage] = Field(description="By bytes, forks excluded; at most ten.")
    why_no_languages: EmptyReason | None = Field(description="Why top_languages is empty; null if it is not.")
    repos: list[Repository] = Field(
        description="By stars, descending, without deleted or private ones; at most ten. All of them:"
        " `/api/v1/accounts/{login}/repositories`."
    )
    why_no_repos: EmptyReason | None = Field(description="Why repos is empty; null if it is not.")
    source: str | None = Field(description="Name of the source of the counts, `GitHub` for this installation.")
    captured_at: datetime | None
    checked_at: datetime | None
    as_of: datetime | None = Field(description="The requested `as_of`; null: the current data.")
    vs: datetime | None = VS_FIELD
    data_version: int


class Progress(BaseModel):
    """Progress of collecting an account."""

    status: Status
    message: str = Field(examples=["octocat is queued."])
    login: str
    status_url: str = Field(description="URL to poll.", examples=["/api/v1/github/stats/octocat/status"])
    stats_url: str = Field(
        description="URL of the statistics once they are stored.", examples=["/api/v1/github/stats/octocat"]
    )


@router.get(
    "/github/stats/{login}",
    operation_id="get_github_stats",
    summary="Get an account's statistics; starts collecting an unknown account.",
    response_model=compared_model(Stats),
    responses={
        ACCEPTED: {"model": Progress, "description": "Being collected; poll the URL in Location."},
        GONE: {"model": Error, "description": STATUS_DESCRIPTIONS[GONE]},
        **error_responses(301, 304, 404),
    },
)
def stats(login: Login, read_request: UncheckedReadRequest, request: Request) -> Response:
    name = parse_login(login)
    found = find_account(name, read_request.as_of, "stats")
    stored = accounts.summary(found.account_id, read_request.as_of) if found else None
    if stored and stored.gone_at:
        message = f"{name} was found to be deleted or private on {stored.gone_at:%Y-%m-%d}: {stored.gone_reason}."
        return error_response(GONE, "gone", message + " Use as_of to read data collected before.")
    if stored and stored.captured_at:
        return _stats_response(stored, read_request)
    if read_request.as_of is not None:
        # As on the account page, imported history serves for a day before the first refresh.
        if stored and accounts.totals(stored.account_id, read_request.as_of):
            return _stats_response(stored, read_request)
        raise NotFound(
            f"No data about {name} was collected before as_of" if stored else f"No data is stored about {name}"
        )
    try:
        return _start_or_report_progress(name, stored, read_request.identity, request)
    except NotFound:
        if stored and accounts.totals(stored.account_id, None):
            return _stats_response(stored, read_request)
        raise


def _stats_response(stored: AccountSummary, read_request: ReadRequest) -> Response:
    read_request.check_modified()
    return json_response(_stats(stored, read_request), read_request)


def _stats(stored: AccountSummary, read_request: ReadRequest) -> BaseModel:
    account_id, vs = stored.account_id, read_request.vs
    counts = _counts(stored, read_request.as_of)
    reasons = empty_reasons.stored_repositories(account_id, read_request.as_of)
    repositories = repository_detail.by_account(account_id, read_request.as_of)
    shown = repositories[~repositories["is_gone"].astype(bool)].sort_values(
        ["stars", "full_name"], ascending=[False, True], na_position="last"
    )
    top_languages = _top_languages(account_id, read_request.as_of)
    shown, top_languages = shown.head(MAX_TOP_REPOSITORIES), top_languages.head(MAX_TOP_LANGUAGES)
    if vs is not None:
        counts = compared_fields(counts, _counts(accounts.summary(account_id, vs), vs), vs, Stats.COMPARED)
        shown = compared_rows(shown, repository_detail.by_account(account_id, vs), Repository)
        top_languages = compared_rows(top_languages, _top_languages(account_id, vs), TopLanguage)
    return object_model(Stats, vs).model_validate(
        {
            **counts,
            "username": stored.login,
            "why_no_languages": reasons.why_no_languages if top_languages.empty else None,
            "why_no_repos": reasons.why_no_repositories if shown.empty else None,
            "top_languages": records(top_languages),
            "repos": records(shown),
            "as_of": read_request.as_of,
            "data_version": read_request.version,
        }
    )


def _counts(stored: AccountSummary, as_of: datetime | None) -> dict[str, Any]:
    counts = with_counts(stored, as_of)
    return {**counts, "public_repos": stored.public_repositories, "total_stars": counts["stars"]}


def _top_languages(account_id: int, as_of: datetime | None) -> "DataFrame":
    return languages.account_languages(account_id, as_of).rename(columns={"language": "name"})


def _start_or_report_progress(
    name: str, stored: AccountSummary | None, identity: Identity, request: Request
) -> Response:
    """Queue the collection of *name* if needed, and return its progress. Raises NotFound where this may not queue."""
    if not stored or not stored.is_tracked:
        if not may_start_work(request):
            raise NotFound(
                f"No data is stored about {name}. Opening this URL in a browser tracks nothing: send an API key or an"
                " access token, or use the account page"
            )
        with transaction() as connection:
            lookup = first_lookup.unresolved(connection, name)
        if lookup is None:
            limiter.check("track", str(identity.person_id))
            with transaction() as connection:
                lookup = first_lookup.start(connection, identity, name, request.state.origin)
        if lookup is not None:
            return _progress_response(lookup_progress(name, lookup))
        if request_tracking(name, identity, request.state.origin).awaiting_approval:
            return _progress_response(awaiting_approval(name))
        stored = get_account(name, None, "stats")
    progress = tracking.refresh_progress(stored.account_id)
    status, message = status_and_message(name, progress)
    if status == "failed" and (progress.gone_at or progress.error_code == ACCOUNT_NOT_FOUND):
        raise NotFound(message)
    # Other failures are retried.
    return _progress_response(_progress(name, status, message))


def _progress_response(progress: Progress) -> Response:
    headers = {"location": progress.status_url, "retry-after": str(RETRY_SECONDS), "cache-control": "no-store"}
    return JSONResponse(progress.model_dump(), status_code=ACCEPTED, headers=headers)


def awaiting_approval(name: str) -> Progress:
    return _progress(name, "awaiting", f"An admin has to approve the tracking of {name}.")


def request_tracking(name: str, identity: Identity, origin: Origin) -> tracking_commands.TrackingResult:
    """Track *name* and queue it before scheduled refreshes, or store a tracking request for an admin."""
    return write_rows(
        lambda connection: tracking_commands.request_tracking(connection, identity, [name], datetime.now(UTC), origin)
    )


def lookup_progress(name: str, lookup: Lookup) -> Progress:
    """Return how far the lookup is. Raises NotFound when there is no such account, and Moved for a former login."""
    if lookup.is_under_way:
        return _progress(name, "queued", f"{name} is being checked at GitHub.")
    reason = lookup.error_message
    if lookup.state == "done":
        if present := first_lookup.renamed_to(lookup.result):
            raise Moved(f"{name} is now called {present}", "stats", present)
        if lookup.result.is_missing:
            raise NotFound(f"GitHub has no account named {name}")
        reason = lookup.result.error_message
    return _progress(name, "failed", f"{name} could not be checked: {reason}. Ask again to retry.")


@router.get(
    "/github/stats/{login}/status",
    operation_id="get_github_stats_status",
    summary="Get the progress of collecting an account.",
    response_model=Progress,
    responses=error_responses(301, 404),
)
def status(login: Login, _identity: SignedInIdentity) -> Response:
    name = parse_login(login)
    if tracking.has_pending_request(name):
        progress = awaiting_approval(name)
    elif found := find_account(name, None, "stats"):
        progress = account_progress(name, found.account_id)
    elif lookup := first_lookup.find(name):
        progress = lookup_progress(name, lookup)
    else:
        raise NotFound(f"No data is stored about {name}")
    return JSONResponse(progress.model_dump(), headers={"cache-control": "no-store"})


def account_progress(name: str, account_id: int) -> Progress:
    return _progress(name, *status_and_message(name, tracking.refresh_progress(account_id)))


def _progress(name: str, state: Status, message: str) -> Progress:
    url = f"/api/v1/github/stats/{name}"
    return Progress(status=state, message=message, login=name, status_url=f"{url}/status", stats_url=url)


def status_and_message(name: str, progress: RefreshProgress) -> tuple[Status, str]:
    """Return the status of an account's collection and a sentence about it; the first rule that applies wins."""
    refreshed = f"{progress.checked_at:%Y-%m-%d at %H:%M} UTC" if progress.checked_at else ""
    is_unknown = progress.error_code == ACCOUNT_NOT_FOUND
    is_untracked = not progress.is_tracked or progress.paused
    reason = progress.error or progress.error_code
    rules: tuple[tuple[Any, Status, str], ...] = (
        (progress.is_running, "running", f"{name} is being collected."),
        (progress.queued_at, "queued", f"{name} is queued."),
        (progress.gone_at, "failed", f"{name} is deleted or private on GitHub."),
        (refreshed, "stored", f"{name} was collected on {refreshed}."),
        (is_unknown, "failed", f"GitHub has no account named {name}."),
        (progress.item_state == "failed", "failed", f"{name} could not be collected: {reason}. It will be retried."),
        (is_untracked, "failed", f"{name} is not tracked and was never refreshed."),
        (True, "queued", f"{name} is due for its next refresh."),
    )
    return next((status, message) for applies, status, message in rules if applies)
