"""Hosts of a network of their own: network namespaces of Linux that reach this machine, over a bridge, and no other."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

# 198.18.0.0/15 is set aside for tests of networks (RFC 2544); each process of the tests takes one /24 of it.
NETWORK = f"198.18.{os.getpid() % 256}"


@dataclass(frozen=True)
class Host:
    """One host: programs run in it, and its cable can be pulled."""

    name: str
    bridge: str

    def command(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def unplug(self) -> None:
        """Lose all packets to and from it, as a broken cable does: neither side is notified."""
        _ip("link", "set", f"{self.name}b", "nomaster")

    def plug_in(self) -> None:
        _ip("link", "set", f"{self.name}b", "master", self.bridge)


@dataclass(frozen=True)
class Network:
    """*address* is this machine's, as the hosts see it."""

    address: str
    hosts: list[Host]


@contextmanager
def network_of(hosts: int) -> Iterator[Network]:
    """Make so many hosts; skips the test where that is not permitted."""
    if sys.platform != "linux" or os.getuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces need Linux, root and iproute2")
    bridge = f"alm{os.getpid()}"
    made = [Host(f"{bridge}h{n}", bridge) for n in range(hosts)]
    try:
        _make(bridge, made)
    except subprocess.CalledProcessError as error:
        _remove(bridge, made)
        pytest.skip(f"network namespaces are not permitted here: {error.stderr.strip()}")
    try:
        yield Network(f"{NETWORK}.1", made)
    finally:
        _remove(bridge, made)


def _make(bridge: str, hosts: list[Host]) -> None:
    _ip("link", "add", bridge, "type", "bridge")
    _ip("address", "add", f"{NETWORK}.1/24", "dev", bridge)
    _ip("link", "set", bridge, "up")
    for n, host in enumerate(hosts, start=2):
        _ip("netns", "add", host.name)
        _ip("link", "add", f"{host.name}b", "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _ip("link", "set", f"{host.name}b", "master", bridge, "up")
        _ip("-n", host.name, "address", "add", f"{NETWORK}.{n}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", host.name, "link", "set", device, "up")


def _remove(bridge: str, hosts: list[Host]) -> None:
    for host in hosts:
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "delete", host.name)
    with suppress(subprocess.CalledProcessError):
        _ip("link", "delete", bridge)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
