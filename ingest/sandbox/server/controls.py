"""`/_sandbox/…`: control faults and edits over HTTP, from another process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from ingest.sandbox.server.asgi import Sandbox

FAULT_NAMES = (
    "errors", "html", "cut", "hang_up", "slow", "too_big", "secondary", "primary", "forbidden", "graphql_limited",
    "refuse", "allow", "refuse_token", "deny", "expire", "hide_language", "shift", "pause", "clear",
)  # fmt: skip
EDIT_NAMES = (
    "rename", "transfer", "archive", "unarchive", "delete", "restore", "relicense", "push", "recount", "star",
    "describe", "retopic", "rebranch", "create",
)  # fmt: skip
Endpoint = Callable[[Request], Awaitable[Response]]


def control_routes(sandbox: Sandbox) -> list[Route]:
    """Make the routes. Their body is `{"kind": NAME, …}` with the arguments of that fault or edit."""

    async def advance(request: Request) -> Response:
        sandbox.world.advance(**await request.json())
        return JSONResponse({"now": sandbox.world.now()})

    async def truth(request: Request) -> Response:
        try:
            return JSONResponse(sandbox.ground_truth(request.path_params["login"]))
        except KeyError:
            return JSONResponse({"message": "nobody bears that name"}, 404)

    async def log(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.log.clear()
        return JSONResponse(sandbox.log.rows())

    async def logins(_request: Request) -> Response:
        return JSONResponse(sandbox.world.logins())

    return [
        Route("/_sandbox/advance", advance, methods=["POST"]),
        Route("/_sandbox/faults", _method_endpoint(sandbox.faults, FAULT_NAMES), methods=["POST"]),
        Route("/_sandbox/edit", _method_endpoint(sandbox.world.edit, EDIT_NAMES), methods=["POST"]),
        Route("/_sandbox/truth/{login}", truth),
        Route("/_sandbox/log", log, methods=["GET", "DELETE"]),
        Route("/_sandbox/logins", logins),
    ]


def _method_endpoint(on: object, names: tuple[str, ...]) -> Endpoint:
    async def act(request: Request) -> Response:
        values: dict[str, Any] = await request.json()
        kind = values.pop("kind", None)
        if kind not in names:
            return JSONResponse({"message": f"kind is one of {', '.join(names)}"}, 400)
        try:
            getattr(on, kind)(**values)
        except (TypeError, KeyError) as error:
            return JSONResponse({"message": f"{kind}: {error}"}, 400)
        return JSONResponse({"done": kind})

    return act
