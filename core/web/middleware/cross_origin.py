"""CORS: browser programs on the origins in ALLOWED_ORIGINS may use the API with an API key or an access token.

Never with cookies: `Access-Control-Allow-Credentials` is not sent, so a page of another origin cannot act as the
person who is signed in.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import Settings
from core.web.middleware.csrf import lowercase_header_values, url_origin

API_PATH = "/api/"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = ("authorization", "content-type", "if-none-match")
RESPONSE_HEADERS = (
    "content-disposition",
    "etag",
    "location",
    "retry-after",
    "x-complete",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
)
PREFLIGHT_SECONDS = 600


def cross_origins(settings: Settings) -> frozenset[str]:
    """Return the allowed origins as browsers write them in `Origin`."""
    return frozenset(map(url_origin, settings.allowed_origins))


class CrossOrigin:
    """Answer preflights of *origins* under `/api/` and let them read its responses; outside of SecurityHeaders."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self.app = app
        self.origins = origins
        self.cors = CORSMiddleware(
            app,
            allow_origins=sorted(origins),
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
            max_age=PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and scope["path"].startswith(API_PATH)
        if is_api and self.origins.issuperset(lowercase_header_values(scope, b"origin")):
            await self.cors(scope, receive, send)
        else:
            await self.app(scope, receive, send)
