"""A small HTTP server with canned responses, and one that replays exchanges recorded from the real GitHub."""

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
    """A response; a dict or list becomes JSON, bytes are sent unchanged."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass
class FakeServer:
    """The server's URL, the requests it received, and its response function, which may be replaced while it runs."""

    url: str
    respond: Callable[[ReceivedRequest], CannedResponse]
    received: list[ReceivedRequest] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def requested_paths(self) -> list[str]:
        return [one.path for one in self.received]


@contextmanager
def fake_server(respond: Callable[[ReceivedRequest], CannedResponse]) -> Iterator[FakeServer]:
    """Serve *respond* on a free port inside the `with` block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            request = ReceivedRequest(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(body) if body else None,
            )
            with server_state.lock:
                server_state.received.append(request)
            response = server_state.respond(request)
            payload = response.payload()
            self.send_response_only(response.status)
            # A header whose value is None is omitted.
            headers = {"content-length": str(len(payload)), "content-type": "application/json"} | response.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = handle_request  # noqa: N815  # names required by http.server

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server_state = FakeServer(f"http://127.0.0.1:{server.server_port}", respond)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server_state
    finally:
        server.shutdown()
        server.server_close()


def respond_in_sequence(*responses: CannedResponse) -> Callable[[ReceivedRequest], CannedResponse]:
    """Send one response after the other, and the last one forever."""
    left = list(responses)
    lock = threading.Lock()

    def respond(_request: ReceivedRequest) -> CannedResponse:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return respond


def recorded_exchange(recorded: Path, name: str) -> dict[str, Any]:
    exchange: dict[str, Any] = json.loads((recorded / "exchanges" / f"{name}.json").read_text())
    return exchange


def response_of_exchange(exchange: dict[str, Any], root: str = "") -> CannedResponse:
    """Return the recorded response; URLs of api.github.com stay, as behind a proxy, unless *root* replaces them."""
    response = exchange["response"]
    body = response["body"] if response["body"] is not None else (response["body_text"] or "").encode()
    headers = {
        name: value for name, value in response["headers"].items() if name not in EXCLUDED_HEADERS and value is not None
    }
    if root:
        headers = {name: value.replace("https://api.github.com", root) for name, value in headers.items()}
    return CannedResponse(response["status"], body if body != b"" else None, headers)


# Headers of the recorded transfer, not of the content.
EXCLUDED_HEADERS = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "status"})


def replay(recorded: Path, *names: str) -> Callable[[ReceivedRequest], CannedResponse]:
    """Respond to each path as recorded; several recordings of a path in their order, and the last one forever."""
    by_path: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        exchange = recorded_exchange(recorded, name)
        by_path.setdefault(exchange["request"]["path"], []).append(exchange)
    lock = threading.Lock()

    def respond(request: ReceivedRequest) -> CannedResponse:
        with lock:
            left = by_path.get(request.path)
            if not left:
                return CannedResponse(
                    404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}
                )
            return response_of_exchange(left.pop(0) if len(left) > 1 else left[0])

    return respond
