"""A small web server whose answers a test writes, and one that replays exchanges recorded from the real GitHub."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class ReceivedRequest:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class CannedResponse:
    """What to answer; a dict or list becomes JSON, bytes go as they are."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass
class FakeServer:
    """Where it listens, what it was asked, and what it says; `say` may be exchanged while it runs."""

    url: str
    say: Callable[[ReceivedRequest], CannedResponse]
    asked: list[ReceivedRequest] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def requested_paths(self) -> list[str]:
        return [one.path for one in self.asked]


@contextmanager
def fake_server(say: Callable[[ReceivedRequest], CannedResponse]) -> Iterator[FakeServer]:
    """Serve *say* on a free port while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            sent = self.rfile.read(length)
            asked = ReceivedRequest(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(sent) if sent else None,
            )
            with here.lock:
                here.asked.append(asked)
            said = here.say(asked)
            payload = said.payload()
            self.send_response_only(said.status)
            # None as a header's value leaves it out.
            headers = {"content-length": str(len(payload)), "content-type": "application/json"} | said.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = answer  # noqa: N815  # the names that http.server looks for

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here = FakeServer(f"http://127.0.0.1:{server.server_port}", say)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()


def respond_in_sequence(*said: CannedResponse) -> Callable[[ReceivedRequest], CannedResponse]:
    """Say one after the other, and the last one for ever."""
    left = list(said)
    lock = threading.Lock()

    def say(_asked: ReceivedRequest) -> CannedResponse:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return say


def recorded_exchange(recorded: Path, name: str) -> dict[str, Any]:
    return json.loads((recorded / "exchanges" / f"{name}.json").read_text())


def response_of_exchange(held: dict[str, Any], root: str = "") -> CannedResponse:
    """What the real GitHub said; addresses of api.github.com stay, as behind a proxy, unless *root* is given."""
    response = held["response"]
    body = response["body"] if response["body"] is not None else (response["body_text"] or "").encode()
    headers = {
        name: value for name, value in response["headers"].items() if name not in EXCLUDED_HEADERS and value is not None
    }
    if root:
        headers = {name: value.replace("https://api.github.com", root) for name, value in headers.items()}
    return CannedResponse(response["status"], body if body != b"" else None, headers)


# What describes the transfer at that time, not the content.
EXCLUDED_HEADERS = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "status"})


def replay(recorded: Path, *names: str) -> Callable[[ReceivedRequest], CannedResponse]:
    """Answer each path as recorded; a path that was recorded several times in that order, the last one for ever."""
    by_path: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        held = recorded_exchange(recorded, name)
        by_path.setdefault(held["request"]["path"], []).append(held)
    lock = threading.Lock()

    def say(asked: ReceivedRequest) -> CannedResponse:
        with lock:
            left = by_path.get(asked.path)
            if not left:
                return CannedResponse(
                    404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}
                )
            return response_of_exchange(left.pop(0) if len(left) > 1 else left[0])

    return say
