"""uvicorn's HTTP and websocket protocols with limits that it lacks: on time, and on a message before it is in memory.

uvicorn waits for a request without end, and its websockets buffer a message of any connection up to one common size.
They also write each message by itself: see `OneWriteTransport`.
"""

import asyncio
from typing import Any, cast

import h11
import uvicorn.config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# From the connection, or the first byte of the next request, to the last byte of its body.
REQUEST_SECONDS = 40.0
# Without any byte taken of a response that is ready.
READ_SECONDS = 40.0
# The largest message of a websocket until the application allows more: see websocket_bounds.py.
MAX_FIRST_MESSAGE_BYTES = 16_384
SET_MESSAGE_LIMIT = "set_message_limit"
# What is written together at most: as much as asyncio holds before it lets a writer wait.
WRITE_BYTES = 65_536


class Deadline:
    """Aborts a connection unless it is cancelled in time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport) -> None:
        """Start it, unless it runs."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, transport.abort)

    def cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


class BoundedHttp(H11Protocol):
    """Ends connections whose request does not arrive, or whose response is not read, in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request, self._reading = Deadline(REQUEST_SECONDS), Deadline(READ_SECONDS)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._request.start(transport)

    def data_received(self, data: bytes) -> None:
        self._request.start(self.transport)
        super().data_received(data)
        # IDLE: without a whole head; SEND_BODY: without a whole body.
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._request.cancel()

    def on_response_complete(self) -> None:
        # An unread rest of the body is no reason to wait: the keep-alive timeout follows.
        self._request.cancel()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._request.cancel()
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        self._reading.start(self.transport)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._reading.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request.cancel()
        self._reading.cancel()
        super().connection_lost(exc)


class OneWriteTransport:
    """A transport that joins all writes of one turn of the event loop into one.

    A page is some 150 messages. After each system call the event loop has to get the interpreter's lock back, for which
    it waits up to `sys.getswitchinterval()` while a script runs in another thread.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write_waiting)
        self._waiting += data
        if len(self._waiting) >= WRITE_BYTES:
            self._write_waiting()

    def close(self) -> None:
        self._write_waiting()
        self._transport.close()

    def _write_waiting(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, bytearray()
            self._transport.write(waiting)


class BoundedWebsocket(WebSocketsSansIOProtocol):
    """Refuses a message by its announced size; ends connections that do not read; writes messages together."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], **kwargs: Any) -> None:
        state = {**app_state, SET_MESSAGE_LIMIT: self.set_message_limit}
        super().__init__(config=config, server_state=server_state, app_state=state, **kwargs)
        self._reading = Deadline(READ_SECONDS)
        self.set_message_limit(MAX_FIRST_MESSAGE_BYTES)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", OneWriteTransport(transport)))

    def set_message_limit(self, max_bytes: int) -> None:
        """Accept messages of up to *max_bytes* from now on."""
        self.conn.max_message_size = max_bytes

    def pause_writing(self) -> None:
        self._reading.start(self.transport)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._reading.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reading.cancel()
        super().connection_lost(exc)


def use_bounded_protocols() -> None:
    """Let every uvicorn server of this process use them; Streamlit starts uvicorn and passes only names."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:BoundedHttp"
    uvicorn.config.WS_PROTOCOLS["websockets-sansio"] = f"{__name__}:BoundedWebsocket"
