"""Track requests: an account that is not tracked is requested, and its progress shown."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, text

from core.db import schema
from core.db.data_version import publish_data_version
from core.queue.lookups import Lookup, LookupResult, LookupStore, login_lookup_id
from core.settings import settings
from tests import seed_data
from tests.pages.wording import page_text


@pytest.fixture
def approval(monkeypatch):
    """Tracking requests of analysts need an admin's approval."""
    monkeypatch.setenv("TRACK_APPROVAL", "true")
    settings.cache_clear()


@pytest.fixture
def found(redis):
    """GitHub was asked about these logins and has their accounts."""
    for login in ("octo", "cat"):
        result = LookupResult(login, login=login, github_id=7)
        LookupStore(redis).put(Lookup(login_lookup_id(login), (login,), state="done", results=(result,)))


def press_track(open_page, login="octo"):
    """Open the page again after a click: in AppTest a rerun loses a login that is not among the options."""
    open_page("account", login=login).button(key="ask-for-it").click().run()
    return open_page("account", login=login)


def test_an_analyst_tracks_an_account_and_sees_its_progress(open_page, database, found):
    shown = open_page("account", login="octo")
    assert "not tracked" in page_text(shown)
    assert shown.button(key="ask-for-it").label == "Track it"
    shown = press_track(open_page)
    assert not shown.exception
    assert "waits for its first refresh. No worker is running" in page_text(shown)
    (account,) = database.scalars(select(schema.tracked_account.c.account_id))
    database.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    assert "is being fetched from GitHub" in page_text(open_page("account", login="octo"))
    seed_data.add_repository(database, "octo/cat", {f"{datetime.now(UTC):%Y-%m-%d}": 1234})
    database.execute(insert(schema.account_snapshot).values(account_id=account, captured_at=datetime.now(UTC), stars=1))
    publish_data_version(database)
    shown = open_page("account", login="octo")
    assert not shown.exception
    assert "Popularity" in page_text(shown)


def test_an_unknown_login_is_looked_up_before_it_is_tracked(open_page, database, redis):
    shown = press_track(open_page, "never-an-account")
    assert "is being checked at GitHub. No worker is running" in page_text(shown)
    assert not list(database.scalars(select(schema.account.c.id)))
    found = LookupResult("never-an-account", is_missing=True)
    LookupStore(redis).put(
        Lookup(login_lookup_id("never-an-account"), ("never-an-account",), state="done", results=(found,))
    )
    shown = open_page("account", login="never-an-account")
    assert "GitHub has no account called **never\\-an\\-account**." in page_text(shown)
    assert not list(database.scalars(select(schema.account.c.id)))


def test_a_login_renamed_before_we_saw_it_leads_to_its_present_one(open_page, database, redis):
    found = LookupResult("former", login="present", github_id=7)
    LookupStore(redis).put(Lookup(login_lookup_id("former"), ("former",), state="done", results=(found,)))
    assert "**former** is now called **present**." in page_text(open_page("account", login="former"))


def test_with_approval_the_request_waits_for_an_admin(approval, open_page, database, found):
    shown = open_page("account", login="octo")
    assert shown.button(key="ask-for-it").label == "Request tracking"
    shown = press_track(open_page)
    assert "once an admin has approved it" in page_text(shown)
    assert not [one for one in shown.button if one.key == "ask-for-it"]
    assert list(database.scalars(select(schema.tracking_request.c.login))) == ["octo"]
    assert not list(database.scalars(select(schema.tracked_account.c.account_id)))


def test_each_requested_repository_of_an_account_is_pending_by_itself(approval, open_page, database, found):
    """Of an account that is not tracked, and of one that is tracked for another repository."""
    account = seed_data.add_account(database, "octo", github_id=7, checked_at=datetime.now(UTC))
    for is_tracked in (False, True):
        if is_tracked:
            database.execute(insert(schema.tracked_account).values(account_id=account, only_repositories=["cat"]))
        first, second = (("dog", "cow"), ("bat", "ant"))[is_tracked]
        open_page("repository", name=f"octo/{first}").button(key="ask-for-it-alone").click().run()
        assert f"**octo/{first}** was requested" in page_text(open_page("repository", name=f"octo/{first}"))
        shown = open_page("repository", name=f"octo/{second}")
        assert "was requested" not in page_text(shown)
        shown.button(key="ask-for-it-alone").click().run()
        assert f"**octo/{second}** was requested" in page_text(open_page("repository", name=f"octo/{second}"))
    assert sorted(database.scalars(select(schema.tracking_request.c.repository))) == ["ant", "bat", "cow", "dog"]


def test_an_account_tracked_for_one_repository_can_be_requested_once(approval, open_page, database, found):
    account = seed_data.add_account(database, "octo", github_id=7, checked_at=datetime.now(UTC))
    database.execute(insert(schema.tracked_account).values(account_id=account, only_repositories=["cat"]))
    shown = press_track(open_page)
    assert "**octo** was requested" in page_text(shown)
    assert not [one for one in shown.button if one.key == "ask-for-it"]


def test_a_failed_first_refresh_shows_the_reason(open_page, database, found):
    press_track(open_page)
    account = database.scalar(select(schema.tracked_account.c.account_id))
    ingestion = database.scalar(select(schema.ingestion.c.id))
    run = database.scalar(
        insert(schema.ingest_run)
        .values(trigger="person", state="failed", ingestion_id=ingestion)
        .returning(schema.ingest_run.c.id)
    )
    database.execute(
        insert(schema.ingest_item).values(
            run_id=run,
            login="octo",
            account_id=account,
            state="failed",
            error_code="timeout",
            error="GitHub took too long",
        )
    )
    assert "could not be refreshed: GitHub took too long. It is retried" in page_text(
        open_page("account", login="octo")
    )
    database.execute(schema.account.update().values(gone_at=datetime.now(UTC), gone_reason="not found"))
    assert "GitHub has no account called" in page_text(open_page("account", login="octo"))


def test_too_many_requests_are_a_notice(open_page, database, monkeypatch, found):
    monkeypatch.setenv("LIMIT_TRACK", "1/minute")
    settings.cache_clear()
    press_track(open_page)
    shown = open_page("account", login="cat").button(key="ask-for-it").click().run()
    assert not shown.exception
    assert len(list(database.scalars(select(schema.tracked_account.c.account_id)))) == 1
    assert shown.warning


def test_an_empty_database_offers_to_track_an_account(open_page, database):
    shown = open_page()
    (field,) = [one for one in shown.text_input if one.form_id == "ask-for"]
    field.set_value("not a login")
    (button,) = [one for one in shown.button if one.form_id == "ask-for"]
    assert "not a GitHub login" in page_text(button.click().run())


def test_the_overview_links_to_active_alerts(open_page, database):
    seed_data.add_repository(database, "octo/cat", {f"{datetime.now(UTC):%Y-%m-%d}": 1234})
    rule = database.scalar(select(schema.alert_rule.c.id).where(schema.alert_rule.c.kind == "budget_short"))
    shown = open_page()
    assert not shown.exception
    database.execute(
        insert(schema.alert).values(
            rule_id=rule, kind="budget_short", subject="octo", message="little is left", raised_at=datetime.now(UTC)
        )
    )
    links = [one.proto.label for one in open_page().get("page_link")]
    assert "1 active alert: Budget short" in links
