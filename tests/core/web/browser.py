"""A fresh browser in front of the whole middleware, behind which a few routes tell what they heard."""

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
from core.web.middleware.error_responses import http_error
from core.web.middleware.stack import middleware
from core.web.middleware.static_compression import Compressed
from core.web.routes import session

HERE = "http://127.0.0.1:8501"
ANYWHERE = Origin("203.0.113.7", "test", "r1")
DOCUMENT = {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}


async def whoever(request: Request) -> Response:
    """What is behind the gate: who it says is asking."""
    identity = request.state.identity
    return JSONResponse({"person": identity.username if identity else None, "role": identity and identity.role})


async def page(request: Request) -> Response:
    """Streamlit's page, which tells with which cookies it was asked for."""
    return HTMLResponse("<html>page</html>", headers={"x-heard": request.headers.get("cookie", "")})


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def stack(client: tuple[str, int] = ("127.0.0.1", 50000)) -> TestClient:
    """A fresh browser in front of the middleware, as the settings of this moment make it."""
    frontend = Path(__file__).parent / "frontend"
    layers = [layer for layer in middleware(settings(), frontend) if layer.cls is not Compressed]
    application = Starlette(
        routes=[
            *session.routes,
            *(
                Route(f"{folder}/{{path:path}}", whoever, methods=session.ANY)
                for folder in ("/api", "/media", "/_stcore")
            ),
            Route("/metrics", whoever),
            WebSocketRoute("/_stcore/stream", stream),
            WebSocketRoute("/elsewhere", stream),
            Route("/{path:path}", page, methods=session.ANY),
        ],
        middleware=layers,
        exception_handlers={HTTPException: http_error},
    )
    address = settings().address
    return TestClient(application, base_url=address, client=client, follow_redirects=False)


def sign_in(web: TestClient, person_id: int) -> TestClient:
    """Come in as browsers do: a page, its nonce, a ticket, cookies."""
    names = cookies.names(settings())
    web.get("/", headers=DOCUMENT)
    ticket = tickets.issue_sign_in(person_id, web.cookies[names.nonce])
    answer = web.post("/auth/session", json={"ticket": ticket}, headers={"origin": settings().address})
    assert answer.status_code == 204, answer.text
    return web
