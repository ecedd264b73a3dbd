"""Bodies have an end: whoever sends without one, signed in or not, fills no memory."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.api.errors import MAX_BODY_BYTES, too_large_response


class BodyLimit:
    """Refuse with 413 what says that it is longer than MOST_BYTES, and what turns out to be."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told[:20]) > MAX_BODY_BYTES:
            await too_large_response()(scope, receive, send)
            return
        await self.app(scope, with_body_limit(receive), send)


def with_body_limit(receive: Receive) -> Receive:
    """The same, but it raises once more came than may."""
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            raise HTTPException(413)
        return message

    return receive_counted
