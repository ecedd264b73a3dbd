"""`/accounts/{login}`: one account and its repositories."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from core.errors import NotFound
from core.queries import accounts, repository_detail
from core.queries.accounts import AccountSummary
from core.tracking.login import MAX_LENGTH, parse_login
from core.web.api.conditional import CheckedListRequest, UncheckedReadRequest, json_response, rows_response
from core.web.api.errors import error_responses
from core.web.api.pagination import Page
from core.web.api.routers import repositories
from core.web.api.row_formats import NOT_MODIFIED, add_row_routes

router = APIRouter(tags=["accounts"])
Login = Annotated[
    str,
    Path(
        description="A GitHub login, in any case; `@login` will do too.",
        examples=["octocat"],
        json_schema_extra={"pattern": "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$", "maxLength": MAX_LENGTH},
    ),
]


class Account(BaseModel):
    """A user or organization; counts are those of our newest look by then, null before the first."""

    id: int | None = Field(description="GitHub's; null until GitHub was asked for it.", examples=[583231])
    login: str = Field(examples=["octocat"])
    kind: Literal["user", "organization"] | None
    name: str | None = Field(examples=["The Octocat"])
    company: str | None
    location: str | None = Field(examples=["San Francisco"])
    website: str | None
    bio: str | None
    followers: int | None
    following: int | None
    public_repositories: int | None
    public_gists: int | None
    stars: int | None = Field(description="Over its owned repositories that are not gone, forks included.")
    forks: int | None
    repositories: int | None = Field(description="How many those are.")
    created_at: datetime | None
    captured_at: datetime | None = Field(description="When the counts last changed.")
    checked_at: datetime | None = Field(description="When GitHub was last asked.")
    gone_at: datetime | None = Field(description="When it was found to be gone.")
    gone_reason: str | None
    is_tracked: bool = Field(description="Whether it is refreshed on schedule now.")
    as_of: datetime | None = Field(description="The moment that was asked about; null: now.")


def get_account(login: str, as_of: datetime | None) -> AccountSummary:
    """The account that is called so now. Raises BadLogin, and NotFound with the new name if it was renamed."""
    name = parse_login(login)
    held = accounts.by_login(name, as_of)
    if held:
        return held
    renamed = accounts.current_login(name)
    raise NotFound(f"{name} is now called {renamed}" if renamed else f"Nothing is held of {name}")


@router.get(
    "/accounts/{login}",
    operation_id="get_account",
    summary="One account.",
    response_model=Account,
    responses=error_responses(NOT_MODIFIED, 404),
)
def account(login: Login, asked: UncheckedReadRequest) -> Response:
    held = get_account(login, asked.as_of)
    # Tracking changes without a run, so the data version alone would not tell.
    asked.check(held.is_tracked)
    return json_response(Account.model_validate({**asdict(held), "as_of": asked.as_of}), asked, held.is_tracked)


Sort = Annotated[
    Literal["full_name", "stars"],
    Query(description="`stars`: most first; what gains or loses stars meanwhile may move between pages."),
]
ORDERS = {"full_name": ("full_name", "id"), "stars": ("-stars", "full_name", "id")}


def account_repositories(
    login: Login,
    asked: CheckedListRequest,
    sort: Sort = "full_name",
    include_gone: Annotated[bool, Query(description="Those that were deleted or hidden, too.")] = False,
) -> Response:
    held = repository_detail.by_account(get_account(login, asked.as_of).account_id, asked.as_of)
    shown = held if include_gone else held[~held["is_gone"].astype(bool)]
    return rows_response(asked, shown, Page[repositories.Repository], ORDERS[sort])


add_row_routes(
    router,
    "/accounts/{login}/repositories",
    account_repositories,
    page=Page[repositories.Repository],
    name="list_account_repositories",
    summary="The account's repositories.",
    statuses=(404,),
)
