"""Lists for admins that no run publishes: asked afresh each time, without a tag."""

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from core.db.data_version import data_version
from core.web.api import conditional
from core.web.api.conditional import FORMS, Admin, Listing, form_of, may_export

if TYPE_CHECKING:
    from pandas import DataFrame

HEADERS = {"cache-control": "no-store"}


def fresh_listing(
    request: Request,
    identity: Admin,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many rows at once.")] = 100,
    cursor: Annotated[
        str | None, Query(description="Where to go on: `next_cursor` of the answer before, with everything else alike.")
    ] = None,
) -> Listing:
    asked = Listing(
        identity=identity,
        path=request.url.path,
        params=tuple(sorted(request.query_params.multi_items())),
        known=(),
        form=form_of(request),
        as_of=None,
        version=data_version(),
        limit=limit,
        cursor=cursor,
    )
    may_export(asked)
    return asked


FreshListed = Annotated[Listing, Depends(fresh_listing)]


def enveloped(asked: Listing, frame: "DataFrame", page: type[BaseModel], cursor: str | None) -> Response:
    """One page of it as JSON, or all of it as a file."""
    columns = list(conditional.row_of(page).model_fields)
    if asked.form != "json":
        return conditional.file(asked, frame, columns, HEADERS)
    body = {
        "data": conditional.records(frame[columns]),
        "next_cursor": cursor,
        "as_of": None,
        "data_version": asked.version,
    }
    return Response(page.model_validate(body).model_dump_json(), media_type=FORMS["json"], headers=HEADERS)
