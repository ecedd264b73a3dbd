"""`/languages`: primary languages by stars."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.errors import NotFound
from core.queries import languages as queries
from core.web.api.conditional import CheckedListRequest, rows_response
from core.web.api.pagination import Page
from core.web.api.row_formats import add_row_routes

router = APIRouter(tags=["languages"])


class Language(BaseModel):
    """A primary language, over everything that one source watches; forks left out."""

    language: str = Field(description="`No language` where GitHub sees none.", examples=["Python"])
    repositories: int = Field(description="That have it as primary language.")
    stars: int = Field(description="Of those.")
    bytes: int | None = Field(description="Of code in it, in all repositories; null where nobody collected it.")
    stars_4w: int | None = Field(description="Growth in the four weeks before; null where nothing was summed up then.")
    day: datetime = Field(description="The day whose sums these are (midnight, UTC).")


class Languages(Page[Language]):
    """Languages with most stars first."""

    source: str | None = Field(description="Who looked; null when nothing was summed up yet.")


Source = Annotated[
    str | None,
    Query(
        description="Who looked: `GitHub` is this installation, others kept history that was imported.", max_length=200
    ),
]


def languages(asked: CheckedListRequest, source: Source = None) -> Response:
    known = [str(one) for one in queries.rollup_sources(asked.as_of)["source"]]
    if source is not None and source not in known:
        raise NotFound(f"Nobody of that name summed languages up; known by then: {', '.join(known) or 'nobody'}")
    chosen = source or (known[0] if known else "")
    found = queries.ranking(chosen, asked.as_of)
    return rows_response(asked, found, Languages, ("-stars", "language"), source=chosen or None)


add_row_routes(
    router,
    "/languages",
    languages,
    page=Languages,
    name="list_languages",
    summary="Languages by stars.",
    statuses=(404,),
)
