"""Count and time HTTP requests by route pattern: raw paths would create unbounded label values.

prometheus-fastapi-instrumentator and starlette-exporter label Streamlit's own routes by raw path.
"""

from time import perf_counter

from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import prometheus

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ROUTE_SCOPE_KEY = "almanac.route"
ROUTE_PREFIXES = ("/static", "/app/static", "/media", "/component", "/_stcore", "/auth", "/api")
PAGE_LABEL = "page"


class HttpMetrics:
    """Count and time every request; outermost middleware, so that refusals are counted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            with prometheus.open_websockets.track_inprogress():
                await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        status = 500
        # Inner middleware copies the scope: RouteLabel appends the route to this list.
        routes: list[str] = []

        async def send_with_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app({**scope, ROUTE_SCOPE_KEY: routes}, receive, send_with_status)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = routes[0] if routes else fallback_route_label(scope["path"])
            prometheus.http_requests.labels(method, route, status).inc()
            prometheus.http_request_duration_seconds.labels(method, route).observe(perf_counter() - started)


class RouteLabel:
    """Report the matched route to HttpMetrics; innermost middleware, where the router sets it in the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            route = scope.get("route")
            pattern = "" if isinstance(route, Mount) else getattr(route, "path", "")
            if pattern and ROUTE_SCOPE_KEY in scope:
                scope[ROUTE_SCOPE_KEY].append(f"{scope.get('root_path', '')}{pattern}")


def fallback_route_label(path: str) -> str:
    """Return the label of a request without a matched route: a known prefix, or page."""
    return next((f"{one}/…" for one in ROUTE_PREFIXES if f"{path}/".startswith(f"{one}/")), PAGE_LABEL)
