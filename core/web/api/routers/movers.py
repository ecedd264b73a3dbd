"""API route of repositories by gained stars: `/movers`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from core.queries import languages
from core.queries import movers as queries
from core.tracking.login import parse_login
from core.web.api.conditional import CheckedListRequest, rows_response
from core.web.api.pagination import ComparedRow, Page
from core.web.api.row_formats import add_row_routes
from core.whole_numbers import WholeNumber

router = APIRouter(tags=["movers"])


class Mover(ComparedRow):
    """A repository and its growth."""

    KEY = ("id",)
    COMPARED = ("growth", "stars")

    id: int | None = Field(description="GitHub's id; null if only imported history is stored.")
    full_name: str = Field(examples=["octocat/hello-world"])
    owner: str
    description: str | None
    language: str | None
    stars: int = Field(description="Stars at until_at.")
    growth: int = Field(description="Stars gained in the `days` before until_at; negative if stars were lost.")
    share: float | None = Field(description="growth divided by the stars before; null if there were none.")
    until_at: datetime = Field(description="Time of the last capture, at most a week before the newest of all.")
    source: str


class Movers(Page[Mover]):
    """Repositories by growth, descending; at most 10,000. One that did not exist at the start had no stars."""

    days: int
    compared: int = Field(description="Repositories whose growth is known.")
    unknown_at_start: int = Field(
        description="Repositories left out because no capture near the start of the period confirms a number."
    )
    not_captured: int = Field(
        description="Repositories left out because they were not captured in the week before the newest capture."
    )


Days = Annotated[
    WholeNumber,
    Query(ge=1, le=3650, description="Period in days; 1, 7, 30, 90 and 365 are stored and fastest.", examples=[30]),
]
Language = Annotated[
    str,
    Query(
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="Only repositories with this primary language: its name, a former name or an alias, in any case.",
        examples=["Python"],
    ),
]


Account = Annotated[
    str | None, Query(description="Only repositories of this account, by its login.", examples=["octocat"])
]
Collection = Annotated[
    str,
    Query(max_length=200, pattern=r"^[^\x00]*$", description="Only members of this collection, or of its accounts."),
]


def movers(
    read_request: CheckedListRequest,
    days: Days = 30,
    language: Language = "",
    account: Account = None,
    collection: Collection = "",
) -> Response:
    chosen = languages.find(language) if language else ""
    login = parse_login(account) if account is not None else ""

    def ranked(at: datetime | None) -> queries.Movers:
        return queries.movers(at, days, chosen, login=login, collection=collection)

    found = ranked(read_request.as_of)
    return rows_response(
        read_request,
        found.rows,
        Movers,
        ("-growth", "full_name", "id"),
        then=lambda vs: ranked(vs).rows,
        days=days,
        compared=found.compared,
        unknown_at_start=found.unknown_at_start,
        not_captured=found.not_captured,
    )


add_row_routes(router, "/movers", movers, page=Movers, name="list_movers", summary="List repositories by gained stars.")
