"""Bodies have an end: whoever sends without one, signed in or not, fills no memory."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.api.errors import MOST_BYTES, too_large


class Bounded:
    """Refuse with 413 what says that it is longer than MOST_BYTES, and what turns out to be."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told[:20]) > MOST_BYTES:
            await too_large()(scope, receive, send)
            return
        await self.app(scope, counted(receive), send)


def counted(receive: Receive) -> Receive:
    """The same, but it raises once more came than may."""
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BYTES:
            raise HTTPException(413)
        return message

    return receive_counted
