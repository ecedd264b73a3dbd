"""Alerts, rules and webhooks as pages read them, without secrets."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select

from core.alerts import rules as changes
from core.db import schema
from core.queries import alerts
from tests.seed_data import add_account, utc

NOW = utc("2026-11-23 12:00")


def add_alert(database: Connection, kind: str, subject: str, *, hours_ago: int = 1, over: bool = True, **more: object):
    rule = database.scalar(select(schema.alert_rule.c.id).where(schema.alert_rule.c.kind == kind))
    at = NOW - timedelta(hours=hours_ago)
    database.execute(
        insert(schema.alert).values(
            rule_id=rule, kind=kind, subject=subject, message=subject, raised_at=at, ended_at=at if over else None,
            **more,
        )
    )  # fmt: skip


def test_active_alerts_are_listed_oldest_first(database):
    add_alert(database, "budget_short", "young", hours_ago=1, over=False)
    add_alert(database, "freshness_missed", "old", hours_ago=9, over=False)
    add_alert(database, "archived", "past")
    assert list(alerts.active_alerts()["subject"]) == ["old", "young"]
    assert alerts.latest_raised_at() == NOW - timedelta(hours=1)


def test_the_newest_alerts_come_first_as_many_as_asked_for(database):
    octo = add_account(database, "octo")
    for number in range(5):
        add_alert(database, "archived", f"octo/{number}", account_id=octo)
    assert list(alerts.list_alerts(limit=2)["subject"]) == ["octo/4", "octo/3"]


def test_kinds_and_account_combine_and_wildcards_are_literal(database):
    add_alert(database, "archived", "a", account_id=add_account(database, "octo"))
    add_alert(database, "relicensed", "b", account_id=add_account(database, "octo"))
    add_alert(database, "archived", "c", account_id=add_account(database, "cat"))
    assert list(alerts.list_alerts(["archived"], "OCTO")["subject"]) == ["a"]
    assert alerts.list_alerts(login="%").empty


def test_rules_have_the_number_of_their_alerts(database):
    add_alert(database, "archived", "a")
    found = alerts.rules().set_index("kind")
    assert found.loc["archived", ["raised", "last_at"]].tolist() == [1, NOW - timedelta(hours=1)]
    assert found.loc["stars_jumped", "settings"] == {"gained": 100, "share": 0.05, "days": 1}
    changes.add_rule(database, "archived", {}, "boss", add_account(database, "octo"))
    assert alerts.rules()["account"].iloc[-1] == "octo"


def test_without_alerts_there_is_no_latest_one(database):
    assert alerts.latest_raised_at() is None
    assert alerts.active_alerts().empty


def test_a_webhook_is_listed_without_url_and_key(database):
    webhook, key = changes.add_webhook(database, "chat", "https://hooks.example.com:8443/T0/secret?x=1", "json", "boss")
    changes.enqueue_test_delivery(database, webhook)
    found = alerts.webhooks(datetime.now(UTC))
    assert found.loc[0, ["host", "kinds", "pending", "last_state"]].tolist() == [
        "hooks.example.com",
        None,
        1,
        "pending",
    ]
    assert not {"url", "secret"} & set(found.columns)
    assert key not in found.to_csv() + str(found.attrs)
    assert "T0" not in found.to_csv() + str(found.attrs)


def test_deliveries_come_newest_first(database):
    webhook, _ = changes.add_webhook(database, "chat", "https://example.com", "json", "boss", ["archived"])
    first, second = (changes.enqueue_test_delivery(database, webhook) for _ in range(2))
    assert alerts.webhooks(datetime.now(UTC)).loc[0, "kinds"] == ["archived"]
    assert list(alerts.deliveries(webhook)["id"]) == [second, first]
    assert alerts.delivery(first).state == "pending"
    assert alerts.delivery(10**12) is None
