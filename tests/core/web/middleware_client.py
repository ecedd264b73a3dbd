"""A fresh browser in front of the whole middleware, with a few routes that return what they received."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from core.auth import tickets
from core.auth.identity import Origin
from core.settings import settings
from core.web import cookies
from core.web.middleware.error_responses import http_exception_response
from core.web.middleware.stack import middleware
from core.web.middleware.static_compression import StaticCompression
from core.web.routes import session
from pages.session.websocket_messages import read_message

PUBLIC_URL = "http://127.0.0.1:8501"
CLIENT_ORIGIN = Origin("203.0.113.7", "test", "r1")
DOCUMENT_HEADERS = {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}


async def identity_endpoint(request: Request) -> Response:
    """Return the identity that the authentication middleware passed on."""
    identity = request.state.identity
    return JSONResponse({"person": identity.username if identity else None, "role": identity and identity.role})


async def page_endpoint(request: Request) -> Response:
    """Return Streamlit's page with the received cookies in a header."""
    return HTMLResponse("<html>page</html>", headers={"x-received": request.headers.get("cookie", "")})


async def websocket_endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def browser_client(client: tuple[str, int] = ("127.0.0.1", 50000)) -> TestClient:
    """Return a fresh browser in front of the middleware, built from the current settings."""
    frontend = Path(__file__).parent / "frontend"
    layers = [layer for layer in middleware(settings(), frontend, read_message) if layer.cls is not StaticCompression]  # type: ignore[comparison-overlap]
    application = Starlette(
        routes=[
            *session.routes,
            *(
                Route(f"{folder}/{{path:path}}", identity_endpoint, methods=session.ALL_METHODS)
                for folder in ("/api", "/media", "/_stcore")
            ),
            Route("/metrics", identity_endpoint),
            WebSocketRoute("/_stcore/stream", websocket_endpoint),
            WebSocketRoute("/elsewhere", websocket_endpoint),
            Route("/{path:path}", page_endpoint, methods=session.ALL_METHODS),
        ],
        middleware=layers,
        exception_handlers={HTTPException: http_exception_response},
    )
    address = settings().base_url
    return TestClient(application, base_url=address, client=client, follow_redirects=False)


def sign_in(web: TestClient, person_id: int) -> TestClient:
    """Sign in as browsers do: open a page, take its nonce, post a ticket, keep the cookies."""
    names = cookies.cookie_names(settings())
    web.get("/", headers=DOCUMENT_HEADERS)
    ticket = tickets.issue_sign_in(person_id, web.cookies[names.nonce])
    answer = web.post("/auth/session", json={"ticket": ticket}, headers={"origin": settings().base_url})
    assert answer.status_code == 204, answer.text
    return web
