"""CSRF protection: unsafe requests with our cookies, and websockets, must come from our own origin.

starlette-csrf needs a token in each form; Origin and Sec-Fetch-Site need none, and cover websockets.
"""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import Settings
from core.web import cookies
from core.web.middleware.error_responses import error_response, refuse_websocket
from core.web.middleware.trusted_hosts import LOOPBACK_HOSTS

UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Signing in is checked even without cookies: another site must not sign a browser in as someone else.
ALWAYS_CHECKED_PATH = "/auth/session"
DEFAULT_PORTS = {"http": 80, "https": 443}


def allowed_origins(settings: Settings) -> frozenset[str]:
    """Return the origins of our pages, as browsers write them in `Origin`."""
    ours = {url_origin(settings.base_url)}
    if not settings.public_url:
        names = (f"[{name}]" if ":" in name else name for name in LOOPBACK_HOSTS)
        ours |= {url_origin(f"http://{name}:{settings.port}") for name in names}
    return frozenset(ours)


def url_origin(url: str) -> str:
    """Return the origin of *url*, without a default port."""
    parts = urlsplit(url.lower())
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_default = parts.port in {None, DEFAULT_PORTS.get(parts.scheme)}
    return f"{parts.scheme}://{name}" if is_default else f"{parts.scheme}://{name}:{parts.port}"


class CsrfProtection:
    """Refuse cross-site requests with 403."""

    def __init__(self, app: ASGIApp, origins: frozenset[str], names: cookies.CookieNames) -> None:
        self.app = app
        self.origins = origins
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._needs_check(scope) or self._is_same_origin(scope):
            await self.app(without_origin(scope), receive, send)
        elif scope["type"] == "websocket":
            await refuse_websocket(receive, send, "unknown origin")
        else:
            response = error_response(403, "unknown_origin", "This request is only allowed from pages of this server.")
            await response(scope, receive, send)

    def _needs_check(self, scope: Scope) -> bool:
        if scope["type"] == "websocket":
            return True
        if scope["type"] != "http" or scope["method"] not in UNSAFE_METHODS:
            return False
        return scope["path"] == ALWAYS_CHECKED_PATH or self.names.is_any_in(cookies.request_cookies(scope))

    def _is_same_origin(self, scope: Scope) -> bool:
        origin, site = (lowercase_header_values(scope, name) for name in (b"origin", b"sec-fetch-site"))
        return len(origin) == 1 and origin[0] in self.origins and set(site) <= {"same-origin", "none"}


def without_origin(scope: Scope) -> Scope:
    """Remove the checked Origin header: for an unknown one Streamlit contacts an outside host, blocking everything.

    It only matters for CORS, which is not allowed anyway. Websockets keep theirs, which is ours.
    """
    if scope["type"] != "http":
        return scope
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0].lower() != b"origin"]}


def lowercase_header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for given, value in scope["headers"] if given.lower() == name]
