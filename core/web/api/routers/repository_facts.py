"""API routes of what was collected about one repository: bursts, contributors, releases, commits."""

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from core import bursts as burst_rules
from core.queries import changes, repository_facts
from core.web.api.conditional import CheckedListRequest, rows_response
from core.web.api.moved import find_repository
from core.web.api.pagination import Page
from core.web.api.routers.repositories import Name, Owner, check_name
from core.web.api.row_formats import add_row_routes

router = APIRouter(tags=["repositories"])
MAX_CHANGES = 1_000
PATH = "/repositories/{owner}/{name}"


class Burst(BaseModel):
    """Days in a row with far more stars than usual."""

    first_day: datetime = Field(description="Midnight of the day, which is one of America/Los_Angeles.")
    last_day: datetime
    stars: int = Field(description="Given on all these days and not withdrawn.")
    peak: int = Field(description="Given on the highest day.")
    usual: float = Field(description="Median of the 90 days before.")
    nearby: str = Field(
        description=f"The release or change nearest in time, at most {burst_rules.MAX_DISTANCE_DAYS} days away.",
        examples=[burst_rules.NOTHING_NEARBY],
    )


class Bursts(Page[Burst]):
    """Bursts, newest first."""

    full_name: str
    days: int = Field(description="Days with a known number of stars; 0: not collected yet.")


class Contributor(BaseModel):
    """One of the hundred contributors with most commits."""

    login: str
    is_bot: bool
    commits: int
    share: float | None = Field(description="Of the commits by people; null for bots.")


class Contributors(Page[Contributor]):
    """Contributors as last read, most commits first; empty as of a time before that."""

    full_name: str
    contributors: int | None = Field(description="People; null: not collected by then.")
    bots: int | None
    commits: int | None = Field(description="By people.")
    absence_factor: int | None = Field(
        description="CHAOSS Contributor Absence Factor: the fewest people who made half of the commits."
    )
    is_complete: bool | None = Field(description="Whether GitHub listed all of them.")


class Release(BaseModel):
    """A release."""

    tag: str
    name: str | None
    is_prerelease: bool
    published_at: datetime
    downloads: int | None = Field(description="Of all its files, when last read; null as of a time before that.")


class Releases(Page[Release]):
    """Releases published and not deleted by then, newest first."""

    full_name: str
    is_collected: bool = Field(description="False: no rows does not mean that there are none.")


class CommitWeek(BaseModel):
    """Commits to the default branch in one complete week, merges excluded."""

    week: datetime = Field(description="Midnight of its Monday, UTC.")
    commits: int


class Commits(Page[CommitWeek]):
    """Commits by week, oldest first; empty until collected."""

    full_name: str


def list_bursts(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    check_name(owner, name)
    found, as_of = find_repository(owner, name, read_request.as_of), read_request.as_of
    days = repository_facts.stars_given(found.repository_id, as_of)
    rows = repository_facts.star_bursts(
        days,
        repository_facts.releases(found.repository_id, as_of),
        changes.ledger(as_of, repository_id=found.repository_id, limit=MAX_CHANGES),
    )
    return rows_response(read_request, rows, Bursts, ("-first_day",), full_name=found.full_name, days=len(days))


def list_contributors(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    check_name(owner, name)
    found = find_repository(owner, name, read_request.as_of)
    summary = repository_facts.contributor_summary(found.repository_id, read_request.as_of)
    rows = repository_facts.contributors(found.repository_id, read_request.as_of)
    names = ("contributors", "bots", "commits", "absence_factor", "is_complete")
    counts = {one: None if summary is None else getattr(summary, one) for one in names}
    return rows_response(read_request, rows, Contributors, ("-commits", "login"), full_name=found.full_name, **counts)


def list_releases(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    check_name(owner, name)
    found = find_repository(owner, name, read_request.as_of)
    return rows_response(
        read_request,
        repository_facts.releases(found.repository_id, read_request.as_of),
        Releases,
        ("-published_at", "tag"),
        full_name=found.full_name,
        is_collected=repository_facts.was_collected(found.repository_id, "releases", read_request.as_of),
    )


def list_commits(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    check_name(owner, name)
    found = find_repository(owner, name, read_request.as_of)
    rows = repository_facts.weekly_commits(found.repository_id, read_request.as_of)
    return rows_response(read_request, rows, Commits, ("week",), full_name=found.full_name)


for endpoint, page, summary in (
    (list_bursts, Bursts, "List days with far more stars than usual."),
    (list_contributors, Contributors, "List a repository's contributors."),
    (list_releases, Releases, "List a repository's releases."),
    (list_commits, Commits, "List a repository's commits by week."),
):
    subject = endpoint.__name__.removeprefix("list_")
    add_row_routes(
        router, f"{PATH}/{subject}", endpoint, page=page, name=f"list_repository_{subject}", summary=summary,
        statuses=(301, 404),
    )  # fmt: skip
