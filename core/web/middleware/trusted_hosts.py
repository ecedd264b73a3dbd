"""Refuse requests for unknown host names, against DNS rebinding.

Starlette's TrustedHostMiddleware misreads bracketed IPv6 hosts and repeated Host headers.
"""

import re
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import Settings
from core.web.middleware.error_responses import error_response, refuse_websocket

# A name or IP address with an optional port; no user info, no path.
HOST_HEADER = re.compile(r"(?:\[(?P<bracketed>[\da-f:.]+)\]|(?P<bare>[\w.-]+))(?::\d*)?", re.ASCII | re.IGNORECASE)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def allowed_hosts(settings: Settings) -> tuple[str, ...]:
    """Return the host names of this server, lower case, without ports."""
    named = (settings.host, urlsplit(settings.base_url).hostname or "")
    return tuple(dict.fromkeys(name.lower() for name in (*LOOPBACK_HOSTS, *named) if name))


def host_name(header: str) -> str:
    """Return the name in a Host header, without port and brackets; empty if malformed."""
    match = HOST_HEADER.fullmatch(header)
    return (match["bracketed"] or match["bare"]).lower() if match else ""


class TrustedHosts:
    """Accept only *hosts*; other names get 421, websockets a refused handshake."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or self._is_allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse_websocket(receive, send, "unknown host")
        else:
            response = error_response(421, "unknown_host", "Unknown host name; see the setting PUBLIC_URL.")
            await response(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return len(given) == 1 and host_name(given[0]) in self.hosts
