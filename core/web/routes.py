"""The HTTP routes of the web process; what is not here is Streamlit's."""

from starlette.routing import BaseRoute, Route

from core.web import scene
from core.web.health import Health
from core.web.refusals import unknown_path

ANY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def routes() -> list[BaseRoute]:
    """All routes, the most special first."""
    return [
        Route("/health", Health().answer, methods=["GET"]),
        *scene.routes,
        Route("/api", unknown_path, methods=ANY),
        Route("/api/{path:path}", unknown_path, methods=ANY),
    ]
