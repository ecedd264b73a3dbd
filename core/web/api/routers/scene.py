"""`/scene/city` and `/scene/globe`: the rows that the scene draws, kept by browsers as long as they are true.

They are fetched by every page that shows the scene, so they do not count as exports.
"""

from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.web import scene_urls as address
from core.web.api.conditional import (
    MEDIA_TYPES,
    CheckedListRequest,
    CheckedReadRequest,
    Format,
    ReadRequest,
    page_response,
    rows_response,
)
from core.web.api.pagination import Page
from core.web.api.row_formats import add_row_routes

if TYPE_CHECKING:
    from pandas import DataFrame

router = APIRouter(tags=["scene"])
A_YEAR = 365 * 24 * 3600


class Tower(BaseModel):
    """A repository as the city shows it; lengths in units of the city."""

    name: str = Field(examples=["octocat/hello-world"])
    language: str
    stars: int
    growth: int | None = Field(description="Stars gained in 30 days; null where nobody looked then.")
    stars_said: str
    growth_said: str
    looked_at: date
    x: float
    y: float
    width: float
    depth: float
    height: float
    r: int = Field(description="The language's colour; red, green, blue from 0 to 255.")
    g: int
    b: int


class District(BaseModel):
    """An owner's floor in the city."""

    owner: str = Field(examples=["octocat"])
    repositories: int
    stars: int
    x: float
    y: float
    width: float
    depth: float


class Place(BaseModel):
    """A city or country, and what the accounts that tell it as their location add up to."""

    place: str = Field(examples=["Berlin"])
    country: str = Field(examples=["Germany"])
    exact: Literal["city", "country"] = Field(description="A country is shown at its capital.")
    latitude: float
    longitude: float
    accounts: int
    repositories: int
    stars: int
    followers: int = Field(description="Of the accounts whose followers we know.")


class PlacePage(Page[Place]):
    """Places with most stars first."""

    located: int = Field(description="Accounts that are on the globe.")
    without_location: int = Field(description="Accounts that tell no location.")
    not_found: int = Field(description="Accounts whose location is no place that can be told apart; never guessed.")
    attribution: str


class CityPage(Page[Tower | District]):
    """Towers or districts; `next_cursor` is always null: half a city is none."""


def city(
    asked: CheckedReadRequest,
    part: Annotated[address.Part, Query(description="What of the city.")] = "towers",
    owners: Annotated[address.Owners, Query(description="How many owners, those with most stars.")] = 60,
    language: Annotated[
        list[address.Language] | None, Query(description="Only these languages; may be given more than once.")
    ] = None,
    min_stars: Annotated[address.Stars, Query(description="Nothing below so many stars.")] = 0,
    height: Annotated[address.Height, Query(description="What a tower's height says.")] = "stars",
    v: Annotated[str, Query(description="The edition that is wanted; its answer may be kept for good.")] = "",
) -> Response:
    # Imported when first asked: charts are for who draws.
    from core.charts.scene import city as plans  # noqa: PLC0415
    from core.charts.scene import deck as charts  # noqa: PLC0415
    from core.queries import scene as queries  # noqa: PLC0415

    choice = queries.CityFilters(owners, tuple(language or ()), min_stars, asked.as_of)
    plan = plans.build_city(queries.city_repositories(choice), height)
    found = charts.tower_rows(plan) if part == "towers" else charts.district_rows(plan)
    answer = scene_response(asked, found)
    if v == address.scene_version(asked.version):
        answer.headers["cache-control"] = f"private, max-age={A_YEAR}, immutable"
    return answer


def scene_response(asked: ReadRequest, found: "DataFrame") -> Response:
    if asked.form == "json":
        return page_response(asked, found, CityPage, None)
    return Response(encode_rows(found, asked.form), media_type=MEDIA_TYPES[asked.form], headers=asked.headers())


def encode_rows(found: "DataFrame", form: Format) -> bytes:
    """For the browser that draws, not for a spreadsheet: texts stay as they are."""
    if form == "csv":
        return found.to_csv(index=False).encode()
    into = BytesIO()
    found.to_parquet(into, index=False)
    return into.getvalue()


def globe(asked: CheckedListRequest) -> Response:
    from core.geo.geocoder import ATTRIBUTION  # noqa: PLC0415 - as above
    from core.queries.globe import locate_accounts as placed  # noqa: PLC0415

    found = placed(asked.as_of)
    return rows_response(
        asked,
        found.places,
        PlacePage,
        ("-stars", "place", "country", "latitude", "longitude"),
        located=found.located,
        without_location=found.without_location,
        not_found=found.not_found,
        attribution=ATTRIBUTION,
    )


add_row_routes(router, "/scene/city", city, page=CityPage, name="get_city", summary="The city of repositories.")
add_row_routes(router, "/scene/globe", globe, page=PlacePage, name="get_globe", summary="Accounts by place.")
