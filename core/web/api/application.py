"""The FastAPI application: routers, middleware, error handlers and the OpenAPI description."""

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadInput
from core.settings import settings
from core.web import cookies
from core.web.api import docs, errors
from core.web.api.body_limit import BodyLimit
from core.web.api.conditional import NotModified, signed_in_identity
from core.web.api.former_names import Moved, moved_response
from core.web.api.pagination import PAGING_PARAMS
from core.web.api.rate_limit import RateLimit
from core.web.api.routers import (
    account_facts,
    accounts,
    auth,
    changes,
    compare,
    github,
    ingestions,
    languages,
    movers,
    overview,
    people,
    repositories,
    repository_facts,
    scene,
    search,
    tracking,
)
from core.web.middleware.error_responses import ErrorResponses

VERSION = "1"
ROUTER_MODULES = (
    *(
        auth,
        people,
        github,
        accounts,
        account_facts,
        repositories,
        repository_facts,
        languages,
        movers,
        changes,
        compare,
        scene,
        overview,
    ),
    *(search, ingestions, tracking),
)
DESCRIPTION = """Read the history that Almanac stores. Each number is what GitHub reported at a stated time; a number
that was not collected is null, never zero.

- **Authentication**: an API key or an access token (`Authorization: Bearer …`), or a signed-in browser's cookies.
- **Pagination**: repeat the request with `next_cursor` as `cursor` until it is null. Append `.csv` or `.parquet` to the
  path to get all rows as one file.
- **`as_of`** returns the data as of a date or timestamp.
- **`vs`** compares it with an earlier date or timestamp: beside each number, such as `stars`, are its value then
  (`stars_vs`), the difference (`stars_difference`) and the percent (`stars_percent`); rows that changed most come
  first. Numbers over time are each compared with the last one by then. Lists of changes hold those detected since then.
- **Conditional requests**: send a response's `ETag` as `If-None-Match`; the response is 304 until new data is stored.
- **Rate limits**: see `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (Unix time). Exceeding one
  returns 429 with `Retry-After`.
- **Errors** are always `{"error", "message", "request_id"}`.
- **`id`** is GitHub's id.
"""


def build_app() -> ASGIApp:
    """Return the app to mount at `/api`."""
    app = FastAPI(
        title="Almanac",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    version_one = APIRouter(prefix="/v1", dependencies=[Depends(reject_unknown_parameters)])
    for module in ROUTER_MODULES:
        version_one.include_router(module.router)
    app.include_router(version_one)
    app.include_router(docs.router)
    app.openapi = lambda: openapi_schema(app)  # type: ignore[method-assign]
    app.add_api_route("/openapi.json", app.openapi, include_in_schema=False, dependencies=[Depends(signed_in_identity)])
    errors.install_error_handlers(app)
    app.add_exception_handler(NotModified, _not_modified_response)
    app.add_exception_handler(Moved, moved_response)
    # The middleware added last runs first.
    app.add_middleware(BodyLimit)
    app.add_middleware(ErrorResponses)
    # Outside of error responses: these were counted too, and say what is left.
    app.add_middleware(RateLimit)
    return HeadSupport(app)


def reject_unknown_parameters(request: Request) -> None:
    """Raise BadInput for an unknown query parameter: a misspelt one must not be ignored silently."""
    if not request.query_params:
        return
    name = getattr(request.scope.get("route"), "operation_id", "")
    operations = (operation for path in request.app.openapi()["paths"].values() for operation in path.values())
    current: dict[str, Any] = next((one for one in operations if one["operationId"] == name), {})
    known = sorted(one["name"] for one in current.get("parameters", []) if one["in"] == "query")
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        given = "".join(letter if letter.isprintable() else "?" for letter in unknown[0][:40])
        raise BadInput(f"Unknown parameter {given}; this path takes: {', '.join(known) or 'none'}")


def openapi_schema(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description, built once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        schema["servers"] = [{"url": "/api"}]
        schema["components"]["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key (`alm_…`, created on the profile page) or an access token.",
            },
            "cookie": {"type": "apiKey", "in": "cookie", "name": cookies.cookie_names(settings()).access},
        }
        schema["security"] = [{"bearer": []}, {"cookie": []}]
        for path, operations in schema["paths"].items():
            if path.endswith((".csv", ".parquet")):
                for operation in operations.values():
                    given = operation.get("parameters", [])
                    operation["parameters"] = [one for one in given if one["name"] not in PAGING_PARAMS]
        app.openapi_schema = schema
    return app.openapi_schema


async def _not_modified_response(_request: Request, error: Exception) -> Response:
    etag = error.etag if isinstance(error, NotModified) else ""
    return Response(status_code=304, headers={"etag": etag, "cache-control": "private, no-cache"})


class HeadSupport:
    """Handle HEAD as GET without a body: unlike Starlette's, FastAPI's routes do not add HEAD to GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, without_body)
