"""Bounds on websockets: the size and number of messages, the time without any or without a session, the number open.

A page's values live in this process, so what a reader can send is what they can fill its memory with.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import prometheus
from core.ratelimit.limiter import client_network
from core.web.bounded_protocols import MAX_FIRST_MESSAGE_BYTES, SET_MESSAGE_LIMIT
from core.web.middleware.error_responses import refuse_websocket
from core.web.websocket_owner import WebsocketOwner

log = structlog.get_logger()
# A page sends its first message as soon as it is connected.
FIRST_MESSAGE_SECONDS = 20.0
# What has to wait longer closes the connection: while it waits, the server reads nothing, not even pongs.
MAX_WAIT_SECONDS = 10.0
MAX_SIGNED_OUT_SOCKETS = 500
POLICY_VIOLATION, TOO_LARGE, TRY_AGAIN_LATER = 1008, 1009, 1013


@dataclass(frozen=True)
class Bounds:
    """Limits of one websocket."""

    message_bytes: int
    widgets: int  # values of widgets in one message
    burst_bytes: int  # of messages at once; more than bytes_per_second afterwards has to wait
    bytes_per_second: float
    sockets: int  # of one person, or without a session of one address
    seconds_open: float = float("inf")


# The browser connects again by itself, and what has been typed stays on the page.
SIGNED_OUT = Bounds(MAX_FIRST_MESSAGE_BYTES, 100, 65_536, 4_096, sockets=50, seconds_open=900)
# A pasted list of accounts may have a million characters of up to four bytes.
SIGNED_IN = Bounds(5_000_000, 1_000, 10_000_000, 250_000, sockets=60)


@dataclass(frozen=True)
class PageMessage:
    """A message of an open page."""

    widgets: int
    needs_session: bool


class Refused(Exception):
    """A message or socket beyond its bounds; *reason* is one of a short fixed list."""

    def __init__(self, reason: str, code: int = POLICY_VIOLATION) -> None:
        self.reason = reason
        self.code = code
        super().__init__(reason)


class ByteBudget:
    """Tells how long the next bytes have to wait: a burst at once, then a steady rate."""

    def __init__(self, burst: int, per_second: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.burst, self.per_second, self.monotonic = burst, per_second, monotonic
        self._left, self._at = float(burst), monotonic()

    def spend(self, count: int) -> float:
        """Count *count* bytes and return the seconds to wait before they are used."""
        now = self.monotonic()
        self._left = min(self.burst, self._left + (now - self._at) * self.per_second) - count
        self._at = now
        return max(0.0, -self._left / self.per_second)


class WebsocketBounds:
    """Apply the bounds of signed-in and of other websockets.

    read_message  returns what a message asks for; raises ValueError for what no page of ours sends
    """

    def __init__(self, app: ASGIApp, read_message: Callable[[bytes], PageMessage]) -> None:
        self.app = app
        self.read_message = read_message
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        owner: WebsocketOwner = scope["state"]["websocket_owner"]
        bounds = SIGNED_IN if owner.is_signed_in else SIGNED_OUT
        limits = {f"person {owner.person_id}": bounds.sockets}
        if not owner.is_signed_in:
            network = client_network(scope["state"]["origin"].address)
            limits = {f"address {network}": bounds.sockets, "signed out": MAX_SIGNED_OUT_SOCKETS}
        if any(self._open[key] >= limit for key, limit in limits.items()):
            note_refusal("too_many_sockets")
            await refuse_websocket(receive, send, "too many open pages")
            return
        if set_message_limit := scope["state"].get(SET_MESSAGE_LIMIT):
            set_message_limit(bounds.message_bytes)
        self._open.update(limits.keys())
        try:
            socket = BoundedSocket(receive, send, bounds, self.read_message)
            await self.app(scope, socket.receive, socket.send)
        finally:
            self._open.subtract(limits.keys())
            self._open += Counter()  # drop those at zero


class BoundedSocket:
    """One websocket between the server and the application."""

    def __init__(
        self, receive: Receive, send: Send, bounds: Bounds, read_message: Callable[[bytes], PageMessage]
    ) -> None:
        self._receive, self._send = receive, send
        self.bounds = bounds
        self.read_message = read_message
        self._budget = ByteBudget(bounds.burst_bytes, bounds.bytes_per_second)
        self._closes_at = time.monotonic() + bounds.seconds_open
        self._first_until = time.monotonic() + FIRST_MESSAGE_SECONDS
        self._is_closed = False

    async def receive(self) -> Message:
        """Return the next message within the bounds; close the socket at the first that is not."""
        try:
            message = await self._next()
            if message["type"] == "websocket.receive":
                self._check(message)
                self._first_until = float("inf")
                await self._wait(self._budget.spend(len(message["bytes"])))
            elif message.get("code") == TOO_LARGE:
                note_refusal("too_large")
        except Refused as refused:
            note_refusal(refused.reason)
            await self.send({"type": "websocket.close", "code": refused.code})
            self._is_closed = True
            return {"type": "websocket.disconnect", "code": refused.code}
        return message

    async def send(self, message: Message) -> None:
        """Send *message*, unless the socket was closed here, which the application learns a moment later."""
        if not self._is_closed:
            await self._send(message)

    async def _next(self) -> Message:
        until = min(self._closes_at, self._first_until)
        try:
            async with asyncio.timeout(None if until == float("inf") else max(0.0, until - time.monotonic())):
                return await self._receive()
        except TimeoutError:
            is_silent = self._first_until <= self._closes_at
            raise Refused(*("silent",) if is_silent else ("not_signed_in", TRY_AGAIN_LATER)) from None

    async def _wait(self, seconds: float) -> None:
        if seconds > MAX_WAIT_SECONDS:
            raise Refused("too_fast")
        await asyncio.sleep(seconds)

    def _check(self, message: Message) -> None:
        content = message.get("bytes")
        if content is None:
            raise Refused("malformed")
        if len(content) > self.bounds.message_bytes:
            raise Refused("too_large", TOO_LARGE)
        try:
            found = self.read_message(content)
        except ValueError:
            raise Refused("malformed") from None
        if found.widgets > self.bounds.widgets:
            raise Refused("too_many_widgets")
        if found.needs_session and self.bounds is not SIGNED_IN:
            raise Refused("not_signed_in")


def note_refusal(reason: str) -> None:
    """Log a refusal in one line and count it."""
    log.warning("websocket closed", reason=reason)
    prometheus.websocket_refusals.labels(reason).inc()
