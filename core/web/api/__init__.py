"""`/api`: what is held, for programs. FastAPI describes and checks it; it is loaded when somebody first asks."""

import threading
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send


def _build_app() -> ASGIApp:
    from core.web.api.application import build_app  # noqa: PLC0415 - `/health` need not wait for FastAPI

    return build_app()


class LazyApp:
    """An app that is built once, in a thread, when the first request comes."""

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
    """The app to be mounted at `/api`."""
    return LazyApp(_build_app)
