"""SSRF protection of webhooks: resolves a host name at each delivery and refuses private addresses."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from core.errors import AlmanacError
from ingest.alerts import special_networks

HostResolver = Callable[[str, int], list[Any]]
# IPv6 addresses of NAT64 translators contain an IPv4 address.
NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(AlmanacError):
    """A webhook's host name resolves to an address to which nothing may be sent."""

    code = "address_refused"


class HostNotResolved(AddressRefused):
    """A webhook's host name has no address now: it may have one again."""

    code = "host_not_resolved"

    def __init__(self) -> None:
        super().__init__("The webhook's host name cannot be resolved")


def system_resolve(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def resolve_public_address(host: str, port: int, *, allow_private: bool, resolve: HostResolver = system_resolve) -> str:
    """Return the IP address to connect to.

    Raises AddressRefused if any address of *host* is not public, HostNotResolved if there is none.
    """
    try:
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in resolve(host, port)]
    except (OSError, UnicodeError, ValueError):
        addresses = []
    if not addresses:
        raise HostNotResolved
    if not allow_private and not all(is_public_address(address) for address in addresses):
        raise AddressRefused(
            "The webhook's host name resolves to a private network; WEBHOOK_PRIVATE_ADDRESSES=true allows that"
        )
    return str(addresses[0])


def is_public_address(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is public; one that stands for an IPv4 address is judged by that."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in special_networks.IPV4)
    inner = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address.ipv4_mapped
    if inner is not None:
        return is_public_address(inner)
    return address in special_networks.IPV6_PUBLIC and not any(address in network for network in special_networks.IPV6)
