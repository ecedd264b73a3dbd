"""Alerts, alert rules and webhooks. Never cached: they change without an ingestion."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import pandas as pd
from pandas import DataFrame

from core.db.frames import first_record, first_value, read_frame

UNREADABLE_HOST = "unreadable"


@dataclass(frozen=True)
class Delivery:
    """The outcome of one webhook delivery.

    state        pending, delivered or failed
    attempts     requests sent so far
    http_status  of the last response; None without one
    error        why it failed, as a sentence
    """

    state: str
    attempts: int
    http_status: int | None
    error: str | None
    created_at: datetime


def active_alerts() -> DataFrame:
    """List alerts that have not ended, oldest first: id, kind, subject, message, raised_at (timestamp)."""
    sql = """
        SELECT id, kind, subject, message, raised_at FROM alert WHERE ended_at IS NULL ORDER BY raised_at, id
    """
    return read_frame(sql, fresh=True)


def raised_since(at: datetime, limit: int = 200) -> DataFrame:
    """List alerts raised after *at*, newest first: kind, subject, message, raised_at (timestamp)."""
    sql = """
        SELECT kind, subject, message, raised_at FROM alert
         WHERE raised_at > :at ORDER BY raised_at DESC, id DESC LIMIT :limit
    """
    return read_frame(sql, fresh=True, at=at, limit=limit)


def list_alerts(kinds: Sequence[str] = (), login: str = "", limit: int = 200) -> DataFrame:
    """List alerts, newest first, optionally of some kinds or of one account.

    id                             our own
    kind, subject, message         what happened to which account, repository or part
    account                        its login; null for an alert about the installation
    raised_at, ended_at            timestamps; an event ends when it is raised, a state when it is over, null until then
    """
    sql = """
        SELECT alert.id, alert.kind, subject, message, login AS account, raised_at, ended_at
          FROM alert
          LEFT JOIN account ON account.id = alert.account_id
         WHERE (CAST(:kinds AS text[]) = '{}' OR alert.kind = ANY(CAST(:kinds AS text[])))
           AND (:login = '' OR alert.account_id IN (SELECT id FROM account WHERE lower(login) = lower(:login)))
         ORDER BY alert.id DESC LIMIT :limit
    """
    return read_frame(sql, fresh=True, kinds=list(kinds), login=login, limit=limit)


def rules() -> DataFrame:
    """List alert rules: those for all tracked accounts first, then those for one account.

    id, kind, settings          settings as a mapping
    account                     login; null for all tracked accounts
    enabled, created_by
    raised, last_at             number of alerts raised, and when the last one was
    """
    sql = """
        SELECT rule.id, rule.kind, rule.settings::text AS settings, login AS account, enabled, created_by,
               count(alert.id) AS raised, max(raised_at) AS last_at
          FROM alert_rule AS rule
          LEFT JOIN account ON account.id = rule.account_id
          LEFT JOIN alert ON alert.rule_id = rule.id
         GROUP BY rule.id, login
         ORDER BY login IS NOT NULL, rule.id
    """
    found = read_frame(sql, fresh=True)
    return found.assign(settings=[json.loads(settings) for settings in found["settings"]])


def webhooks(now: datetime) -> DataFrame:
    """List the webhooks by name. URLs and signing keys are secrets: only `host` is returned.

    id, name, host, format, enabled, created_by
    kinds                       list; null for all
    delivered, failed, pending  deliveries of the last 30 days
    last_at, last_state         the newest of these deliveries
    """
    sql = """
        SELECT webhook.id, name, url, format, enabled, created_by,
               to_json(kinds)::text AS kinds,
               count(delivery.id) FILTER (WHERE state = 'delivered') AS delivered,
               count(delivery.id) FILTER (WHERE state = 'failed') AS failed,
               count(delivery.id) FILTER (WHERE state = 'pending') AS pending,
               max(delivery.created_at) AS last_at,
               (array_agg(state ORDER BY delivery.id DESC))[1] AS last_state
          FROM webhook
          LEFT JOIN webhook_delivery AS delivery
            ON webhook_id = webhook.id AND delivery.created_at > CAST(:now AS timestamptz) - interval '30 days'
         GROUP BY webhook.id
         ORDER BY lower(name)
    """
    found = read_frame(sql, fresh=True, now=now)
    kinds = pd.Series([None if pd.isna(value) else json.loads(value) for value in found["kinds"]], dtype=object)
    hidden = found.drop(columns="url").assign(kinds=kinds, host=[webhook_host(str(url)) for url in found["url"]])
    hidden.attrs = {}
    return hidden


def webhook_host(url: str) -> str:
    """Return the host of *url*, the only part that may be shown."""
    return urlsplit(url).hostname or UNREADABLE_HOST


def deliveries(webhook_id: int, limit: int = 20) -> DataFrame:
    """List the newest deliveries of a webhook, newest first.

    id, event                    raised, ended or test
    message                      of the alert; null for a test
    state, attempts, http_status   pending, delivered or failed; requests sent; status of the last response
    error                        why it failed, as a sentence
    created_at, finished_at      timestamps
    """
    sql = """
        SELECT delivery.id, event, message, state, attempts, http_status, error, created_at, finished_at
          FROM webhook_delivery AS delivery
          LEFT JOIN alert ON alert.id = alert_id
         WHERE webhook_id = :webhook_id ORDER BY delivery.id DESC LIMIT :limit
    """
    return read_frame(sql, fresh=True, webhook_id=webhook_id, limit=limit)


def delivery(delivery_id: int) -> Delivery | None:
    """Return one delivery; None when its webhook was deleted."""
    sql = "SELECT state, attempts, http_status, error, created_at FROM webhook_delivery WHERE id = :id"
    return first_record(read_frame(sql, fresh=True, id=delivery_id), Delivery)


def latest_raised_at() -> datetime | None:
    """Return when an alert was last raised; None before the first."""
    at: datetime | None = first_value(read_frame("SELECT max(raised_at) AS at FROM alert", fresh=True))
    return at
