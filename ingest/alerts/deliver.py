"""Delivers alerts to webhooks: signed requests to public addresses, with retries."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy import Connection, Engine, Row, text

from core import markup
from core.alerts.rules import RULE_KINDS
from core.errors import AlmanacError
from core.queue import jobs
from ingest.alerts.ssrf_guard import (
    AddressRefused,
    HostNotResolved,
    HostResolver,
    resolve_public_address,
    system_resolve,
)

log = structlog.get_logger()
T = TypeVar("T")
TIMEOUT = httpx.Timeout(10, connect=5)
EXCHANGE_SECONDS = 15.0
MAX_ATTEMPTS = 6
DEFAULT_PORTS = {"https": 443, "http": 80}


class TemporaryDeliveryError(AlmanacError):
    """The delivery failed and is worth another attempt."""

    code = "try_again"


@dataclass(frozen=True)
class DeliveryResult:
    """The outcome of one attempt; `error` is a sentence without the URL, which is a secret."""

    status: int | None = None
    error: str | None = None
    final: bool = True


@dataclass
class WebhookSender:
    """Sends deliveries; *transport* and *resolve* are parameters for tests."""

    engine: Engine
    clock: Callable[[], datetime]
    allow_private: bool = False
    public_url: str = ""
    transport: httpx.AsyncBaseTransport | None = None
    resolve: HostResolver = system_resolve
    exchange_seconds: float = EXCHANGE_SECONDS

    def deliver(self, delivery_id: int, attempt: int = 0) -> None:
        """Send one delivery and record the outcome. Raises TemporaryDeliveryError if it should be retried."""
        with self.engine.begin() as connection:
            row = connection.execute(text(SELECT_DELIVERY), {"id": delivery_id}).one_or_none()
        if row is None or row.state != "pending":  # webhook removed, or the job was repeated
            return
        result = self._send(row) if row.enabled else DeliveryResult(error="The webhook was switched off")
        is_final = result.final or attempt + 1 >= MAX_ATTEMPTS
        state = "pending" if not is_final else "failed" if result.error else "delivered"
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE webhook_delivery SET state = :state, attempts = :attempts, http_status = :status,"
                    " error = :error, finished_at = :finished_at WHERE id = :id"
                ),
                {"id": delivery_id, "state": state, "attempts": attempt + 1}
                | {"status": result.status, "error": result.error, "finished_at": self.clock() if is_final else None},
            )
        values = {"webhook": row.name, "delivery": delivery_id, "status": result.status}
        if state == "delivered":
            log.info("webhook delivered", **values)
        else:
            log.warning("webhook delivery failed", outcome=state, **values)
        if not is_final:
            raise TemporaryDeliveryError(result.error or "The webhook did not accept the delivery")

    def _send(self, row: Row[Any]) -> DeliveryResult:
        parts = urlsplit(row.url)
        if parts.scheme != "https" and not self.allow_private:
            return DeliveryResult(error="Only https is allowed unless WEBHOOK_PRIVATE_ADDRESSES=true")
        body = json.dumps(payload(row, self.public_url), ensure_ascii=False).encode()
        headers = signature_headers(row.secret, body, row.delivery_id, self.clock()) | {"host": parts.netloc}
        try:
            return delivery_result(asyncio.run(self._post(httpx.URL(row.url), body, headers)))
        except AddressRefused as refused:
            return DeliveryResult(error=str(refused), final=not isinstance(refused, HostNotResolved))
        except TimeoutError:
            return DeliveryResult(error=f"It did not respond within {self.exchange_seconds:g} s", final=False)
        except httpx.InvalidURL:  # the message would quote it
            return DeliveryResult(error="Its URL is not valid")
        except httpx.HTTPError as error:
            return DeliveryResult(error=f"It could not be reached ({type(error).__name__})", final=False)

    async def _post(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> int:
        """Return the status of the response. Raises AddressRefused, TimeoutError, HTTPError.

        Asynchronous for the limit of the whole exchange: httpx limits each read, so that a receiver that sends a line
        now and then would hold a worker, and nothing limits a lookup of its name.
        """
        port = url.port or DEFAULT_PORTS[url.scheme]
        async with (
            asyncio.timeout(self.exchange_seconds),
            httpx.AsyncClient(transport=self.transport, timeout=TIMEOUT, trust_env=False) as client,
        ):
            address = await in_daemon_thread(
                lambda: resolve_public_address(url.host, port, allow_private=self.allow_private, resolve=self.resolve)
            )
            # Connect to the checked address: resolving the name again could give another one.
            request = client.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": url.host},
            )
            response = await client.send(request, stream=True, follow_redirects=False)
            await response.aclose()
            return response.status_code


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """Call in a thread of its own, which is not waited for when the task is cancelled or the loop ends."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(call())
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name="webhook-name").start()
    return await asyncio.wrap_future(done)


SELECT_DELIVERY = """
    SELECT delivery.id AS delivery_id, delivery.state, delivery.event, webhook.name, webhook.url, webhook.format,
           webhook.secret, webhook.enabled, alert.id AS alert_id, alert.kind, alert.subject, alert.message,
           alert.details, alert.raised_at, alert.ended_at
      FROM webhook_delivery AS delivery JOIN webhook ON webhook.id = webhook_id
      LEFT JOIN alert ON alert.id = alert_id
     WHERE delivery.id = :id
"""


def fail_orphaned_deliveries(connection: Connection, now: datetime) -> int:
    """Record that deliveries failed whose job has ended, as by an error in the last attempt; returns how many."""
    return connection.execute(
        text("""
            UPDATE webhook_delivery AS delivery
               SET state = 'failed', finished_at = :now,
                   error = coalesce(error, 'Its job ended with an error; see the log')
             WHERE state = 'pending' AND NOT EXISTS (
                   SELECT FROM procrastinate_jobs AS job
                    WHERE job.lock = :prefix || delivery.id AND job.status IN ('todo', 'doing'))
        """),
        {"now": now, "prefix": jobs.DELIVERY_LOCK_PREFIX},
    ).rowcount


def delivery_result(status: int) -> DeliveryResult:
    """Classify a status: accepted, rejected for good, or worth a retry."""
    if 200 <= status < 300:
        return DeliveryResult(status)
    if status in {408, 425, 429} or status >= 500:
        return DeliveryResult(status, f"The webhook responded with status {status}", final=False)
    return DeliveryResult(status, f"The webhook responded with status {status}, which is not retried")


def payload(row: Any, public_url: str) -> dict[str, Any]:
    """Build the request body: the alert as data, or as text in Slack's format."""
    if row.event == "test":
        title, message = "Test", "Almanac can reach this webhook."
    else:
        title, message = RULE_KINDS[row.kind].title, row.message
    if row.event == "ended":
        message = f"Ended: {message}"
    if row.format == "slack":
        # Slack knows no way to write a literal * or _ while its Markdown is on.
        return {"text": f"{markup.slack(title)}: {markup.slack(message)}", "mrkdwn": False}
    alert = None
    if row.alert_id is not None:
        times = {name: value.isoformat() if (value := getattr(row, name)) else None for name in TIMESTAMP_FIELDS}
        alert = {"id": row.alert_id, "kind": row.kind, "subject": row.subject, "details": row.details} | times
    return {"event": row.event, "title": title, "message": message, "alert": alert, "from": public_url}


TIMESTAMP_FIELDS = ("raised_at", "ended_at")


def signature_headers(secret: str, body: bytes, delivery_id: int, now: datetime) -> dict[str, str]:
    """Build the headers that let a receiver verify sender and time and recognize repeated deliveries.

    The signature is the HMAC-SHA256 of timestamp, a dot and the body; the key was shown when the webhook was created.
    """
    timestamp = str(int(now.timestamp()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "user-agent": "Almanac",
        "x-almanac-delivery": str(delivery_id),
        "x-almanac-timestamp": timestamp,
        "x-almanac-signature": f"sha256={digest}",
    }
