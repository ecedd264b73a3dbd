"""The client's address comes from trusted proxies and cannot be forged by a client."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from core.web.middleware.client_address import ClientAddress, parse_ip_address
from core.web.middleware.request_ids import RequestIds

PROXY, CLIENT, OTHER = "10.0.0.1", "203.0.113.7", "198.51.100.9"


async def echo(request: Request) -> JSONResponse:
    origin = request.state.origin
    return JSONResponse(
        {
            "client": request.client.host if request.client else None,
            "address": origin.address,
            "user_agent": origin.user_agent,
            "request_id": origin.request_id,
            "scheme": request.url.scheme,
            "host": request.headers.get("host"),
            "is_local": request.state.is_local,
            "headers": [list(pair) for pair in request.headers.items()],
        }
    )


def echoed_request(peer: str, trusted: tuple[str, ...] = (), **headers: str) -> dict[str, Any]:
    application = Starlette(
        routes=[Route("/", echo)], middleware=[Middleware(RequestIds), Middleware(ClientAddress, trusted=trusted)]
    )
    client = TestClient(application, base_url="http://almanac.example", client=(peer, 50000))
    received: dict[str, Any] = client.get(
        "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
    ).json()
    return received


def test_without_trusted_proxies_the_peer_is_the_client():
    received = echoed_request(CLIENT, x_forwarded_for=OTHER, x_forwarded_host="evil.example", x_forwarded_proto="https")
    assert received["client"] == received["address"] == CLIENT
    assert (received["scheme"], received["host"]) == ("http", "almanac.example")


def test_loopback_is_not_trusted_unless_configured():
    assert echoed_request("127.0.0.1", x_forwarded_for=OTHER)["address"] == "127.0.0.1"


def test_a_trusted_proxy_sets_client_host_and_scheme():
    received = echoed_request(
        PROXY, ("10.0.0.0/8",), x_forwarded_for=CLIENT, x_forwarded_host="a.example", x_forwarded_proto="https"
    )
    assert received["client"] == received["address"] == CLIENT
    assert (received["scheme"], received["host"]) == ("https", "a.example")


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        (CLIENT, CLIENT),
        (f"{OTHER}, {CLIENT}", CLIENT),
        (f"127.0.0.1, {CLIENT}, 10.0.0.2", CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (f"{CLIENT}, unknown", PROXY),
        (f"{CLIENT}, unknown, 10.0.0.2", "10.0.0.2"),
        ("", PROXY),
        ("' OR 1=1 --", PROXY),
    ],
)
def test_the_rightmost_untrusted_hop_is_the_client(hops, client):
    assert echoed_request(PROXY, ("10.0.0.0/8",), x_forwarded_for=hops)["address"] == client


def test_an_ipv4_mapped_address_equals_the_ipv4_address():
    assert echoed_request("::ffff:10.0.0.1", ("10.0.0.0/8",), x_forwarded_for=CLIENT)["address"] == CLIENT


def test_the_app_receives_the_address_only_from_the_middleware():
    received = echoed_request(
        CLIENT, x_auth_address=OTHER, x_auth_person="admin", x_request_id="theirs", x_forwarded_for=OTHER
    )
    headers = [tuple(pair) for pair in received["headers"]]
    assert ("x-auth-address", CLIENT) in headers
    assert not {"x-auth-person", "x-forwarded-for"} & {name for name, _ in headers}
    assert [value for name, value in headers if name == "x-request-id"] == [received["request_id"]]
    assert OTHER not in str(headers)


@pytest.mark.parametrize("header", ["x_forwarded_for", "x_forwarded_proto", "forwarded", "x_real_ip", "via"])
def test_a_forwarded_request_is_not_from_this_machine(header):
    assert echoed_request("127.0.0.1")["is_local"] is True
    assert echoed_request("127.0.0.1", **{header: "x"})["is_local"] is False
    assert echoed_request("127.0.0.1", ("127.0.0.1",), **{header: "127.0.0.1"})["is_local"] is False


def test_a_long_user_agent_is_truncated():
    assert echoed_request(CLIENT, user_agent="x" * 10_000)["user_agent"] == "x" * 300


@given(st.text(max_size=60))
def test_any_text_is_parsed_as_an_address_or_ignored(written):
    address = parse_ip_address(written)
    assert address is None or parse_ip_address(str(address)) == address
