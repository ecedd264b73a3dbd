"""One id per request and per websocket, in its answer, its log lines and the script runs that it carries."""

from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()
REQUEST_ID_HEADER = "x-request-id"
# Headers that only this process may set: what a client sends under these names is dropped.
RESERVED_HEADERS = (REQUEST_ID_HEADER.encode(), b"x-auth-")
# What follows names a page that somebody has open: who knows it can take its place after a broken connection.
UPLOAD_PREFIX = "/_stcore/upload_file/"
QUIET_PREFIXES = ("/static/", "/_stcore/", "/app/static/", "/media/", "/component/", "/health")


def new_request_id() -> str:
    return uuid4().hex[:16]


def current_request_id() -> str:
    """The id of the request being answered; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestIds:
    """Give each HTTP request and each websocket an id of our own and log how it was answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        request_id = new_request_id()
        headers = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(RESERVED_HEADERS)]
        scope = {**scope, "headers": [*headers, (REQUEST_ID_HEADER.encode(), request_id.encode())]}
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answer(scope, receive, send, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.accept"}:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
                status = message.get("status", 101)
            elif message["type"] == "websocket.close" and not status:
                status = 403
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self._log(scope, status, perf_counter() - started)

    @staticmethod
    def _log(scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        # Who asks for health asks every few seconds: it tells itself when that changes.
        failed = status >= 500 and path != "/health"
        tell = log.warning if failed else log.debug if path.startswith(QUIET_PREFIXES) else log.info
        tell(
            "request answered",
            method=scope.get("method", "WEBSOCKET"),
            path=loggable_path(path),
            status=status,
            ms=round(seconds * 1000, 1),
        )


def loggable_path(path: str) -> str:
    """The path as the log may hold it: on one line, and without what names somebody's open page."""
    shown = f"{UPLOAD_PREFIX}…" if path.startswith(UPLOAD_PREFIX) else path
    return shown if shown.isprintable() else ascii(shown)
