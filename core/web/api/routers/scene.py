"""API routes with the rows that the scene page draws: `/scene/city` and `/scene/globe`.

Every visit of the scene page fetches them, so they do not count as exports; browsers cache them by their content.
"""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.web import scene_urls
from core.web.api.compared import object_model
from core.web.api.conditional import (
    MEDIA_TYPES,
    CheckedListRequest,
    CheckedReadRequest,
    Format,
    ReadRequest,
    page_response,
    rows_response,
)
from core.web.api.pagination import ComparedRow, Page
from core.web.api.row_formats import add_row_routes

if TYPE_CHECKING:
    from pandas import DataFrame

router = APIRouter(tags=["scene"])
PLACE_ORDER = ("-stars", "place", "country", "latitude", "longitude")
A_YEAR_SECONDS = 365 * 24 * 3600


class Tower(ComparedRow):
    """A repository as drawn in the city; lengths in the city's own units."""

    COMPARED = ("stars",)

    name: str = Field(examples=["octocat/hello-world"])
    language: str
    stars: int
    growth: int | None = Field(description="Stars gained in 30 days; null without a capture at their start.")
    stars_text: str
    growth_text: str
    captured_on: date
    x: float
    y: float
    width: float
    depth: float
    height: float
    r: int = Field(description="Red of the language's colour, 0 to 255, as are g (green) and b (blue).")
    g: int
    b: int


class District(BaseModel):
    """The area of an owner's repositories in the city."""

    owner: str = Field(examples=["octocat"])
    repositories: int
    stars: int
    x: float
    y: float
    width: float
    depth: float


class Place(ComparedRow):
    """A city or country with the totals of the accounts located there."""

    KEY = ("place", "country", "latitude", "longitude")
    COMPARED = ("stars", "accounts", "repositories", "followers")

    place: str = Field(examples=["Berlin"])
    country: str = Field(examples=["Germany"])
    exact: Literal["city", "country"] = Field(description="A country is located at its capital.")
    latitude: float
    longitude: float
    accounts: int
    repositories: int
    stars: int
    followers: int | None = Field(
        description="Total of the accounts that were refreshed by then; null if none was: imported history has none."
    )


class PlacePage(Page[Place]):
    """Places by stars, descending."""

    located: int = Field(description="Accounts with a located place.")
    without_location: int = Field(description="Accounts without a location.")
    not_found: int = Field(description="Accounts whose location is unknown or ambiguous.")
    attribution: str


class CityPage(Page[Tower | District]):
    """Towers or districts, always all of them: `next_cursor` is null."""


def city(
    read_request: CheckedReadRequest,
    part: Annotated[scene_urls.Part, Query(description="Repositories (towers) or owners (districts).")] = "towers",
    owners: Annotated[scene_urls.Owners, Query(description="Number of owners, those with most stars.")] = 60,
    language: Annotated[
        list[scene_urls.Language] | None,
        Query(description="Only these languages, by name, former name or alias in any case; repeatable."),
    ] = None,
    account: Annotated[scene_urls.Account, Query(description="Only this owner, by its login of then.")] = "",
    min_stars: Annotated[scene_urls.Stars, Query(description="Only repositories with at least this many stars.")] = 0,
    height: Annotated[scene_urls.Height, Query(description="The value that a tower's height represents.")] = "stars",
    v: Annotated[
        str,
        Query(
            description="Version of a layout, as the scene page has it in its URLs: while that is kept, or is current,"
            " its rows are returned, cacheable for a year."
        ),
    ] = "",
) -> Response:
    # Imported on the first request: these load Plotly and pandas.
    from core.charts.scene import deck  # noqa: PLC0415
    from core.queries import languages  # noqa: PLC0415
    from core.queries import scene as queries  # noqa: PLC0415
    from core.web import scene_layouts  # noqa: PLC0415

    names = tuple(map(languages.find, language or ()))
    filters = queries.CityFilters(owners, names, min_stars, read_request.as_of, account, read_request.vs)
    version, layout = v, scene_layouts.find(v, filters, height)
    if layout is None:
        version, layout = scene_layouts.lay_out(queries.city_repositories(filters), filters, height)
    rows = deck.tower_rows(layout) if part == "towers" else deck.district_rows(layout)
    response = scene_response(read_request, rows)
    if v == version:
        response.headers["cache-control"] = f"private, max-age={A_YEAR_SECONDS}, immutable"
    return response


def scene_response(read_request: ReadRequest, rows: "DataFrame") -> Response:
    if read_request.format == "json":
        return page_response(read_request, rows, object_model(CityPage, read_request.vs), None)
    return Response(
        encode_rows(rows, read_request.format),
        media_type=MEDIA_TYPES[read_request.format],
        headers=read_request.headers(),
    )


def encode_rows(rows: "DataFrame", format: Format) -> bytes:
    """Encode for deck.gl, not for a spreadsheet: texts are not protected against formula injection."""
    from core.export import table_files  # noqa: PLC0415 - as above

    return table_files.csv(rows, escape_formulas=False) if format == "csv" else table_files.parquet(rows)


def globe(read_request: CheckedListRequest) -> Response:
    from core.geo.geocoder import ATTRIBUTION  # noqa: PLC0415 - as above
    from core.queries.globe import locate_accounts  # noqa: PLC0415

    located = locate_accounts(read_request.as_of)
    return rows_response(
        read_request,
        located.places,
        PlacePage,
        PLACE_ORDER,
        then=lambda vs: locate_accounts(vs).places,
        located=located.located,
        without_location=located.without_location,
        not_found=located.not_found,
        attribution=ATTRIBUTION,
    )


add_row_routes(router, "/scene/city", city, page=CityPage, name="get_city", summary="Get the city of repositories.")
add_row_routes(router, "/scene/globe", globe, page=PlacePage, name="get_globe", summary="List accounts by place.")
