"""API routes of one repository and its star history: `/repositories/{owner}/{name}`.

A repository's name may end in .csv or .parquet. Only paths of lists take these as a format, and a list's last segment
is never a name: `…/octo/site.csv` is the repository `site.csv`, `…/octo/site.csv/stars.csv` its star history.
"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from core.errors import NotFound
from core.queries import repository_detail as queries
from core.queries import star_history
from core.web.api.compared import compared_fields, compared_model, object_model
from core.web.api.conditional import CheckedListRequest, CheckedReadRequest, json_response, records, rows_response
from core.web.api.errors import error_responses
from core.web.api.former_names import find_repository
from core.web.api.pagination import VS_FIELD, ComparedRow, CountByName, Page, StringList
from core.web.api.row_formats import NOT_MODIFIED, add_row_routes

router = APIRouter(tags=["repositories"])
MAX_NAME_LENGTH = 100
Owner = Annotated[
    str,
    Path(
        description="The owner's login, case-insensitive.",
        examples=["octocat"],
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$", "maxLength": 39},
    ),
]
Name = Annotated[
    str,
    Path(
        description="The repository's name, case-insensitive; a trailing `.csv` is part of it.",
        examples=["hello-world"],
        json_schema_extra={"pattern": "^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$", "maxLength": MAX_NAME_LENGTH},
    ),
]


class Repository(ComparedRow):
    """A repository as it was then, with the counts of its newest capture; null where GitHub did not report a value.

    Before the first capture only name, owner and created_at are known, and what an imported history says.
    """

    KEY = ("id",)
    COMPARED = (
        "stars",
        "forks",
        "watchers",
        "open_issues",
        "open_change_requests",
        "open_issues_and_change_requests",
        "size_kb",
    )

    id: int | None = Field(description="GitHub's id; null if only imported history is stored.", examples=[1296269])
    owner: str = Field(examples=["octocat"])
    name: str = Field(examples=["hello-world"])
    full_name: str = Field(examples=["octocat/hello-world"])
    description: str | None
    homepage: str | None
    license: str | None = Field(description="SPDX identifier.", examples=["MIT"])
    topics: StringList = Field(description="null until collected.")
    primary_language: str | None = Field(examples=["Python"])
    languages: CountByName = Field(description="Bytes by language; null until collected.", examples=[{"Python": 4120}])
    default_branch: str | None
    is_fork: bool | None
    is_archived: bool | None
    is_template: bool | None
    is_gone: bool = Field(description="Whether it was deleted or private at as_of.")
    stars: int | None
    forks: int | None
    watchers: int | None = Field(description="Subscribers to notifications; not stars.")
    open_issues: int | None = Field(description="Without change requests; null where GitHub reported only their sum.")
    open_change_requests: int | None = Field(description="Open pull requests.")
    open_issues_and_change_requests: int | None
    size_kb: int | None
    stars_7d: int | None = Field(
        description="Stars gained in the 7 days before checked_at; null without a capture at their start."
    )
    stars_30d: int | None = Field(description="Stars gained in the 30 days before checked_at; null as for stars_7d.")
    created_at: datetime | None
    pushed_at: datetime | None
    captured_at: datetime | None = Field(description="When the counts last changed.")
    checked_at: datetime | None = Field(description="Time of the last capture.")
    source: str = Field(description="Source of the data: GitHub is this installation, others are imported histories.")


class RepositoryDetail(Repository):
    """A repository, with the requested `as_of` and `vs`."""

    as_of: datetime | None = Field(description="The requested `as_of`; null: the current data.")
    vs: datetime | None = VS_FIELD


class StarCount(ComparedRow):
    """The number of stars from captured_at on."""

    KEY = ("source",)
    COMPARED = ("stars",)
    IS_SERIES = True

    captured_at: datetime
    stars: int
    source: str = Field(examples=["GitHub"])


class CoverageGap(BaseModel):
    """A period without a capture for more than twice the source's cadence."""

    source: str
    from_at: datetime = Field(description="The last capture before the gap.")
    to_at: datetime | None = Field(description="The first capture after the gap; null while it continues.")


class StarHistory(Page[StarCount]):
    """Every observed change, oldest first. Between two rows the number did not change, except in gaps, where it is
    unknown."""

    full_name: str
    gaps: list[CoverageGap]


@router.get(
    "/repositories/{owner}/{name}",
    operation_id="get_repository",
    summary="Get a repository.",
    response_model=compared_model(RepositoryDetail),
    responses=error_responses(301, NOT_MODIFIED, 404),
)
def repository(owner: Owner, name: Name, read_request: CheckedReadRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)
    rows = records(queries.by_id(found.repository_id, read_request.as_of))
    if not rows:
        raise NotFound(f"No data about {found.full_name} was collected before as_of")
    fields: dict[str, Any] = {**rows[0], "as_of": read_request.as_of}
    if vs := read_request.vs:
        then = records(queries.by_id(found.repository_id, vs))
        fields = compared_fields(fields, then[0] if then else {}, vs, RepositoryDetail.COMPARED)
    return json_response(object_model(RepositoryDetail, vs).model_validate(fields), read_request)


def stars(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)
    repository_id = found.repository_id
    gaps = (
        records(star_history.coverage_gaps(repository_id, read_request.as_of)) if read_request.format == "json" else []
    )
    series = star_history.star_series(repository_id, read_request.as_of)
    return rows_response(
        read_request,
        series,
        StarHistory,
        ("captured_at", "source"),
        then=lambda vs: star_history.star_series(repository_id, vs),
        gaps=gaps,
        full_name=found.full_name,
    )


add_row_routes(
    router,
    "/repositories/{owner}/{name}/stars",
    stars,
    page=StarHistory,
    name="list_stars",
    summary="List a repository's star history.",
    statuses=(301, 404),
)
