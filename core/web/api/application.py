"""The FastAPI application: its routers, its errors, its description."""

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
from core.web.api.rate_limit import RateLimit
from core.web.api.routers import (
    accounts,
    auth,
    changes,
    github,
    ingestions,
    languages,
    movers,
    people,
    repositories,
    scene,
    tracking,
)
from core.web.middleware.error_responses import ErrorResponses

VERSION = "1"
ROUTER_MODULES = (auth, people, github, accounts, repositories, languages, movers, changes, scene, ingestions, tracking)
PAGING_PARAMS = {"limit", "cursor"}
DESCRIPTION = """What Almanac holds, for programs: a number is what GitHub said at a stated moment, what was not
collected is null, never zero.

- **Who asks** is shown by an API key or an access token (`Authorization: Bearer …`), or by the cookies of a browser
  that is signed in.
- **Lists** come a page at a time: give `next_cursor` as `cursor` until it is null. The same address with `.csv` or
  `.parquet` at its end gives all rows as a file.
- **`as_of`** reads everything as it was then.
- **Answers carry an `ETag`**: sent back as `If-None-Match` it is answered with 304 until something new was collected.
- **Limits** are told by `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (seconds since 1970);
  who is over one gets 429 with `Retry-After`.
- **Errors** are always `{"error", "message", "request_id"}`.
- **`id`** is GitHub's.
"""


def build_app() -> ASGIApp:
    """The app, to be mounted at `/api`."""
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
    for part in ROUTER_MODULES:
        version_one.include_router(part.router)
    app.include_router(version_one)
    app.include_router(docs.router)
    app.openapi = lambda: openapi_schema(app)  # type: ignore[method-assign]
    app.add_api_route("/openapi.json", app.openapi, include_in_schema=False, dependencies=[Depends(signed_in_identity)])
    errors.install_error_handlers(app)
    app.add_exception_handler(NotModified, _not_modified_response)
    # The last that is added is the first to be asked.
    app.add_middleware(BodyLimit)
    app.add_middleware(RateLimit)
    app.add_middleware(ErrorResponses)
    return HeadSupport(app)


def reject_unknown_parameters(request: Request) -> None:
    """Refuse a parameter that the address does not know: what is misspelt would change nothing in silence."""
    if not request.query_params:
        return
    name = getattr(request.scope.get("route"), "operation_id", "")
    operations = (one for path in request.app.openapi()["paths"].values() for one in path.values())
    operation: dict[str, Any] = next((one for one in operations if one["operationId"] == name), {})
    known = sorted(one["name"] for one in operation.get("parameters", []) if one["in"] == "query")
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        given = "".join(letter if letter.isprintable() else "?" for letter in unknown[0][:40])
        raise BadInput(f"{given} is no parameter here; known: {', '.join(known) or 'none'}")


def openapi_schema(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        found["servers"] = [{"url": "/api"}]
        found["components"]["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key (`alm_…`, made on the profile page) or an access token.",
            },
            "cookie": {"type": "apiKey", "in": "cookie", "name": cookies.cookie_names(settings()).access},
        }
        found["security"] = [{"bearer": []}, {"cookie": []}]
        for path, operations in found["paths"].items():
            if path.endswith((".csv", ".parquet")):
                for operation in operations.values():
                    given = operation.get("parameters", [])
                    operation["parameters"] = [one for one in given if one["name"] not in PAGING_PARAMS]
        app.openapi_schema = found
    return app.openapi_schema


async def _not_modified_response(_request: Request, unchanged: Exception) -> Response:
    tag = unchanged.tag if isinstance(unchanged, NotModified) else ""
    return Response(status_code=304, headers={"etag": tag, "cache-control": "private, no-cache"})


class HeadSupport:
    """Answer HEAD as GET, without the body: FastAPI's routes know only what they are told."""

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
