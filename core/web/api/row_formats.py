"""Register a list under three paths: JSON, and the same with .csv and .parquet."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from core.web.api.compared import compared_model
from core.web.api.errors import error_responses

FILE_FORMATS = {
    "csv": ("text/csv", {"type": "string"}),
    "parquet": ("application/vnd.apache.parquet", {"type": "string", "contentMediaType": "application/octet-stream"}),
}
NOT_MODIFIED = 304


def add_row_routes(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Response],
    *,
    page: Any,
    name: str,
    summary: str,
    statuses: tuple[int, ...] = (),
    has_etag: bool = True,
) -> None:
    """Add the routes of *endpoint*, which derives the format from the route. *has_etag*: whether it may answer 304."""
    responses = error_responses(*((NOT_MODIFIED,) if has_etag else ()), *statuses)
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        response_model=compared_model(page),
        operation_id=name,
        summary=summary,
        responses=responses,
    )
    for extension, (media_type, schema) in FILE_FORMATS.items():
        router.add_api_route(
            f"{path}.{extension}",
            endpoint,
            methods=["GET"],
            response_class=Response,
            operation_id=f"{name}_{extension}",
            summary=f"{summary} As {'CSV' if extension == 'csv' else 'Parquet'}, all rows.",
            responses={
                **responses,
                200: {"description": "All rows as a file.", "content": {media_type: {"schema": schema}}},
            },
        )
