"""The HTTP routes of the web process; what is not here is Streamlit's."""

from starlette.routing import BaseRoute, Mount, Route

from core.web import auth
from core.web.api import api
from core.web.health import Health
from core.web.metrics import Metrics
from core.web.refusals import unknown_path


def routes() -> list[BaseRoute]:
    """All routes, the most special first."""
    return [
        Route("/health", Health().answer, methods=["GET"]),
        Route("/metrics", Metrics().answer, methods=["GET"]),
        *auth.routes,
        Route("/api", unknown_path, methods=auth.ANY),
        Mount("/api", app=api()),
    ]
