"""The Alerts page: alerts for everyone, rules and webhooks for admins."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import streamlit as st
from sqlalchemy import insert, select, text
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from core.alerts import rules as alert_rules
from core.db import schema
from core.errors import BadInput, Conflict, Forbidden
from pages.sections import alert_rules as sections_alert_rules
from pages.sections import webhooks
from tests.pages.page_file import run_page_file
from tests.pages.wording import page_text

run_page = partial(run_page_file, "alerts")
SECRET_PATH = "T0000/B0000/verysecret"


@pytest.fixture
def page(person: Callable[..., object], browser) -> Callable[..., AppTest]:
    """Open the page by itself as an admin: `page(kind="Archived")`."""
    browser.sign_in(person("boss", role="admin"))
    return run_page


def rule_id(database, kind: str) -> int:
    return database.scalar(select(schema.alert_rule.c.id).where(schema.alert_rule.c.kind == kind))


def add_alert(database, kind: str, message: str, *, hours_ago: float = 1, ended: bool = True, **values: object) -> None:
    at = datetime.now(UTC) - timedelta(hours=hours_ago)
    database.execute(
        insert(schema.alert).values(
            rule_id=rule_id(database, kind),
            kind=kind,
            subject=message,
            message=message,
            raised_at=at,
            ended_at=at if ended else None,
            **values,
        )
    )


def add_webhook(database, name: str = "chat", **values: object) -> int:
    webhook_id, _ = alert_rules.add_webhook(database, name, f"https://hooks.example.com/{SECRET_PATH}", "slack", "boss")
    if values:
        database.execute(schema.webhook.update().where(schema.webhook.c.id == webhook_id).values(**values))
    return webhook_id


def audit_entries(database, action: str) -> list[tuple[str, str]]:
    found = database.execute(
        text("SELECT target, details ->> 'did' FROM audit_event WHERE action = :action ORDER BY id"), {"action": action}
    )
    return [tuple(row) for row in found]


def press(shown: AppTest, key: str) -> AppTest:
    return shown.button(key=key).click().run()


def account_field(shown: AppTest) -> TextInput:
    """Return the field of the account that a new rule is about."""
    (field,) = [one for one in shown.text_input if str(one.key).startswith("new-rule-of")]
    return field


def submit(shown: AppTest, label: str, form: str) -> AppTest:
    (button,) = [one for one in shown.button if one.label == label and one.form_id.startswith(form)]
    return button.click().run()


def test_a_page_without_alerts_says_so(reader, database):
    shown = run_page()
    assert not shown.exception
    assert "No active alerts" in page_text(shown)
    assert "No alert has been raised yet" in page_text(shown)


def test_active_alerts_come_first_with_their_age(reader, database):
    add_alert(database, "budget_short", "12 of 5,000 are left of octo graphql", hours_ago=3, ended=False)
    add_alert(database, "archived", "octo/cat was archived")
    content = page_text(run_page())
    assert "1 active alert" in content
    assert "12 of 5,000 are left of octo graphql" in content
    assert "3 h ago" in content


def test_names_from_outside_do_not_become_markdown(reader, database):
    add_alert(database, "ingestion_failing", "[a](https://evil.example) **b**", ended=False)
    assert "[a](https://evil.example)" not in page_text(run_page())


def test_filters_are_in_the_url_and_combine(reader, database):
    account = database.scalar(insert(schema.account).values(login="octo").returning(schema.account.c.id))
    add_alert(database, "archived", "octo/cat was archived", account_id=account)
    add_alert(database, "archived", "elsewhere/cat was archived")
    add_alert(database, "relicensed", "octo/cat changed its licence", account_id=account)
    assert list(run_page().dataframe[0].value["what"]) == ["Licence changed", "Archived", "Archived"]
    assert run_page(kind="archived").dataframe[0].value["message"].iloc[0] == "elsewhere/cat was archived"
    assert list(run_page(kind="Archived", of="OCTO").dataframe[0].value["account"]) == ["octo"]
    assert "No alert matches" in page_text(run_page(of="nobody"))
    assert "`kind=Moons`" in page_text(run_page(kind="Moons"))


def test_an_analyst_reads_rules_and_changes_nothing(reader, database):
    add_webhook(database)
    shown = run_page(rule=str(rule_id(database, "stars_jumped")))
    assert "A repository gains 100 stars and 5\N{NO-BREAK SPACE}% within a day" in list(
        shown.dataframe[0].value["condition"]
    )
    assert "Admins manage" in page_text(shown)
    assert not shown.button
    assert "example.com" not in page_text(shown)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sections_alert_rules.save_rule(1, {}, True),
        lambda: sections_alert_rules.create_rule("archived", {}, ""),
        lambda: sections_alert_rules.remove_rule(1),
        lambda: webhooks.create_webhook("chat", "https://example.com", "json", []),
        lambda: webhooks.send_test(1),
        lambda: webhooks.set_enabled(1, False),
        lambda: webhooks.remove_webhook(1),
    ],
)
def test_each_change_checks_the_role_again(reader, call):
    """The reader of an open page may have lost the admin role."""
    st.session_state.clear()  # without a page all tests share one
    with pytest.raises(Forbidden):
        call()


def test_a_changed_threshold_is_audited(page, database):
    jumped = rule_id(database, "stars_jumped")
    shown = page(rule=str(jumped))
    shown.number_input(key=f"rule-{jumped}-gained").set_value(500)
    shown.number_input(key=f"rule-{jumped}-share").set_value(20.0)
    submit(shown, "Save", f"rule-{jumped}")
    stored = database.scalar(select(schema.alert_rule.c.settings).where(schema.alert_rule.c.id == jumped))
    assert stored == {"gained": 500, "share": 0.2, "days": 1}
    assert audit_entries(database, "alert_rule_changed") == [("stars_jumped", "changed")]


def test_a_rule_is_switched_off(page, database):
    missed = rule_id(database, "freshness_missed")
    shown = page(rule=str(missed))
    shown.toggle(key=f"rule-on-{missed}").set_value(False)
    shown = submit(shown, "Save", f"rule-{missed}")
    assert not shown.exception
    assert "Saved" in page_text(shown)
    assert audit_entries(database, "alert_rule_changed") == [("freshness_missed", "switched off")]


def test_an_invalid_threshold_is_refused_with_a_sentence(page, database):
    short = rule_id(database, "budget_short")
    shown = page(rule=str(short))
    shown.number_input(key=f"rule-{short}-share").set_value(0.0)
    shown = submit(shown, "Save", f"rule-{short}")
    assert not shown.exception
    assert "These settings are invalid" in page_text(shown)


def test_a_rule_is_added_for_one_account(page, database):
    database.execute(insert(schema.account).values(login="octo"))
    shown = page()
    shown.selectbox(key="new-rule-kind").select("Archived").run()
    account_field(shown).set_value("https://github.com/octo")
    shown = submit(shown, "Add", "new-rule")
    assert account_field(shown).value == ""
    assert "Rule Archived added" in page_text(shown)
    assert list(shown.dataframe[0].value["account"])[-1] == "octo"
    assert audit_entries(database, "alert_rule_changed") == [("archived", "added")]


def test_the_same_rule_is_added_once(page, database):
    """A second one, as by a double click, would raise each alert twice."""
    for sentence in ("Rule Stars jumped added", "The same rule exists already"):
        shown = page()
        shown.number_input(key="new-stars_jumped-gained").set_value(7)
        assert sentence in page_text(submit(shown, "Add", "new-rule"))
    assert audit_entries(database, "alert_rule_changed") == [("stars_jumped", "added")]


def test_a_rule_is_not_changed_into_another_one(page, database):
    added = alert_rules.add_rule(database, "stars_jumped", {"gained": 7}, "boss")
    with pytest.raises(Conflict, match="The same rule exists already"):
        alert_rules.change_rule(database, added, {"gained": 100}, enabled=True)
    alert_rules.change_rule(database, added, {"gained": 7}, enabled=False)


def test_the_question_before_a_deletion_counts_its_alerts():
    assert sections_alert_rules.removal_sentence("Archived", 0) == "Delete **Archived**? It has raised no alert."
    one = "Delete **Archived**? The 1 alert it raised is deleted too."
    assert sections_alert_rules.removal_sentence("Archived", 1) == one


def test_a_url_that_is_too_long_is_called_that(database):
    with pytest.raises(BadInput, match="at most 2,000 characters"):
        alert_rules.validated_webhook_url("https://example.com/" + "a" * 5_000)


def test_who_is_not_known_cannot_be_watched(page):
    shown = page()
    account_field(shown).set_value("nobody-here")
    shown = submit(shown, "Add", "new-rule")
    assert "is not stored" in page_text(shown)
    assert account_field(shown).value == "nobody-here"


def test_a_state_rule_covers_all_accounts(page, database):
    shown = page()
    shown.selectbox(key="new-rule-kind").select("Budget short").run()
    assert not [one for one in shown.text_input if str(one.key).startswith("new-rule-of")]
    account = database.scalar(insert(schema.account).values(login="octo").returning(schema.account.c.id))
    with pytest.raises(BadInput, match="all accounts together"):
        alert_rules.add_rule(database, "budget_short", {}, "boss", account)


def test_a_deleted_rule_takes_its_alerts_with_it(page, database):
    archived = rule_id(database, "archived")
    add_alert(database, "archived", "octo/cat was archived")
    press(page(rule=str(archived)), "rule-remove")
    assert rule_id(database, "archived") == archived
    AppTest.from_string(
        f"from pages.sections import alert_rules\nalert_rules.remove_rule({archived})", default_timeout=60
    ).run()
    assert rule_id(database, "archived") is None
    assert audit_entries(database, "alert_rule_changed") == [("archived", "removed")]


def test_a_change_that_met_a_conflict_is_repeated(page, database, meet_conflict):
    """A deadlock with the rules' evaluation or with what moves rows on Citus: each change is stored once."""
    st.session_state.clear()  # without a page all tests share one
    meet_conflict()
    sections_alert_rules.create_rule("stars_jumped", {"gained": 7}, "")
    added = database.scalar(select(schema.alert_rule.c.id).where(schema.alert_rule.c.created_by == "boss"))
    meet_conflict()
    sections_alert_rules.save_rule(added, {"gained": 7}, False)
    meet_conflict()
    sections_alert_rules.remove_rule(added)
    assert audit_entries(database, "alert_rule_changed") == [
        ("stars_jumped", "added"),
        ("stars_jumped", "switched off"),
        ("stars_jumped", "removed"),
    ]


def test_a_webhook_is_added_and_its_key_shown_once(page, database):
    shown = page()
    name, url = [one for one in shown.text_input if one.form_id.startswith("new-webhook")]
    name.set_value("chat")
    url.set_value(f"https://hooks.example.com/{SECRET_PATH}")
    shown = submit(shown, "Add", "new-webhook")
    assert not shown.exception
    key = database.scalar(select(schema.webhook.c.secret))
    assert shown.code[0].value == key
    assert "HMAC-SHA256" in page_text(shown)
    shown = press(shown, "webhook-key-copied")
    assert not shown.code
    assert audit_entries(database, "webhook_changed") == [("chat", "added")]
    audited = str(database.execute(text("SELECT details FROM audit_event")).all())
    assert key not in audited
    assert SECRET_PATH not in audited


def test_a_url_without_https_is_refused_where_nothing_would_be_sent_to_it(page, database):
    shown = page()
    name, url = [one for one in shown.text_input if one.form_id.startswith("new-webhook")]
    name.set_value("chat")
    url.set_value("http://hooks.example.com/a")
    assert "A webhook URL must use https, unless" in page_text(submit(shown, "Add", "new-webhook"))
    assert database.scalar(select(schema.webhook.c.id)) is None


def test_only_the_host_of_a_url_is_shown(page, database):
    webhook_id = add_webhook(database)
    shown = page(webhook=str(webhook_id))
    everything = page_text(shown) + str([frame.value.to_csv() for frame in shown.dataframe])
    assert "hooks.example.com" in everything.replace("\\", "")
    assert SECRET_PATH not in everything
    assert database.scalar(select(schema.webhook.c.secret)) not in everything


@pytest.mark.parametrize("url", ["", "ftp://example.com", "https://ada:pw@example.com/", "https://"])
def test_an_invalid_url_is_refused_without_repeating_it(page, database, url):
    shown = page()
    name, field = [one for one in shown.text_input if one.form_id.startswith("new-webhook")]
    name.set_value("chat")
    field.set_value(url)
    shown = submit(shown, "Add", "new-webhook")
    assert "A webhook URL" in page_text(shown)
    assert database.scalar(select(schema.webhook.c.id)) is None


def test_a_test_delivery_is_queued_and_its_progress_shown(page, database):
    webhook_id = add_webhook(database)
    shown = press(page(webhook=str(webhook_id)), "webhook-test")
    assert "Waiting for a worker" in page_text(shown)
    assert database.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'deliver'")) == 1
    database.execute(schema.webhook_delivery.update().values(attempts=1, http_status=503, error="It answered 503"))
    assert "It answered 503; it is retried automatically" in page_text(shown.run())
    database.execute(schema.webhook_delivery.update().values(state="delivered", http_status=204, error=None))
    assert "Delivered: it responded with status 204" in page_text(shown.run())
    database.execute(schema.webhook_delivery.update().values(state="failed", error="It answered 410"))
    assert "Not delivered. It answered 410" in page_text(shown.run())
    assert audit_entries(database, "webhook_changed") == [("chat", "tested")]


def test_a_webhook_is_switched_off_and_removed(page, database):
    webhook_id = add_webhook(database, kinds=["archived"])
    shown = press(page(webhook=str(webhook_id)), "webhook-switch")
    assert "not notified" in page_text(shown)
    assert shown.button(key="webhook-test").disabled
    press(shown, "webhook-remove")
    AppTest.from_string(
        f"from pages.sections import webhooks\nwebhooks.remove_webhook({webhook_id})", default_timeout=60
    ).run()
    assert database.scalar(select(schema.webhook.c.id)) is None
    assert audit_entries(database, "webhook_changed") == [("chat", "switched off"), ("chat", "removed")]


def test_the_key_of_a_deleted_webhook_is_not_offered_for_copying(page, database):
    shown = page()
    name, url = [one for one in shown.text_input if one.form_id.startswith("new-webhook")]
    name.set_value("chat")
    url.set_value("https://hooks.example.com/a")
    shown = submit(shown, "Add", "new-webhook")
    key = database.scalar(select(schema.webhook.c.secret))
    assert key in [one.value for one in shown.code]
    database.execute(schema.webhook.delete())
    assert key not in [one.value for one in shown.run().code]


def test_a_webhook_deleted_meanwhile_is_a_sentence(page, database):
    webhook_id = add_webhook(database)
    shown = page(webhook=str(webhook_id))
    alert_rules.remove_webhook(database, webhook_id)
    assert "no longer exists" in page_text(press(shown, "webhook-test"))
