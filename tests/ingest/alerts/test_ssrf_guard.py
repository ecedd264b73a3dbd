"""A webhook reaches the public internet and nothing else, whatever its host name resolves to."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.alerts.ssrf_guard import NAT64, AddressRefused, is_public_address, resolve_public_address, system_resolve


def resolver_of(*addresses):
    return lambda _host, port: [(None, None, None, "", (address, port)) for address in addresses]


PRIVATE_IPS = [
    *("192.88.99.0", "192.88.99.255", "fec0::1", "feff::1", "3fff::1", "3fff:fff:ffff::1", "100::1", "5f00::1"),
    *("64:ff9b:1::808:808", "4000::1", "198.18.0.1", "198.19.255.255", "192.0.0.9", "203.0.113.7", "2001:20::1"),
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:192.88.99.1",
        "2002:808:808::1",
        "2001:0:808:808::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ),
]
PUBLIC_IPS = [
    "1.1.1.1",
    "192.88.98.255",
    "192.88.100.0",
    "3fff:1000::1",
    "2620:4f:8000::1",
    "192.31.196.1",
    "140.82.121.4",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
]


@pytest.mark.parametrize("address", PRIVATE_IPS)
def test_a_host_that_resolves_to_a_private_network_is_refused(address):
    with pytest.raises(AddressRefused, match="private network"):
        resolve_public_address("hooks.example.com", 443, allow_private=False, resolve=resolver_of(address))


@pytest.mark.parametrize("address", PUBLIC_IPS)
def test_the_checked_public_address_is_connected_to(address):
    found = resolve_public_address("hooks.example.com", 443, allow_private=False, resolve=resolver_of(address))
    assert ip_address(found) == ip_address(address)


def test_one_private_address_among_public_ones_is_refused():
    with pytest.raises(AddressRefused):
        resolve_public_address(
            "hooks.example.com", 443, allow_private=False, resolve=resolver_of("1.1.1.1", "10.0.0.1")
        )


def test_a_setting_allows_private_addresses():
    assert resolve_public_address("hooks.local", 80, allow_private=True, resolve=resolver_of("10.0.0.1")) == "10.0.0.1"


def test_unusual_ip_spellings_are_parsed_as_the_system_does():
    """`0x7f.1` and `2130706433` are loopback too."""
    for spelling in ("2130706433", "0x7f000001", "127.1"):
        with pytest.raises(AddressRefused):
            resolve_public_address(spelling, 443, allow_private=False, resolve=system_resolve)


def test_an_unknown_host_is_one_error_sentence():
    def unknown(_host, _port):
        raise OSError

    with pytest.raises(AddressRefused, match="cannot be resolved"):
        resolve_public_address("nowhere.invalid", 443, allow_private=False, resolve=unknown)


def test_a_translated_address_is_checked_by_its_embedded_address():
    assert not is_public_address(ip_address("64:ff9b::c0a8:101"))
    assert is_public_address(ip_address("64:ff9b::808:808"))


LATELY_PUBLIC_IN_PYTHON = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20", "fec0::/10"))
)
OUTSIDE_PUBLIC_IPV6 = ip_network("2000::/3")


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_python_knows_as_private_is_not_public(address):
    """The table refuses all that `ipaddress` refuses, and more only where it is older."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in NAT64):
        return
    known = address.is_global and not address.is_multicast and not address.is_reserved
    if not known:
        assert not is_public_address(address)
    elif not is_public_address(address):
        is_unassigned = address.version == 6 and address not in OUTSIDE_PUBLIC_IPV6
        assert is_unassigned or any(
            address in network for network in LATELY_PUBLIC_IN_PYTHON if network.version == address.version
        )
