"""`/movers`: repositories by the stars they gained."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.queries import movers as queries
from core.web.api.conditional import CheckedListRequest, rows_response
from core.web.api.pagination import Page
from core.web.api.row_formats import add_row_routes

router = APIRouter(tags=["movers"])


class Mover(BaseModel):
    """A repository and what it gained."""

    id: int | None = Field(description="GitHub's; null while it is known from imported history alone.")
    full_name: str = Field(examples=["octocat/hello-world"])
    owner: str
    description: str | None
    language: str | None
    stars: int = Field(description="At until_at.")
    growth: int = Field(description="Stars gained in the days before until_at; negative where it lost some.")
    share: float | None = Field(description="growth against the stars before; null where there were none.")
    until_at: datetime = Field(description="The look that says so, within a week of the newest of all.")
    source: str


class Movers(Page[Mover]):
    """What gained most first, at most 10,000."""

    days: int


Days = Annotated[
    int,
    Query(ge=1, le=3650, description="Over how many days; 7, 30, 90 and 365 are kept and cost least.", examples=[30]),
]
Language = Annotated[
    str, Query(max_length=100, pattern=r"^[^\x00]*$", description="Only this primary language.", examples=["Python"])
]


def movers(asked: CheckedListRequest, days: Days = 30, language: Language = "") -> Response:
    found = queries.movers(asked.as_of, days, language)
    return rows_response(asked, found, Movers, ("-growth", "full_name", "id"), days=days)


add_row_routes(router, "/movers", movers, page=Movers, name="list_movers", summary="What gained most stars.")
