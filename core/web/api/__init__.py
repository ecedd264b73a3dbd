"""The HTTP API under `/api`, built with FastAPI on the first request."""

import threading
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send


def _build_app() -> ASGIApp:
    from core.web.api.application import build_app  # noqa: PLC0415 - `/health` answers before FastAPI has loaded

    return build_app()


class LazyApp:
    """An ASGI app that is built once, in a thread, on the first request."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self.build = build
        self._lock = threading.Lock()
        self._app: ASGIApp | None = None

    def app(self) -> ASGIApp:
        with self._lock:
            if self._app is None:
                self._app = self.build()
            return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if app is None:
            app = await run_in_threadpool(self.app)
        await app(scope, receive, send)


def lazy_api() -> LazyApp:
    """Return the app to mount at `/api`."""
    return LazyApp(_build_app)
