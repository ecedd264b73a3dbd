"""Networks that are not public: nothing is sent there unless a setting allows it.

Sources, read on 2026-11-29: the IANA IPv4 and IPv6 Special-Purpose Address Registries
(https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry), with every entry that is
not globally reachable; the multicast ranges; networks that are deprecated (RFC 3879, RFC 7526) or not yet given to
anybody (RFC 4291: public addresses are in 2000::/3). Python's `ipaddress` has an older copy, which changes by release.
"""

from ipaddress import IPv4Network, IPv6Network

IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared by customers of a carrier
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local; clouds answer with credentials there
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays, deprecated
            "192.168.0.0/16",  # private use
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and the limited broadcast
        ),
    )
)
IPV6_PUBLIC = IPv6Network("2000::/3")
IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo and ORCHID among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, deprecated
            "3fff::/20",  # documentation
        ),
    )
)
