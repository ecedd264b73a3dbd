"""Lists for admins that no run publishes: asked afresh each time, without a tag."""

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from core.db.data_version import data_version
from core.web.api import conditional
from core.web.api.conditional import MEDIA_TYPES, AdminIdentity, ListRequest, check_export_and_cursor, route_format

if TYPE_CHECKING:
    from pandas import DataFrame

NO_STORE_HEADERS = {"cache-control": "no-store"}


def uncached_list_request(
    request: Request,
    identity: AdminIdentity,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many rows at once.")] = 100,
    cursor: Annotated[
        str | None, Query(description="Where to go on: `next_cursor` of the answer before, with everything else alike.")
    ] = None,
) -> ListRequest:
    asked = ListRequest(
        identity=identity,
        path=request.url.path,
        params=tuple(sorted(request.query_params.multi_items())),
        known=(),
        form=route_format(request),
        as_of=None,
        version=data_version(),
        limit=limit,
        cursor=cursor,
    )
    check_export_and_cursor(asked)
    return asked


UncachedListRequest = Annotated[ListRequest, Depends(uncached_list_request)]


def page_response(asked: ListRequest, frame: "DataFrame", page: type[BaseModel], cursor: str | None) -> Response:
    """One page of it as JSON, or all of it as a file."""
    columns = list(conditional.row_model(page).model_fields)
    if asked.form != "json":
        return conditional.file_response(asked, frame, columns, NO_STORE_HEADERS)
    body = {
        "data": conditional.records(frame[columns]),
        "next_cursor": cursor,
        "as_of": None,
        "data_version": asked.version,
    }
    return Response(
        page.model_validate(body).model_dump_json(), media_type=MEDIA_TYPES["json"], headers=NO_STORE_HEADERS
    )
