"""Where a webhook's name leads to, asked when it is sent to: names may point anywhere, and change their mind."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from core.errors import AlmanacError

HostResolver = Callable[[str, int], list[Any]]
# Translators between the two kinds of address carry the other address within.
NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(AlmanacError):
    """A webhook's name leads where nothing may be sent."""

    code = "address_refused"


def system_resolve(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def resolve_public_address(host: str, port: int, *, allow_private: bool, resolve: HostResolver = system_resolve) -> str:
    """The address to connect to. Raises AddressRefused when any of the name's addresses is not public."""
    try:
        found = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in resolve(host, port)]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        raise AddressRefused("The webhook's name is not known")
    if not allow_private and not all(is_public_address(address) for address in found):
        raise AddressRefused(
            "The webhook's name leads into a private network; WEBHOOK_PRIVATE_ADDRESSES=true would allow that"
        )
    return str(found[0])


def is_public_address(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the internet: not private, link-local, loopback, shared or reserved."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public_address(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved
