"""API route of repositories by gained stars: `/movers`."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from core.errors import NotFound
from core.queries import accounts, collections, languages
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
    COMPARED = queries.COMPARED_COLUMNS

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
    created_at: datetime | None = Field(description="null where it is unknown.")
    age_days: int | None = Field(description="Whole days from created_at to until_at; null where it is unknown.")
    rank: int = Field(description="From 1, in the order of `by`.")
    rank_before: int | None = Field(description="The same in the `days` before; null if it was not ranked then.")
    rank_change: int | None = Field(description="Places gained against the `days` before; negative for places lost.")


class Movers(Page[Mover]):
    """Repositories by rank, or by how much their growth changed against `vs`; at most 10,000.

    One that did not exist at the start had no stars.
    """

    days: int
    by: queries.Ranking
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


By = Annotated[
    queries.Ranking,
    Query(
        description="Rank by stars gained, by stars lost (only repositories that lost some), or by share: growth"
        f" relative to the stars before (only from {queries.MIN_STARS_FOR_SHARE} stars before)."
    ),
]
MaxAge = Annotated[
    WholeNumber | None,
    Query(
        ge=1, le=36_500, description="Only repositories created at most this many days before as_of.", examples=[365]
    ),
]
Top = Annotated[WholeNumber, Query(ge=1, le=queries.MAX_ROWS, description="Only so many, the first in rank.")]
# A share is no whole number, as the keys of a cursor are.
ORDERS: dict[queries.Ranking, tuple[str, ...]] = {
    "gained": ("-growth", "full_name", "id"),
    "lost": ("growth", "full_name", "id"),
    "share": ("rank",),
}


def movers(
    read_request: CheckedListRequest,
    days: Days = 30,
    language: Language = "",
    account: Account = None,
    collection: Collection = "",
    by: By = "gained",
    max_age_days: MaxAge = None,
    top: Top = queries.MAX_ROWS,
) -> Response:
    chosen = languages.find(language) if language else ""
    login = parse_login(account) if account is not None else ""
    # A list without rows would say that none of them moved.
    if login and accounts.find(login, read_request.as_of) is None:
        raise NotFound(f"No data is stored about {login}")
    if collection and collections.find(collection) is None:
        raise NotFound("There is no collection of that name")

    selected: dict[str, Any] = {
        "ranking": by,
        "max_age": timedelta(days=max_age_days) if max_age_days is not None else None,
        "login": login,
        "collection": collection,
    }
    found = queries.ranked_movers(read_request.as_of, days, chosen, **selected)
    rows = found.rows.head(top)
    ages = (rows["until_at"] - rows["created_at"]).dt.days.astype("Int64")
    return rows_response(
        read_request,
        rows.assign(age_days=ages.where(ages >= 0)),
        Movers,
        ORDERS[by],
        then=lambda vs: queries.movers(vs, days, chosen, **selected).rows,
        days=days,
        by=by,
        compared=found.compared,
        unknown_at_start=found.unknown_at_start,
        not_captured=found.not_captured,
    )


add_row_routes(
    router,
    "/movers",
    movers,
    page=Movers,
    name="list_movers",
    summary="List repositories by gained stars.",
    statuses=(404,),
)
