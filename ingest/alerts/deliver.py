"""Tell a webhook of an alert: signed, to a public address, a few times if need be, and never twice the same number."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy import Engine, Row, text

from core.alerts.rules import RULE_KINDS
from core.errors import AlmanacError
from ingest.alerts.ssrf_guard import AddressRefused, HostResolver, resolve_public_address, system_resolve

log = structlog.get_logger()
TIMEOUT = httpx.Timeout(10, connect=5)
MAX_ATTEMPTS = 6
DEFAULT_PORTS = {"https": 443, "http": 80}


class TemporaryDeliveryError(AlmanacError):
    """The webhook did not take it this time."""

    code = "try_again"


@dataclass(frozen=True)
class DeliveryResult:
    """What came of one try; `error` is a sentence without the address, which is a secret."""

    status: int | None = None
    error: str | None = None
    final: bool = True


@dataclass
class WebhookSender:
    """Sends deliveries. *network* and *resolve* are the outside world."""

    engine: Engine
    clock: Callable[[], datetime]
    allow_private: bool = False
    public_url: str = ""
    transport: httpx.BaseTransport | None = None
    resolve: HostResolver = system_resolve

    def deliver(self, delivery_id: int, attempt: int = 0) -> None:
        """Send one delivery. Raises TryAgain when it is worth another attempt."""
        with self.engine.begin() as connection:
            row = connection.execute(text(SELECT_DELIVERY), {"id": delivery_id}).one_or_none()
        if row is None or row.state != "pending":  # removed meanwhile, or a job that was repeated
            return
        answer = self._send(row)
        over = answer.final or attempt + 1 >= MAX_ATTEMPTS
        state = "pending" if not over else "failed" if answer.error else "delivered"
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE webhook_delivery SET state = :state, attempts = :attempts, http_status = :status,"
                    " error = :error, finished_at = CASE WHEN :over THEN now() END WHERE id = :id"
                ),
                {"id": delivery_id, "state": state, "attempts": attempt + 1, "over": over}
                | {"status": answer.status, "error": answer.error},
            )
        tell = log.info if state == "delivered" else log.warning
        tell("webhook told", webhook=row.name, delivery=delivery_id, outcome=state, status=answer.status)
        if not over:
            raise TemporaryDeliveryError(answer.error or "The webhook did not take it")

    def _send(self, row: Row[Any]) -> DeliveryResult:
        parts = urlsplit(row.url)
        if parts.scheme != "https" and not self.allow_private:
            return DeliveryResult(error="Only https is allowed; WEBHOOK_PRIVATE_ADDRESSES=true allows http too")
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        try:
            address = resolve_public_address(host, port, allow_private=self.allow_private, resolve=self.resolve)
        except AddressRefused as refused:
            return DeliveryResult(error=str(refused))
        # To the address that was checked: asked again, the name could answer otherwise.
        url = httpx.URL(row.url).copy_with(host=address)
        body = json.dumps(payload(row, self.public_url), ensure_ascii=False).encode()
        headers = signature_headers(row.secret, body, row.delivery_id, self.clock()) | {"host": parts.netloc}
        try:
            with httpx.Client(transport=self.transport, timeout=TIMEOUT, trust_env=False) as client:
                request = client.build_request(
                    "POST", url, content=body, headers=headers, extensions={"sni_hostname": host}
                )
                answer = client.send(request, stream=True, follow_redirects=False)
                answer.close()
        except httpx.HTTPError as error:
            return DeliveryResult(error=f"It could not be reached ({type(error).__name__})", final=False)
        return delivery_result(answer.status_code)


SELECT_DELIVERY = """
    SELECT delivery.id AS delivery_id, delivery.state, delivery.event, webhook.name, webhook.url, webhook.format,
           webhook.secret, alert.id AS alert_id, alert.kind, alert.subject, alert.message, alert.details,
           alert.raised_at, alert.ended_at
      FROM webhook_delivery AS delivery JOIN webhook ON webhook.id = webhook_id
      LEFT JOIN alert ON alert.id = alert_id
     WHERE delivery.id = :id AND webhook.enabled
"""


def delivery_result(status: int) -> DeliveryResult:
    """Whether a status means taken, refused for good, or not now."""
    if 200 <= status < 300:
        return DeliveryResult(status)
    if status in {408, 425, 429} or status >= 500:
        return DeliveryResult(status, f"It answered {status}", final=False)
    return DeliveryResult(status, f"It answered {status}; that is not repeated")


def payload(row: Any, public_url: str) -> dict[str, Any]:
    """What is sent: the alert as data, or as the text that Slack and its kin show."""
    if row.event == "test":
        title, message = "Test", "Almanac can reach this webhook."
    else:
        title, message = RULE_KINDS[row.kind].title, row.message
    if row.event == "ended":
        message = f"Over: {message}"
    if row.format == "slack":
        return {"text": f"*{_escape_slack(title)}*: {_escape_slack(message)}"}
    alert = None
    if row.alert_id is not None:
        moments = {name: value.isoformat() if (value := getattr(row, name)) else None for name in TIMESTAMP_FIELDS}
        alert = {"id": row.alert_id, "kind": row.kind, "subject": row.subject, "details": row.details} | moments
    return {"event": row.event, "title": title, "message": message, "alert": alert, "from": public_url}


TIMESTAMP_FIELDS = ("raised_at", "ended_at")


def _escape_slack(told: str) -> str:
    """Names and licences are strangers' text: nothing in them may become a link or a call to everybody."""
    return told.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def signature_headers(secret: str, body: bytes, delivery_id: int, now: datetime) -> dict[str, str]:
    """Headers by which a receiver knows that it was us, when, and whether it has had this one already.

    The signature is HMAC-SHA256 of timestamp, a dot and the body, under the key shown when the webhook was made.
    """
    stamp = str(int(now.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "user-agent": "Almanac",
        "x-almanac-delivery": str(delivery_id),
        "x-almanac-timestamp": stamp,
        "x-almanac-signature": f"sha256={digest}",
    }
