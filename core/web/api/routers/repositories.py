"""`/repositories/{owner}/{name}`: one repository, and its stars over time.

A repository's name may end in .csv or .parquet; only addresses that answer with rows take these as a form, and their
last part is never a name: `…/octo/site.csv` is the repository `site.csv`, `…/octo/site.csv/stars.csv` its stars.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from core.errors import BadInput, NotFound
from core.queries import repository_detail as queries
from core.queries import star_history
from core.web.api.conditional import CheckedListRequest, CheckedReadRequest, json_response, records, rows_response
from core.web.api.errors import error_responses
from core.web.api.pagination import CountByName, Page, StringList
from core.web.api.row_formats import NOT_MODIFIED, add_row_routes

router = APIRouter(tags=["repositories"])
MAX_NAME_LENGTH = 100
Owner = Annotated[
    str,
    Path(
        description="The owner's login, in any case.",
        examples=["octocat"],
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$", "maxLength": 39},
    ),
]
Name = Annotated[
    str,
    Path(
        description="The repository's name, in any case; `.csv` at its end is part of the name.",
        examples=["hello-world"],
        json_schema_extra={"pattern": "^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$", "maxLength": MAX_NAME_LENGTH},
    ),
]


class Repository(BaseModel):
    """A repository with its counts at the newest look by then; what GitHub did not tell is null."""

    id: int | None = Field(description="GitHub's; null while it is known from imports alone.", examples=[1296269])
    owner: str = Field(examples=["octocat"])
    name: str = Field(examples=["hello-world"])
    full_name: str = Field(examples=["octocat/hello-world"])
    description: str | None
    homepage: str | None
    license: str | None = Field(description="SPDX identifier.", examples=["MIT"])
    topics: StringList = Field(description="null until they were read.")
    primary_language: str | None = Field(examples=["Python"])
    languages: CountByName = Field(
        description="Bytes by language; null until they were read.", examples=[{"Python": 4120}]
    )
    default_branch: str | None
    is_fork: bool
    is_archived: bool
    is_template: bool
    is_gone: bool = Field(description="Whether it was found to be deleted or hidden by then.")
    stars: int | None
    forks: int | None
    watchers: int | None = Field(description="Who is told of everything; not stars.")
    open_issues: int | None = Field(description="Without change requests; null where GitHub did not tell them apart.")
    open_change_requests: int | None = Field(description="Open pull requests.")
    open_issues_and_change_requests: int | None
    size_kb: int | None
    stars_7d: int | None = Field(description="Gained in the 7 days before checked_at; null where nobody looked then.")
    stars_30d: int | None = Field(description="Gained in the 30 days before checked_at.")
    created_at: datetime | None
    pushed_at: datetime | None
    captured_at: datetime | None = Field(description="When the counts last changed.")
    checked_at: datetime | None = Field(description="The last look.")
    source: str = Field(description="Who looked: GitHub is this installation, others kept history that was imported.")


class RepositoryDetail(Repository):
    """One repository."""

    as_of: datetime | None = Field(description="The moment that was asked about; null: now.")


class StarCount(BaseModel):
    """Stars from one moment on."""

    captured_at: datetime
    stars: int
    source: str = Field(examples=["GitHub"])


class CoverageGap(BaseModel):
    """A time in which nobody looked for more than twice the source's cadence."""

    source: str
    from_at: datetime = Field(description="The last look before it.")
    to_at: datetime | None = Field(description="The first look after it; null while it lasts.")


class StarHistory(Page[StarCount]):
    """Every change that was seen, oldest first. Between two rows of this installation the number stayed as it was,
    but for the gaps: nobody knows what happened in them."""

    full_name: str
    gaps: list[CoverageGap]


def not_stored_error(owner: str, name: str) -> NotFound:
    renamed = queries.current_full_name(owner, name)
    return NotFound(f"{owner}/{name} is now called {renamed}" if renamed else f"Nothing is held of {owner}/{name}")


def check_name(owner: str, name: str) -> None:
    """Raises BadInput for what no repository can be called."""
    whole = f"{owner}/{name}"
    if len(whole) > MAX_NAME_LENGTH + 40 or not whole.isprintable():
        raise BadInput("That is no repository's name; write owner/name like octocat/hello-world")


@router.get(
    "/repositories/{owner}/{name}",
    operation_id="get_repository",
    summary="One repository.",
    response_model=RepositoryDetail,
    responses=error_responses(NOT_MODIFIED, 404),
)
def repository(owner: Owner, name: Name, asked: CheckedReadRequest) -> Response:
    check_name(owner, name)
    found = records(queries.by_name(owner, name, asked.as_of))
    if not found:
        raise not_stored_error(owner, name)
    return json_response(RepositoryDetail.model_validate({**found[0], "as_of": asked.as_of}), asked)


def stars(owner: Owner, name: Name, asked: CheckedListRequest) -> Response:
    check_name(owner, name)
    repository_id = queries.find_repository_id(owner, name)
    if repository_id is None:
        raise not_stored_error(owner, name)
    missing = records(star_history.coverage_gaps(repository_id, asked.as_of)) if asked.form == "json" else []
    series = star_history.star_series(repository_id, asked.as_of)
    return rows_response(
        asked, series, StarHistory, ("captured_at", "source"), gaps=missing, full_name=f"{owner}/{name}"
    )


add_row_routes(
    router,
    "/repositories/{owner}/{name}/stars",
    stars,
    page=StarHistory,
    name="list_stars",
    summary="The repository's stars over time.",
    statuses=(404,),
)
