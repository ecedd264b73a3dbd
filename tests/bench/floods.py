"""What floods by strangers and readers leave in the web process: memory and descriptors a minute later, idle."""

import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin as SocketOrigin
from websockets.typing import Subprotocol

from core.auth import people, sessions
from core.auth.identity import Origin
from tests.bench.measurement import Measurement
from tests.bench.page_bytes import prepared_servers
from tests.bench.startup import free_port, wait_until_healthy

ROOT = Path(__file__).parents[2]
IDLE_SECONDS = 60
SOCKETS, SLOW_CONNECTIONS, UPLOADS = 40, 100, 300
STRANGERS_MESSAGE, VALUE = b"\x00" * 19_000_000, "x" * 10_000
TARGET = "within 15 % of the level before"


class Web:
    """The web process under attack."""

    def __init__(self, address: str, pid: int, cookies: str) -> None:
        self.address, self.pid, self.cookies = address, pid, cookies

    def megabytes(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @contextmanager
    def page(self, *, signed_in: bool = False) -> Iterator[ClientConnection]:
        with connect(
            f"{self.address.replace('http', 'ws', 1)}/_stcore/stream",
            origin=SocketOrigin(self.address),
            subprotocols=[Subprotocol("streamlit")],
            additional_headers={"cookie": self.cookies} if signed_in else {},
            max_size=None,
            ping_interval=None,
            close_timeout=0.1,  # it leaves without a word, as browsers whose connection breaks
        ) as opened:
            yield opened


def values(count: int, first: int = 0) -> bytes:
    """A message with *count* values of widgets that no page has."""
    asked = BackMsg()
    for number in range(first, first + count):
        widget = asked.rerun_script.widget_states.widgets.add()
        widget.id, widget.string_value = f"$$ID-{number}", VALUE
    return asked.SerializeToString()


def send_large_messages(web: Web) -> None:
    """Strangers send one message of 19 MB on each of many websockets."""
    with ExitStack() as opened:
        for _ in range(SOCKETS):
            page = opened.enter_context(web.page())
            with suppress(WebSocketException):
                page.send(STRANGERS_MESSAGE)


def send_values(web: Web, *, signed_in: bool) -> None:
    """One page sends values under ever different names."""
    count = 50 if signed_in else 1
    with web.page(signed_in=signed_in) as page, suppress(WebSocketException):
        for number in range(200):
            page.send(values(count, number * count))


def leave_pages(web: Web) -> None:
    """A reader opens pages and leaves them, forty at a time."""
    asked = BackMsg()
    asked.rerun_script.page_name = "repositories"
    for _ in range(4):
        with ExitStack() as opened:
            pages = [opened.enter_context(web.page(signed_in=True)) for _ in range(SOCKETS)]
            for page in pages:
                page.send(asked.SerializeToString())
            time.sleep(5)


def upload_files(web: Web) -> None:
    """A reader uploads files to pages that have no uploader."""
    with httpx.Client(base_url=web.address, headers={"cookie": web.cookies, "origin": web.address}) as client:
        for number in range(UPLOADS):
            client.put(f"/_stcore/upload_file/page/{number}", files={"file": ("x.csv", b"x" * 1_000_000)})


def hold_connections(web: Web) -> None:
    """Strangers hold connections: without a byte, with half a head, with half a body."""
    host, port = web.address.removeprefix("http://").split(":")
    half = [
        b"",
        b"GET / HTTP/1.1\r\nhost: x\r\n",
        b"POST /auth/session HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx",
    ]
    opened = [socket.create_connection((host, int(port))) for _ in range(SLOW_CONNECTIONS)]
    for number, one in enumerate(opened):
        one.sendall(half[number % len(half)])
    held.extend(opened)


held: list[socket.socket] = []  # the other ends stay open: the server has to end them
FLOODS: dict[str, Callable[[Web], None]] = {
    "messages of 19 MB by strangers": send_large_messages,
    "values by a stranger": lambda web: send_values(web, signed_in=False),
    "values by a reader": lambda web: send_values(web, signed_in=True),
    "pages left by a reader": leave_pages,
    "uploads by a reader": upload_files,
    "slow connections": hold_connections,
}


@contextmanager
def web_process(environment: dict[str, str]) -> Iterator[Web]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="almanac-bench-", dir="/tmp") as folder:
        given = {**os.environ, **environment, "PORT": str(port), "DATA_DIR": folder, "LOG_LEVEL": "ERROR"}
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=given, stderr=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_healthy(port, time.perf_counter())
            reader = people.create("flooding", actor="bench")
            tokens = sessions.start(reader.id, Origin("127.0.0.1", "bench"))
            yield Web(address, process.pid, f"almanac_access={tokens.access}; almanac_refresh={tokens.refresh}")
        finally:
            process.terminate()
            process.wait(20)


def run() -> list[Measurement]:
    logging.getLogger("websockets").setLevel(
        logging.CRITICAL + 1
    )  # it reports that the server ends what a flood has opened
    figures: list[Measurement] = []
    with prepared_servers() as environment, web_process(environment) as web:
        leave_pages(web)  # as after some use: libraries loaded, pools filled
        time.sleep(IDLE_SECONDS)
        for name, flood in FLOODS.items():
            memory, descriptors = web.megabytes(), web.descriptors()
            flood(web)
            figures.append(Measurement(f"{name}: right after", web.megabytes(), "MB", memory))
            time.sleep(IDLE_SECONDS)
            figures.append(Measurement(f"{name}: a minute later", web.megabytes(), "MB", memory, TARGET))
            left = Measurement(f"{name}: descriptors", web.descriptors(), "", descriptors, "the level before")
            figures.append(left)
    for one in held:
        one.close()
    return figures
