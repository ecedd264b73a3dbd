"""The one shape of every HTTP error: {"error", "message", "request_id"}."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from core.web.request_ids import current_id


def refusal(status: int, error: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error for programs (`error` never changes its meaning) and people (`message` is a sentence)."""
    return JSONResponse(
        {"error": error, "message": message, "request_id": current_id()}, status_code=status, headers=headers
    )


async def unknown_path(request: Request) -> JSONResponse:
    """Answer for paths that would otherwise be the app's HTML with status 200."""
    return refusal(404, "not_found", f"There is nothing at {request.url.path}.")
