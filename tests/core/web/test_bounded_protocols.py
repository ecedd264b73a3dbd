"""Connections that strangers hold open without using them are ended, and their descriptors return."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from core.web import bounded_protocols
from core.web.bounded_protocols import (
    MAX_FIRST_MESSAGE_BYTES,
    WRITE_BYTES,
    BoundedHttp,
    BoundedWebsocket,
    OneWriteTransport,
)
from core.web.middleware import websocket_bounds
from core.web.middleware.websocket_bounds import SIGNED_IN, SIGNED_OUT, BoundedSocket, ByteBudget, PageMessage

CONNECTIONS = 100
# Far more than an ordinary request takes on a busy machine.
LONG_SECONDS = 3.0
UPGRADE = (
    "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SENT = {
    "no byte": b"",
    "half a head": b"GET / HTTP/1.1\r\nhost: x\r\n",
    "half a body": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf",
    "a silent websocket": UPGRADE.encode(),
    "a message that is too large": UPGRADE.encode() + b"\x82\xff" + (19_000_000).to_bytes(8) + b"mask",
    "a message that is cut off": UPGRADE.encode() + b"\x82\xfe" + (1_000).to_bytes(2) + b"mask" + b"half",
    "a message, then silence": UPGRADE.encode() + b"\x82\x84" + bytes(4) + b"text",
    "a message, and gone": UPGRADE.encode() + b"\x82\x84" + bytes(4) + b"text" + b"\x88\x80" + bytes(4),
}
# Together more than is written at once.
NUMBERS = [str(number).encode() * 300 for number in range(300)]


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def large(_: Request) -> Response:
    return PlainTextResponse("x" * 50_000_000)


async def numbers(opened: WebSocket) -> None:
    await opened.accept()
    for message in NUMBERS:
        await opened.send_bytes(message)
    await opened.close()


async def websocket(opened: WebSocket) -> None:
    socket = BoundedSocket(opened.receive, opened.send, SIGNED_OUT, lambda _: PageMessage(0, needs_session=False))
    await socket.receive()
    await opened.accept()
    while (await socket.receive())["type"] == "websocket.receive":
        pass


@pytest.fixture
def limit_seconds() -> float:
    return 0.5


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, limit_seconds: float) -> Iterator[uvicorn.Server]:
    """A server with our protocols and much shorter limits, in a thread."""
    for module, name in (
        (bounded_protocols, "REQUEST_SECONDS"),
        (bounded_protocols, "READ_SECONDS"),
        (websocket_bounds, "FIRST_MESSAGE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, limit_seconds)
    application = Starlette(
        routes=[
            Route("/", echo, methods=["GET", "POST"]),
            Route("/large", large),
            WebSocketRoute("/ws", websocket),
            WebSocketRoute("/numbers", numbers),
        ]
    )
    config = uvicorn.Config(application, port=0, http=BoundedHttp, ws=BoundedWebsocket, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server
    server.should_exit = True
    thread.join()


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


def connect(port: int, sent: bytes) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=30)
    opened.sendall(sent)
    return opened


def read_to_the_end(opened: socket.socket) -> bytes:
    received = b""
    try:
        while part := opened.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("kind", list(SENT))
def test_connections_of_a_flood_are_ended_and_their_descriptors_return(port, kind):
    before = descriptors()
    opened = [connect(port, SENT[kind]) for _ in range(CONNECTIONS)]
    for one in opened:
        read_to_the_end(one)
        one.close()
    while descriptors() > before + 1:
        time.sleep(0.05)


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nx: ", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"]
)
def test_a_drip_does_not_extend_the_time(port, sent):
    opened = connect(port, sent)
    with pytest.raises(OSError):  # noqa: PT011 - broken pipe or reset
        while True:
            opened.sendall(b"x")
            time.sleep(0.05)
    opened.close()


@pytest.mark.parametrize("limit_seconds", [LONG_SECONDS])
def test_a_drip_after_a_complete_request_is_ended_too(port):
    opened = connect(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert opened.recv(100).startswith(b"HTTP/1.1 200")
    with pytest.raises(OSError):  # noqa: PT011
        while True:
            opened.sendall(b"G")
            time.sleep(0.05)
    opened.close()


def test_a_response_that_nobody_reads_is_given_up(port, server):
    opened = connect(port, b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    assert opened.recv(10)
    while server.server_state.connections:
        time.sleep(0.05)
    assert len(read_to_the_end(opened)) < 50_000_000
    opened.close()


@pytest.mark.parametrize("limit_seconds", [LONG_SECONDS])
def test_ordinary_requests_on_one_connection_go_on(port):
    opened = connect(port, b"")
    for _ in range(8):  # longer in all than one request may take
        opened.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody")
        received = b""
        while not received.endswith(b"body"):
            received += opened.recv(1000)
        time.sleep(LONG_SECONDS / 6)
    opened.close()


@pytest.mark.parametrize("limit_seconds", [LONG_SECONDS])
def test_a_large_message_is_refused_by_its_announced_size(port):
    """Its content is never sent, and never kept."""
    opened = connect(port, UPGRADE.encode())
    assert b"101" in opened.recv(1000)
    opened.sendall(b"\x82\xff" + (MAX_FIRST_MESSAGE_BYTES + 1).to_bytes(8, "big") + b"mask")
    closing = read_to_the_end(opened)
    assert closing[:1] == b"\x88"
    assert int.from_bytes(closing[2:4], "big") == 1009
    opened.close()


class Written:
    """The transport below OneWriteTransport: notes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.written.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str) -> str:
        return f"its {name}"


def test_what_is_written_in_one_turn_of_the_event_loop_is_one_write():
    below = Written()

    async def write() -> None:
        transport = OneWriteTransport(below)
        for part in (b"a", b"b", b"c"):
            transport.write(part)
        assert below.written == []
        await asyncio.sleep(0)
        assert below.written == [b"abc"]
        transport.write(b"d")
        await asyncio.sleep(0)
        assert transport.get_extra_info("peername") == "its peername"

    asyncio.run(write())
    assert below.written == [b"abc", b"d"]


def test_what_is_written_before_the_close_is_sent():
    below = Written()

    async def write() -> None:
        transport = OneWriteTransport(below)
        transport.write(b"last words")
        transport.close()
        await asyncio.sleep(0)

    asyncio.run(write())
    assert (below.written, below.is_closed) == ([b"last words"], True)


def test_much_is_written_in_parts_so_that_the_writer_learns_of_a_slow_reader():
    below = Written()

    async def write() -> None:
        transport = OneWriteTransport(below)
        for _ in range(10):
            transport.write(bytes(WRITE_BYTES // 2))
        assert len(below.written) == 5

    asyncio.run(write())


def test_messages_of_a_websocket_come_whole_and_in_their_order(port):
    opened = connect(port, UPGRADE.replace("/ws", "/numbers").encode())
    frames = b"".join(b"\x82\x7e" + len(message).to_bytes(2) + message for message in NUMBERS)
    expected = frames + b"\x88\x02" + (1000).to_bytes(2)
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < len(expected):
        received += opened.recv(65_536)
    assert received.partition(b"\r\n\r\n")[2] == expected
    opened.close()


@pytest.mark.parametrize(
    ("spent", "wait"),
    # A burst of 100 bytes and 10 a second: 130 at once are 30 too many, so 3 s; two times 60 are 20 too many.
    [([100], 0.0), ([130], 3.0), ([60, 60], 2.0)],
)
def test_bytes_beyond_the_burst_wait(spent, wait):
    budget = ByteBudget(100, 10, lambda: 5.0)
    for count in spent:
        waited = budget.spend(count)
    assert waited == wait


def test_the_budget_fills_up_again_to_one_burst():
    now = [0.0]
    budget = ByteBudget(100, 10, lambda: now[0])
    assert budget.spend(100) == 0
    now[0] = 1_000.0
    assert budget.spend(110) == 1.0


def test_a_socket_without_a_session_is_closed_after_some_time(monkeypatch):
    """The browser connects again by itself."""
    sent: list[dict[str, object]] = []

    async def never() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    def run(bounds: websocket_bounds.Bounds) -> object:
        async def receive() -> object:
            bounded = BoundedSocket(never, send, bounds, lambda _: PageMessage(0, needs_session=False))
            return await bounded.receive()

        return asyncio.run(receive())

    brief = websocket_bounds.Bounds(100, 1, 100, 100, 1, seconds_open=0.01)
    assert run(brief) == {"type": "websocket.disconnect", "code": 1013}
    assert sent == [{"type": "websocket.close", "code": 1013}]
    assert SIGNED_IN.seconds_open == float("inf")
