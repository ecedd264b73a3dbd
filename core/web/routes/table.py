"""The HTTP routes of the web process, before Streamlit's own."""

from starlette.routing import BaseRoute, Mount, Route

from core.web.api import lazy_api
from core.web.middleware.error_responses import unknown_path_response
from core.web.routes import session
from core.web.routes.health import Health, respond_alive
from core.web.routes.metrics import Metrics


def routes() -> list[BaseRoute]:
    """Return all routes, the most specific first."""
    return [
        Route("/health", Health().respond, methods=["GET"]),
        Route("/health/web", respond_alive, methods=["GET"]),
        Route("/metrics", Metrics().respond, methods=["GET"]),
        *session.routes,
        Route("/api", unknown_path_response, methods=session.ALL_METHODS),
        Mount("/api", app=lazy_api()),
    ]
