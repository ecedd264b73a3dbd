"""API routes of one account and its repositories: `/accounts/{login}`."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from core.errors import NotFound
from core.queries import accounts, repository_detail
from core.queries.accounts import AccountSummary
from core.queries.empty_reasons import EmptyReason, stored_repositories
from core.tracking.login import MAX_LENGTH, parse_login
from core.web.api.compared import compared_fields, compared_model, object_model
from core.web.api.conditional import CheckedListRequest, UncheckedReadRequest, json_response, rows_response
from core.web.api.errors import error_responses
from core.web.api.former_names import find_account
from core.web.api.pagination import VS_FIELD, ComparedRow, Page
from core.web.api.routers import repositories
from core.web.api.row_formats import NOT_MODIFIED, add_row_routes

router = APIRouter(tags=["accounts"])
Login = Annotated[
    str,
    Path(
        description="A GitHub login, case-insensitive; `@login` is accepted.",
        examples=["octocat"],
        json_schema_extra={"pattern": "^-*[A-Za-z0-9][A-Za-z0-9-]*(_[A-Za-z0-9]+)?$", "maxLength": MAX_LENGTH},
    ),
]


class Account(ComparedRow):
    """A user or organization as it was then, with the counts of its newest capture; null before the first capture.

    While we have not captured it, stars, forks and repositories are those of the newest imported history.
    """

    COMPARED = ("followers", "following", "public_repositories", "public_gists", "stars", "forks", "repositories")

    id: int | None = Field(description="GitHub's id; null before the first refresh.", examples=[583231])
    login: str = Field(
        description="Its login then; before its first capture the oldest known one.", examples=["octocat"]
    )
    current_login: str = Field(description="Its login now.", examples=["octocat"])
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
    stars: int | None = Field(
        description="Total of its owned repositories, forks included, without deleted or private ones."
    )
    forks: int | None
    repositories: int | None = Field(description="Number of these repositories.")
    created_at: datetime | None
    captured_at: datetime | None = Field(description="When the counts last changed.")
    source: str | None = Field(
        description="Name of the source of the counts, `GitHub` for this installation; null without any."
    )
    checked_at: datetime | None = Field(description="Time of the last refresh.")
    gone_at: datetime | None = Field(description="When it was found to be deleted or private.")
    gone_reason: str | None
    is_tracked: bool = Field(description="Whether it is currently refreshed on schedule.")
    as_of: datetime | None = Field(description="The requested `as_of`; null: the current data.")
    vs: datetime | None = VS_FIELD


def get_account(login: str, as_of: datetime | None, collection: str = "accounts") -> AccountSummary:
    """Return the account that had this login then, or has it now.

    Raises BadLogin, NotFound, NotCreatedYet, and Moved for a former login in a path `/{collection}/{login}`.
    """
    found = find_account(login, as_of, collection)
    if found is None:
        raise NotFound(f"No data is stored about {parse_login(login)}")
    return accounts.summary(found.account_id, as_of)


def with_counts(stored: AccountSummary, as_of: datetime | None) -> dict[str, Any]:
    """Return the fields of *stored* and `source`; before our first capture the counts are imported, as on the page."""
    fields = asdict(stored)
    if stored.captured_at is not None:
        return {**fields, "source": "GitHub"}
    imported = accounts.totals(stored.account_id, as_of)
    if imported is None:
        return {**fields, "source": None}
    names = ("stars", "forks", "repositories", "captured_at", "source")
    return {**fields, **{name: getattr(imported, name) for name in names}}


@router.get(
    "/accounts/{login}",
    operation_id="get_account",
    summary="Get an account.",
    response_model=compared_model(Account),
    responses=error_responses(301, NOT_MODIFIED, 404),
)
def account(login: Login, read_request: UncheckedReadRequest) -> Response:
    stored = get_account(login, read_request.as_of)
    # Tracking changes without a new data version, so it is part of the ETag.
    read_request.check_modified(stored.is_tracked)
    fields = with_counts(stored, read_request.as_of) | {"as_of": read_request.as_of}
    if vs := read_request.vs:
        then = with_counts(accounts.summary(stored.account_id, vs), vs)
        fields = compared_fields(fields, then, vs, Account.COMPARED)
    return json_response(object_model(Account, vs).model_validate(fields), read_request, stored.is_tracked)


Sort = Annotated[
    Literal["full_name", "stars"],
    Query(description="`stars`: descending; a repository whose stars change while paging may be repeated or skipped."),
]
ORDERS = {"full_name": ("full_name", "id"), "stars": ("-stars", "full_name", "id")}


class AccountRepositories(Page[repositories.Repository]):
    """The repositories of an account."""

    why_empty: EmptyReason | None = Field(description="Why it has no stored repositories; null if it has any.")


def account_repositories(
    login: Login,
    read_request: CheckedListRequest,
    sort: Sort = "full_name",
    include_gone: Annotated[bool, Query(description="Include deleted and private repositories.")] = False,
) -> Response:
    account_id = get_account(login, read_request.as_of).account_id
    stored = repository_detail.by_account(account_id, read_request.as_of)
    shown = stored if include_gone else stored[~stored["is_gone"].astype(bool)]
    why_empty = stored_repositories(account_id, read_request.as_of).why_no_repositories if stored.empty else None
    return rows_response(
        read_request,
        shown,
        AccountRepositories,
        ORDERS[sort],
        then=lambda vs: repository_detail.by_account(account_id, vs),
        why_empty=why_empty,
    )


add_row_routes(
    router,
    "/accounts/{login}/repositories",
    account_repositories,
    page=AccountRepositories,
    name="list_account_repositories",
    summary="List an account's repositories.",
    statuses=(301, 404),
)
