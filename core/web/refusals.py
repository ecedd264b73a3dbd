"""The one shape of every HTTP error: {"error", "message", "request_id"}."""

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.request_ids import current_id

log = structlog.get_logger()


def refusal(status: int, error: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error for programs (`error` never changes its meaning) and people (`message` is a sentence)."""
    return JSONResponse(
        {"error": error, "message": message, "request_id": current_id()}, status_code=status, headers=headers
    )


async def unknown_path(request: Request) -> JSONResponse:
    """Answer for paths that would otherwise be the app's HTML with status 200."""
    return refusal(404, "not_found", f"There is nothing at {request.url.path}.")


class Failures:
    """Answer in the one shape when something breaks; the log has the rest under the request's id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, noticing)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            log.exception("request failed", path=scope["path"])
            await refusal(500, "failed", "This could not be answered. It has been logged.")(scope, receive, send)
