"""A request id per HTTP request and websocket: in the response, the log, and the script runs of the websocket.

asgi-correlation-id accepts ids from clients; ours are always new, so that log lines cannot be forged.
"""

from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()
REQUEST_ID_HEADER = "x-request-id"
# Headers that only this process may set: those of a client are dropped.
RESERVED_HEADERS = (REQUEST_ID_HEADER.encode(), b"x-auth-")
# The rest of the path identifies an open page; knowing it allows taking over a broken connection.
UPLOAD_PREFIX = "/_stcore/upload_file/"
CALLER_VARIABLES = ("address", "user")
QUIET_PREFIXES = ("/static/", "/_stcore/", "/app/static/", "/media/", "/component/", "/health")


def new_request_id() -> str:
    return uuid4().hex[:16]


def current_request_id() -> str:
    """Return the id of the current request; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def log_as_caller(**known: str | None) -> None:
    """Add who sends the current request, `address` or `user`, to its log lines; None adds nothing."""
    structlog.contextvars.bind_contextvars(**{name: value for name, value in known.items() if value})


class RequestIds:
    """Set the request id and log each response, with what later middleware finds out about the caller."""

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
            await self._respond(scope, receive, send, request_id)

    async def _respond(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
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
            structlog.contextvars.unbind_contextvars(*CALLER_VARIABLES)

    @staticmethod
    def _log(scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        # `/health` is polled every few seconds and logs changes itself.
        failed = status >= 500 and not path.startswith("/health")
        write = log.warning if failed else log.debug if path.startswith(QUIET_PREFIXES) else log.info
        write(
            "request finished",
            method=scope.get("method", "WEBSOCKET"),
            path=loggable_path(path),
            status=status,
            ms=round(seconds * 1000, 1),
        )


def loggable_path(path: str) -> str:
    """Return the path for the log: escaped, and without ids of open pages."""
    shown = f"{UPLOAD_PREFIX}…" if path.startswith(UPLOAD_PREFIX) else path
    return shown if shown.isprintable() else ascii(shown)
