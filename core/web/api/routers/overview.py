"""API routes of the whole installation: totals over time and milestones ahead."""

from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from pydantic import Field

from core.queries import milestones as milestone_queries
from core.queries import overview
from core.web.api.conditional import CheckedListRequest, rows_response
from core.web.api.pagination import ComparedRow, Page
from core.web.api.row_formats import add_row_routes

if TYPE_CHECKING:
    from pandas import DataFrame

router = APIRouter(tags=["overview"])


class Totals(ComparedRow):
    """Totals of all repositories of the source, forks left out, on a day with a capture."""

    KEY = ("source",)
    COMPARED = ("stars", "forks", "repositories", "languages")
    IS_SERIES = True

    captured_at: datetime = Field(description="The day (midnight, UTC).")
    stars: int
    forks: int | None = Field(description="null where those of any repository are unknown.")
    repositories: int
    languages: int = Field(description="Number of primary languages.")
    source: str


class TotalsHistory(Page[Totals]):
    """The last two years of the source with most repositories, oldest first."""


class Milestone(ComparedRow):
    """A repository that may reach a round number of stars within 90 days at its growth of the last 30."""

    KEY = ("full_name",)
    COMPARED = ("stars",)

    full_name: str = Field(examples=["octocat/hello-world"])
    stars: int = Field(description="At checked_at.")
    milestone: int = Field(description="The next round number.")
    stars_30d: int
    checked_at: datetime
    earliest: datetime | None = Field(description="From when it may be reached; null where no straight line fits.")
    latest: datetime | None = Field(description="Until when it may be reached; null likewise.")
    reason: str | None = Field(description="Why there is no range; empty where there is one.")


class Milestones(Page[Milestone]):
    """The nearest milestones by name of the repository."""


def totals(read_request: CheckedListRequest) -> Response:
    rows = overview.largest_totals(read_request.as_of)
    order = ("captured_at",)
    return rows_response(read_request, rows, TotalsHistory, order, then=overview.largest_totals)


def milestones(read_request: CheckedListRequest) -> Response:
    rows = milestone_queries.ahead(read_request.as_of)

    def same_rows_then(vs: datetime) -> "DataFrame":
        """Return their stars then: other repositories may have been near a milestone."""
        then = milestone_queries.ahead(read_request.as_of, vs=vs)
        return then[["full_name", "stars_vs"]].rename(columns={"stars_vs": "stars"})

    return rows_response(read_request, rows, Milestones, ("full_name",), then=same_rows_then)


add_row_routes(router, "/totals", totals, page=TotalsHistory, name="list_totals", summary="List totals over time.")
add_row_routes(
    router, "/milestones", milestones, page=Milestones, name="list_milestones", summary="List milestones ahead."
)
