"""API route of the search by name: `/search`."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core import site_search
from core.errors import BadInput
from core.web.api.conditional import CheckedListRequest, rows_response
from core.web.api.pagination import Page
from core.web.api.row_formats import add_row_routes
from core.whole_numbers import WholeNumber

router = APIRouter(tags=["search"])


class Hit(BaseModel):
    """Something whose name matches."""

    kind: site_search.Kind
    name: str = Field(description="A login, `owner/name`, a language, or a page's title.", examples=["octocat"])
    description: str | None = Field(description="An account's name, a repository's description.")
    url: str = Field(description="The page that shows it, relative to the site.", examples=["/account?login=octocat"])


class Hits(Page[Hit]):
    """Accounts, repositories, languages and pages, in this order; of each kind the best match first."""


Text = Annotated[
    str,
    Query(
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="Words that a name has to contain, in any case and order; a word of one or two letters has to begin"
        " it. `owner/name` and URLs of GitHub work too.",
        examples=["flask"],
    ),
]
PerKind = Annotated[WholeNumber, Query(ge=1, le=100, description="Maximum number of rows of each kind.")]


def search(read_request: CheckedListRequest, q: Text, per_kind: PerKind = 10) -> Response:
    if not q.strip():
        raise BadInput("q is empty; send a part of a name")
    hits = site_search.find(q, read_request.as_of, per_kind, is_admin=read_request.identity.is_admin)
    rows = site_search.as_frame(hits, read_request.as_of, read_request.vs)
    return rows_response(read_request, rows, Hits, ("position",), then=lambda _: rows)


add_row_routes(
    router, "/search", search, page=Hits, name="search", summary="Search accounts, repositories, languages and pages."
)
