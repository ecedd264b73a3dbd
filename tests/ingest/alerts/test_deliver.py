"""Webhook deliveries are signed, sent to checked addresses, retried where it helps, and never reveal a secret."""

import contextlib
import hashlib
import hmac
import json
import socket
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import structlog
from sqlalchemy import text

from core.alerts import rules
from core.errors import BadInput, Conflict
from ingest.alerts.deliver import MAX_ATTEMPTS, TemporaryDeliveryError, WebhookSender, fail_orphaned_deliveries

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class WebhookReceiver:
    """Store received requests and respond with *status*."""

    def __init__(self):
        self.status, self.received = 200, []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append((self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/s3cret-path"


@pytest.fixture
def receiver():
    receiver = WebhookReceiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def sender(committing_database):
    return WebhookSender(committing_database, lambda: NOW, allow_private=True, public_url="http://almanac.example")


@pytest.fixture
def deliver(sender, committing_database):
    """`deliver(url, form)` adds a webhook and an alert, attempts delivery and returns the delivery row."""

    def delivered(url, form="json", *, attempt=0, message="octo/<b>site</b> was archived"):
        with committing_database.begin() as connection:
            webhook_id, secret = rules.add_webhook(connection, f"hook {attempt}", url, form, "ada")
            rule_id = connection.scalar(text("SELECT id FROM alert_rule WHERE kind = 'archived'"))
            alert_id = connection.execute(
                text(
                    "INSERT INTO alert (rule_id, kind, subject, message, raised_at, ended_at)"
                    " VALUES (:rule, 'archived', 'octo/site', :message, :now, :now) RETURNING id"
                ),
                {"rule": rule_id, "now": NOW, "message": message},
            ).scalar_one()
            delivery_id = connection.execute(
                text("INSERT INTO webhook_delivery (webhook_id, alert_id) VALUES (:w, :a) RETURNING id"),
                {"w": webhook_id, "a": alert_id},
            ).scalar_one()
        with contextlib.suppress(TemporaryDeliveryError):
            sender.deliver(delivery_id, attempt)
        return secret, delivery_id, delivery_row(committing_database, delivery_id)

    return delivered


def delivery_row(engine, delivery_id):
    with engine.begin() as connection:
        return connection.execute(
            text("SELECT state, attempts, http_status, error FROM webhook_delivery WHERE id = :id"), {"id": delivery_id}
        ).one()


def test_a_url_that_no_request_can_use_fails_for_good_at_the_given_time(deliver, committing_database):
    """Its parser is stricter than the one that checks what a person enters."""
    _, delivery_id, row = deliver("https://999.1.1.1/hook")
    assert row == ("failed", 1, None, "Its URL is not valid")
    with committing_database.begin() as connection:
        finished_at = text("SELECT finished_at FROM webhook_delivery WHERE id = :id")
        assert connection.scalar(finished_at, {"id": delivery_id}) == NOW


def test_an_alert_is_delivered_as_json_with_a_valid_signature(deliver, receiver):
    secret, delivery_id, row = deliver(receiver.url)
    assert row == ("delivered", 1, 200, None)
    ((_, headers, body),) = receiver.received
    stamp = headers["x-almanac-timestamp"]
    expected = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["x-almanac-signature"] == f"sha256={expected}"
    assert headers["x-almanac-delivery"] == str(delivery_id)
    assert headers["host"] == receiver.url.split("/")[2]
    payload = json.loads(body)
    assert (payload["event"], payload["alert"]["kind"], payload["alert"]["subject"]) == (
        "raised",
        "archived",
        "octo/site",
    )
    assert payload["alert"]["raised_at"] == "2026-11-23T12:00:00+00:00"


def test_slack_text_is_literal(deliver, receiver):
    deliver(receiver.url, "slack", message="octo/x changed to <!channel> & more")
    assert json.loads(receiver.received[0][2]) == {
        "text": "Archived: octo/x changed to &lt;!channel&gt; &amp; more",
        "mrkdwn": False,
    }


class DrippingReceiver:
    """Accept one connection and send a header line now and then, for ever."""

    def __init__(self, first: bytes):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/hook"
        self.lines = 0
        self.hung_up = threading.Event()
        threading.Thread(target=self.drip, args=(first,), daemon=True).start()

    def drip(self, first):
        connection, _ = self.listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(first)
            while not self.hung_up.wait(0.02):
                connection.sendall(b"x: y\r\n")
                self.lines += 1
        self.hung_up.set()


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_receiver_that_drips_is_left_and_tried_again(deliver, sender, first):
    """Each read ends in time; only the limit of the whole exchange ends the delivery."""
    assert sender.exchange_seconds == 15
    sender.exchange_seconds = 2
    dripping = DrippingReceiver(first)
    _, _, row = deliver(dripping.url)
    assert row == ("pending", 1, None, "It did not respond within 2 s")
    assert dripping.lines > 1
    assert dripping.hung_up.wait(60)  # the connection is closed
    dripping.listener.close()


def test_a_name_that_nobody_answers_for_is_left_and_tried_again(deliver, sender, receiver):
    """The lookup counts within the limit, and no thread of a lookup is waited for."""
    answered, asked = threading.Event(), threading.Event()

    def resolve(_host, _port):
        asked.set()
        answered.wait(60)
        return [(None, None, None, "", ("127.0.0.1", 0))]

    sender.resolve, sender.exchange_seconds = resolve, 0.2
    _, _, row = deliver(receiver.url)
    assert asked.is_set()
    assert not answered.is_set()
    assert row == ("pending", 1, None, "It did not respond within 0.2 s")
    answered.set()
    assert receiver.received == []


def test_a_name_without_an_address_is_tried_again(deliver, sender):
    def resolve(_host, _port):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    sender.resolve = resolve
    _, _, row = deliver("https://hooks.example/x")
    assert row == ("pending", 1, None, "The webhook's host name cannot be resolved")


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_temporary_failure_is_retried(deliver, receiver, status):
    receiver.status = status
    _, _, row = deliver(receiver.url)
    assert (row.state, row.attempts, row.http_status) == ("pending", 1, status)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
def test_permanent_failures_and_redirects_are_not_retried(deliver, receiver, status):
    receiver.status = status
    _, _, row = deliver(receiver.url)
    assert (row.state, row.http_status) == ("failed", status)
    assert len(receiver.received) == 1


def test_the_last_attempt_fails_the_delivery(deliver, receiver):
    receiver.status = 500
    _, _, row = deliver(receiver.url, attempt=MAX_ATTEMPTS - 1)
    assert (row.state, row.attempts) == ("failed", MAX_ATTEMPTS)


def test_an_unreachable_receiver_is_retried(deliver, receiver):
    receiver.server.server_close()
    _, _, row = deliver(receiver.url)
    assert row.state == "pending"
    assert "could not be reached" in row.error


def test_a_repeated_job_sends_nothing_twice(deliver, receiver, sender):
    _, delivery_id, _ = deliver(receiver.url)
    sender.deliver(delivery_id, 1)
    assert len(receiver.received) == 1


def test_a_delivery_to_a_webhook_that_was_switched_off_since_fails(deliver, receiver, sender, committing_database):
    receiver.status = 500
    _, delivery_id, row = deliver(receiver.url)
    assert row.state == "pending"
    with committing_database.begin() as connection:
        connection.execute(text("UPDATE webhook SET enabled = false"))
    sender.deliver(delivery_id, 1)
    assert delivery_row(committing_database, delivery_id) == ("failed", 2, None, "The webhook was switched off")
    assert len(receiver.received) == 1


def test_a_delivery_whose_job_ended_otherwise_fails(committing_database, receiver):
    """Of four, two jobs are queued or running; one failed in its last attempt, one was deleted."""
    with committing_database.begin() as connection:
        webhook_id, _ = rules.add_webhook(connection, "team", receiver.url, "json", "ada")
        ids = [rules.enqueue_test_delivery(connection, webhook_id) for _ in range(4)]
        for delivery_id, status in zip(ids[1:], ("doing", "failed", ""), strict=True):
            change = (
                f"UPDATE procrastinate_jobs SET status = '{status}'" if status else "DELETE FROM procrastinate_jobs"
            )
            connection.execute(text(f"{change} WHERE lock = 'deliver:{delivery_id}'"))
        assert fail_orphaned_deliveries(connection, NOW) == 2
        assert fail_orphaned_deliveries(connection, NOW) == 0
    states = [delivery_row(committing_database, delivery_id).state for delivery_id in ids]
    assert states == ["pending", "pending", "failed", "failed"]


def test_nothing_is_sent_to_a_private_address_by_default(deliver, receiver, sender):
    sender.allow_private = False
    _, _, row = deliver(receiver.url.replace("http:", "https:"))
    assert row.state == "failed"
    assert "private network" in row.error
    assert receiver.received == []


def test_nothing_is_sent_without_https_by_default(deliver, receiver, sender):
    sender.allow_private = False
    _, _, row = deliver(receiver.url)
    assert (row.state, receiver.received) == ("failed", [])


def test_neither_url_nor_secret_is_in_logs_or_errors(deliver, receiver):
    receiver.status = 500
    with structlog.testing.capture_logs() as logs:
        secret, _, row = deliver(receiver.url)
    output = f"{logs} {row.error}"
    assert "s3cret-path" not in output
    assert secret not in output


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x.example", "https:///path", "https://user:pass@x.example/", "https://x y", "https://[", "x" * 3000],
)
def test_an_invalid_url_is_refused_without_echoing_it(database, url):
    with pytest.raises(BadInput) as refused:
        rules.add_webhook(database, "hook", url, "json", "ada")
    assert not url or url not in str(refused.value)


def test_webhook_names_are_unique(database):
    rules.add_webhook(database, "team", "https://x.example/1", "json", "ada")
    with pytest.raises(Conflict):
        rules.add_webhook(database, "team", "https://x.example/2", "json", "ada")


def test_a_test_delivery_sends_a_test_event(committing_database, receiver, sender):
    with committing_database.begin() as connection:
        webhook_id, _ = rules.add_webhook(connection, "team", receiver.url, "json", "ada")
        delivery_id = rules.enqueue_test_delivery(connection, webhook_id)
    sender.deliver(delivery_id)
    payload = json.loads(receiver.received[0][2])
    assert (payload["event"], payload["alert"]) == ("test", None)
