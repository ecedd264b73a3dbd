"""Limit the size of request bodies, signed in or not, so that no client can fill the memory.

Starlette and uvicorn have no such limit.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.api.errors import MAX_BODY_BYTES, too_large_response


class BodyLimit:
    """Refuse with 413 bodies that announce, or turn out to have, more than MAX_BODY_BYTES."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        content_length = Headers(scope=scope).get("content-length", "0")
        if content_length.isdecimal() and int(content_length[:20]) > MAX_BODY_BYTES:
            await too_large_response()(scope, receive, send)
            return
        await self.app(scope, with_body_limit(receive), send)


def with_body_limit(receive: Receive) -> Receive:
    """Wrap *receive* to raise HTTPException(413) once more than MAX_BODY_BYTES arrived."""
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise HTTPException(413)
        return message

    return receive_counted
