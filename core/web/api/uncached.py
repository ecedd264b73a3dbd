"""Lists for admins that change without a new data version: never cached, without an ETag."""

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from core.clock import now_utc
from core.db.data_version import data_version
from core.web.api import conditional
from core.web.api.compared import row_model
from core.web.api.conditional import MEDIA_TYPES, AdminIdentity, ListRequest, check_export_and_cursor, route_format
from core.web.api.pagination import Cursor, Limit

if TYPE_CHECKING:
    from pandas import DataFrame

NO_STORE_HEADERS = {"cache-control": "no-store"}


def uncached_list_request(
    request: Request,
    identity: AdminIdentity,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ListRequest:
    read_request = ListRequest(
        identity=identity,
        now=now_utc(),
        path=request.url.path,
        params=tuple(sorted(request.query_params.multi_items())),
        if_none_match=(),
        format=route_format(request),
        as_of=None,
        vs=None,
        version=data_version(),
        limit=limit,
        cursor=cursor,
    )
    check_export_and_cursor(read_request)
    return read_request


UncachedListRequest = Annotated[ListRequest, Depends(uncached_list_request)]


def page_response(read_request: ListRequest, frame: "DataFrame", page: type[BaseModel], cursor: str | None) -> Response:
    """Return one page as JSON, or all rows as a file."""
    columns = list(row_model(page).model_fields)
    if read_request.format != "json":
        return conditional.file_response(read_request, frame, columns, NO_STORE_HEADERS)
    body = {
        "data": conditional.records(frame[columns]),
        "next_cursor": cursor,
        "as_of": None,
        "data_version": read_request.version,
    }
    return Response(
        page.model_validate(body).model_dump_json(), media_type=MEDIA_TYPES["json"], headers=NO_STORE_HEADERS
    )
