"""Requests that change something, and websockets, come from our own pages or not at all."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import Settings
from core.web import cookies
from core.web.middleware.error_responses import error_response, refuse_websocket
from core.web.middleware.trusted_hosts import LOOPBACK_HOSTS

UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Signing in is unsafe with or without cookies: a stranger's page must not sign a browser in as somebody else.
ALWAYS_CHECKED_PATH = "/auth/session"
DEFAULT_PORTS = {"http": 80, "https": 443}


def allowed_origins(settings: Settings) -> frozenset[str]:
    """Where our pages come from, as browsers write it in `Origin`."""
    ours = {url_origin(settings.address)}
    if not settings.public_url:
        names = (f"[{name}]" if ":" in name else name for name in LOOPBACK_HOSTS)
        ours |= {url_origin(f"http://{name}:{settings.port}") for name in names}
    return frozenset(ours)


def url_origin(url: str) -> str:
    """Scheme, name and port of *url*; the port that goes without saying is left out."""
    parts = urlsplit(url.lower())
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = parts.port in {None, DEFAULT_PORTS.get(parts.scheme)}
    return f"{parts.scheme}://{name}" if usual else f"{parts.scheme}://{name}:{parts.port}"


class CsrfProtection:
    """Refuse with 403 what another site's page lets a browser send. There is no CORS to allow it either."""

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
            answer = error_response(403, "unknown_origin", "This can only be asked for by a page of this server.")
            await answer(scope, receive, send)

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
    """Once looked at here, nobody else sees it: for a strange one Streamlit asks an outside host, and all wait.

    It would only decide who else may read an answer, and nobody may. Websockets keep theirs, which is ours.
    """
    if scope["type"] != "http":
        return scope
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0].lower() != b"origin"]}


def lowercase_header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for given, value in scope["headers"] if given.lower() == name]
