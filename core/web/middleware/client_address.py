"""Client IP address, scheme and host as reported by trusted proxies.

Uvicorn's ProxyHeadersMiddleware leaves forwarding headers of untrusted clients in place and ignores X-Forwarded-Host.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from core.auth.identity import Origin
from core.web.middleware.request_ids import current_request_id, log_as_caller

CLIENT_ADDRESS_HEADER = "x-auth-address"
MAX_USER_AGENT_LENGTH = 300
# Headers by which proxies describe the client. Read here only, and removed from the request.
PROXY_HEADERS = (b"x-forwarded-", b"forwarded", b"x-real-ip", b"via", b"x-client-ip", b"true-client-ip")
IpAddress = IPv4Address | IPv6Address
Headers = list[tuple[bytes, bytes]]


class ClientAddress:
    """Set the client's address as `client`, as `state["origin"]` and as a header for the page's script.

    `state["is_local"]` is True if the client is on this machine and no proxy is in between.
    """

    def __init__(self, app: ASGIApp, trusted: Iterable[str]) -> None:
        self.app = app
        self.trusted = tuple(ip_network(one, strict=False) for one in trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope = self._with_client(scope)
        await self.app(scope, receive, send)

    def _with_client(self, scope: Scope) -> Scope:
        peer = parse_ip_address(scope["client"][0]) if scope.get("client") else None
        forwarded = [
            (name.lower(), value) for name, value in scope["headers"] if name.lower().startswith(PROXY_HEADERS)
        ]
        headers = [pair for pair in scope["headers"] if not pair[0].lower().startswith((*PROXY_HEADERS, b"x-auth-"))]
        placed = {**scope, "headers": headers}
        client = peer
        if peer and self._trusts(peer):
            client = self._client_from_hops(peer, header_values(forwarded, b"x-forwarded-for"))
            apply_forwarded_headers(placed, forwarded)
        if client:
            placed["client"] = (str(client), scope["client"][1] if client == peer else 0)
            headers.append((CLIENT_ADDRESS_HEADER.encode(), str(client).encode()))
        placed["state"] = {
            **scope.get("state", {}),
            "origin": Origin(str(client) if client else None, user_agent(headers), current_request_id() or None),
            "is_local": bool(peer and peer.is_loopback and not forwarded),
        }
        log_as_caller(address=str(client) if client else None)
        return placed

    def _trusts(self, address: IpAddress) -> bool:
        return any(address in network for network in self.trusted)

    def _client_from_hops(self, peer: IpAddress, hops: list[str]) -> IpAddress:
        """Return the rightmost untrusted hop: everything left of it may be forged."""
        client = peer
        for hop in reversed(hops):
            address = parse_ip_address(hop)
            if address is None:
                return client
            client = address
            if not self._trusts(address):
                return client
        return client


def parse_ip_address(text: str) -> IpAddress | None:
    """Parse an address as proxies write it, perhaps with a port; None if malformed."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def header_values(headers: Headers, name: bytes) -> list[str]:
    """Return the values of a header that may be repeated or a list, in order."""
    joined = ",".join(value.decode("latin-1") for given, value in headers if given == name)
    return [part.strip() for part in joined.split(",") if part.strip()]


def apply_forwarded_headers(scope: Scope, forwarded: Headers) -> None:
    """Set scheme and host from a trusted proxy's headers; the last value is the nearest proxy's."""
    if (proto := header_values(forwarded, b"x-forwarded-proto")) and proto[-1].lower() in {"http", "https"}:
        secure = proto[-1].lower() == "https"
        scope["scheme"] = {"http": "https", "websocket": "wss"}[scope["type"]] if secure else scope["scheme"]
    if host := header_values(forwarded, b"x-forwarded-host"):
        kept = [pair for pair in scope["headers"] if pair[0].lower() != b"host"]
        scope["headers"][:] = [*kept, (b"host", host[-1].encode("latin-1"))]


def user_agent(headers: Headers) -> str | None:
    """Return the User-Agent, truncated and without NUL, which Postgres refuses."""
    for name, value in headers:
        if name.lower() == b"user-agent":
            return value.decode("latin-1").replace("\x00", "")[:MAX_USER_AGENT_LENGTH]
    return None
