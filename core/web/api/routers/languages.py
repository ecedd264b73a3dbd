"""API route of primary languages by stars: `/languages`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from core.errors import NotFound
from core.queries import languages as queries
from core.queries.empty_reasons import EmptyReason, stored_repositories
from core.web.api.conditional import CheckedListRequest, rows_response
from core.web.api.pagination import ComparedRow, Page
from core.web.api.row_formats import add_row_routes

router = APIRouter(tags=["languages"])


class Language(ComparedRow):
    """Totals of a primary language over all repositories of one source, forks excluded."""

    KEY = ("language",)
    COMPARED = queries.MEASURES

    language: str = Field(description="`No language` for repositories without one.", examples=["Python"])
    repositories: int = Field(description="Repositories with it as primary language.")
    stars: int = Field(description="Stars of these repositories.")
    bytes: int | None = Field(description="Bytes of code in it, in all repositories; null if not collected.")
    stars_4w: int | None = Field(
        description="Stars gained in the four weeks before; null if there are no totals of that time."
    )
    day: datetime = Field(description="The day of these totals (midnight, UTC).")


class Languages(Page[Language]):
    """Languages by stars, descending."""

    source: str | None = Field(description="Source of the data; null if there are no totals yet.")
    why_empty: EmptyReason | None = Field(description="Why there are no rows; null if there are.")


Source = Annotated[
    str | None,
    Query(
        description="Source of the data: `GitHub` is this installation, others are imported histories. Without it:"
        " `GitHub` once its totals span two months, else the source with the longest history.",
        max_length=200,
    ),
]


def languages(read_request: CheckedListRequest, source: Source = None) -> Response:
    rollups = queries.rollup_sources(read_request.as_of)
    sources = [str(source) for source in rollups["source"]]
    if source is not None and source not in sources:
        raise NotFound(f"Unknown source; available sources: {', '.join(sources) or 'none'}")
    selected = source or (queries.default_source(rollups) if sources else "")
    ranking = queries.ranking(selected, read_request.as_of)
    why_empty = stored_repositories(None, read_request.as_of).why_no_primary_languages if ranking.empty else None
    return rows_response(
        read_request,
        ranking,
        Languages,
        ("-stars", "language"),
        then=lambda vs: queries.ranking(selected, vs),
        source=selected or None,
        why_empty=why_empty,
    )


add_row_routes(
    router,
    "/languages",
    languages,
    page=Languages,
    name="list_languages",
    summary="List languages by stars.",
    statuses=(404,),
)
