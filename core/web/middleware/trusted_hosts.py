"""Requests for a name that is not ours are refused on every path: a stranger's name may point at this address."""

import re
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import Settings
from core.web.middleware.error_responses import error_response, refuse_websocket

# A name or an address and perhaps a port, and nothing else that the rules for addresses would allow before or after.
HOST_HEADER = re.compile(r"(?:\[(?P<bracketed>[\da-f:.]+)\]|(?P<bare>[\w.-]+))(?::\d*)?", re.ASCII | re.IGNORECASE)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def allowed_hosts(settings: Settings) -> tuple[str, ...]:
    """Names under which this process answers, in lower case, without ports."""
    named = (settings.host, urlsplit(settings.address).hostname or "")
    return tuple(dict.fromkeys(name.lower() for name in (*LOOPBACK_HOSTS, *named) if name))


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets; empty when it cannot be read."""
    read = HOST_HEADER.fullmatch(header)
    return (read["bracketed"] or read["bare"]).lower() if read else ""


class TrustedHosts:
    """Answer only to *hosts*; other names get 421, on websockets a refused handshake."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or self._is_allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse_websocket(receive, send, "unknown host")
        else:
            answer = error_response(421, "unknown_host", "This server does not answer under that name; see PUBLIC_URL.")
            await answer(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return len(given) == 1 and host_name(given[0]) in self.hosts
