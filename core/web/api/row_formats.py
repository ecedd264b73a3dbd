"""A question about rows has three addresses: JSON, and beside it .csv and .parquet."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

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
    keeps: bool = True,
) -> None:
    """Offer what *endpoint* answers; it tells by the route in which form. *keeps*: whether it comes with a tag."""
    told = error_responses(*((NOT_MODIFIED,) if keeps else ()), *statuses)
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        response_model=page,
        operation_id=name,
        summary=summary,
        responses=told,
    )
    for form, (media_type, schema) in FILE_FORMATS.items():
        router.add_api_route(
            f"{path}.{form}",
            endpoint,
            methods=["GET"],
            response_class=Response,
            operation_id=f"{name}_{form}",
            summary=f"{summary} As {'CSV' if form == 'csv' else 'Parquet'}, all rows.",
            responses={
                **told,
                200: {"description": "The rows as a file.", "content": {media_type: {"schema": schema}}},
            },
        )
