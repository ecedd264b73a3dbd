"""The Ingestion page: what runs, what became of what ran, and how fresh all of it is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import OperationalError
from streamlit.testing.v1 import AppTest

from core.budget import refused_tokens, shared_state
from core.budget.shared_state import RateBudgetBucket, RateBudgetSummary
from core.db import schema
from core.errors import Forbidden
from core.queries import ingestions as asked_for
from core.queue import ingestions
from core.queue.jobs import JobOrigin
from core.settings import settings
from pages.sections import ingestion_list, running_ingestions
from pages.sections.account_outcome import outcome_sentence
from tests.pages.wording import page_text

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "ingestion.py")
NOW = datetime.now(UTC)


@pytest.fixture
def admin(person: Callable[..., object], browser) -> None:
    """An admin is signed in."""
    st.session_state.clear()  # without a page all tests share one
    browser.sign_in(person("boss", role="admin"))


@pytest.fixture
def page(admin: None, redis) -> Callable[..., AppTest]:
    """`page(ingestion="7")`: the page by itself as an admin sees it."""
    return run_page_file


def run_page_file(**parameters: str) -> AppTest:
    shown = AppTest.from_file(PAGE, default_timeout=60)
    for name, value in parameters.items():
        shown.query_params[name] = value
    return shown.run()


@dataclass
class IngestionRows:
    """Rows as web process and workers leave them."""

    database: Connection

    def track(self, *logins: str, due: bool = True) -> list[int]:
        at = NOW - timedelta(minutes=1) if due else NOW + timedelta(hours=1)
        ids = []
        for login in logins:
            ids.append(self.database.scalar(insert(schema.account).values(login=login).returning(schema.account.c.id)))
            self.database.execute(insert(schema.tracked_account).values(account_id=ids[-1], due_at=at))
        return ids

    def start(self, ids: list[int], trigger: str = "person", by: str | None = "ada") -> int:
        started = ingestions.start(self.database, ids, JobOrigin(trigger, by, "req-1"), NOW)
        assert started is not None
        return started.id

    def work(self) -> None:
        """A worker has everything in hand."""
        self.database.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))
        self.database.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))

    def run(self, ingestion_id: int, state: str = "running", **values: object) -> int:
        given = {"trigger": "person", "state": state, "ingestion_id": ingestion_id, **values}
        return self.database.scalar(insert(schema.ingest_run).values(**given).returning(schema.ingest_run.c.id))

    def item(self, run_id: int, login: str, state: str = "stored", **values: object) -> None:
        account = self.database.scalar(text("SELECT id FROM account WHERE login = :login"), {"login": login})
        given = {"repositories": 3, "rows_written": 12, "finished_at": datetime.now(UTC), **values}
        self.database.execute(
            insert(schema.ingest_item).values(run_id=run_id, account_id=account, login=login, state=state, **given)
        )

    def finish_all(self) -> None:
        self.database.execute(text("UPDATE procrastinate_jobs SET status = 'succeeded'"))
        self.database.execute(text("UPDATE ingest_run SET finished_at = now(), state = 'done'"))
        self.database.execute(text("UPDATE tracked_account SET queued_at = NULL, job_id = NULL"))


@pytest.fixture
def cockpit(database: Connection) -> IngestionRows:
    return IngestionRows(database)


def raising(error: Exception) -> Callable[..., object]:
    def refuses(*_: object, **__: object) -> object:
        raise error

    return refuses


# Who may ----------------------------------------------------------------------------------------------------------


def test_an_analyst_sees_nothing_of_it(reader, cockpit):
    cockpit.track("octo")
    shown = run_page_file()
    assert not shown.dataframe
    assert not shown.button
    assert not shown.metric


@pytest.mark.parametrize(
    "call",
    [
        lambda: running_ingestions.start_ingestion([1]),
        lambda: running_ingestions.start_for_login("octo"),
        lambda: running_ingestions.cancel_ingestion(1),
    ],
)
def test_each_change_asks_again_who_wants_it(reader, call):
    """A page may have stood open while its reader stopped being an admin."""
    st.session_state.clear()
    with pytest.raises(Forbidden):
        call()


# Starting ---------------------------------------------------------------------------------------------------------


def test_nothing_tracked_is_no_failure(page):
    shown = page()
    assert not shown.exception
    assert not shown.error
    said = page_text(shown)
    assert "No worker is alive: start one" in said
    assert "no scheduler leads" in said
    assert "Nothing is tracked, so nothing can be fresh" in said
    assert shown.button(key="all-due").disabled


def test_all_that_is_due_is_started_once(page, cockpit, database):
    cockpit.track("octo", "cat")
    cockpit.track("later", due=False)
    shown = page()
    assert shown.button(key="all-due").label == "Refresh 2 due"
    assert "requests" in page_text(shown)
    shown = shown.button(key="all-due").click().run()
    assert not shown.exception
    assert "has begun with 2 accounts" in page_text(shown)
    assert shown.button(key="all-due").disabled
    assert database.scalar(text("SELECT accounts FROM ingestion")) == 2
    trail = database.execute(text("SELECT action, actor FROM audit_event WHERE actor = 'boss'"))
    assert [tuple(row) for row in trail] == [("ingestion_started", "boss")]


def test_one_account_is_started_and_asked_for_twice_it_is_one(page, cockpit, database):
    cockpit.track("octo", due=False)
    shown = page()
    for said in ("has begun with 1 account", "has these accounts already"):
        shown.text_input(key="one-login").set_value("https://github.com/octo")
        (button,) = [one for one in shown.button if one.form_id == "one-form"]
        shown = button.click().run()
        assert said in page_text(shown)
    assert database.scalar(text("SELECT count(*) FROM ingestion")) == 1


@pytest.mark.parametrize(
    ("given", "said"), [("nobody", "not known here"), ("-bad-", "no GitHub login"), ("", "missing")]
)
def test_who_cannot_be_refreshed_is_a_sentence(page, given, said):
    shown = page()
    shown.text_input(key="one-login").set_value(given)
    (button,) = [one for one in shown.button if one.form_id == "one-form"]
    shown = button.click().run()
    assert not shown.exception
    assert said in page_text(shown)


# While it runs ----------------------------------------------------------------------------------------------------


def test_what_waits_for_a_worker_says_so(page, cockpit):
    cockpit.start(cockpit.track("octo"))
    said = page_text(page())
    assert "asked for by ada · queued" in said
    assert "No worker is alive: these jobs wait" in said


def test_progress_errors_and_what_is_in_hand_are_told_as_they_come(page, cockpit):
    started = cockpit.start(cockpit.track("octo", "cat", "dog"))
    cockpit.work()
    run = cockpit.run(started, requests=20, points=3, not_modified=5, rows_written=12)
    assert "Being asked for: octo, cat, dog" in page_text(page())
    cockpit.item(run, "octo")
    cockpit.item(run, "cat", "failed", error_code="timeout", error="GitHub took too long")
    shown = page()
    said = page_text(shown)
    assert "running" in said
    assert "20 requests · 3 points · 25\N{NO-BREAK SPACE}% answered 304 · 12 rows" in said
    assert "1 failed" in said
    assert "failed: GitHub took too long" in said
    assert "stored, 3 repositories, 12 rows written" in said
    assert "Being asked for: dog …" in said
    (bar,) = [one for one in shown.get("progress") if "of 3" in one.proto.text]
    assert (bar.proto.value, bar.proto.text) == (66, "2 of 3 accounts")


def test_what_waits_for_a_full_budget_says_until_when(page, cockpit, database, monkeypatch):
    cockpit.start(cockpit.track("octo"))
    later = NOW + timedelta(minutes=30)
    database.execute(text("UPDATE procrastinate_jobs SET scheduled_at = :at"), {"at": later})
    assert f"The rest goes on at {later:%H:%M:%S} UTC" in page_text(page())
    seen = RateBudgetSummary((), 0, NOW + timedelta(minutes=5))
    monkeypatch.setattr(shared_state, "load_rate_budget", lambda *_: seen)
    assert f"nothing is asked before {seen.paused_until:%H:%M:%S} UTC" in page_text(page())


def test_a_running_ingestion_is_cancelled(page, cockpit, database):
    started = cockpit.start(cockpit.track("octo"))
    shown = page().button(key=f"cancel-{started}").click().run()
    assert not shown.exception
    assert asked_for.get_ingestion(started).state == "cancelled"
    assert database.scalar(text("SELECT action FROM audit_event WHERE actor = 'boss'")) == "ingestion_cancelled"
    assert "No account is being asked for" in page_text(shown)


def test_what_is_read_in_the_background_is_named(page, database):
    database.execute(
        text(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
            """ VALUES ('ingest', 'star_history', '{"kind": "stars"}')"""
        )
    )
    assert "in the background: star history" in page_text(page())


def test_names_from_outside_do_not_become_markdown(page, cockpit):
    cockpit.start(cockpit.track("octo"), by="**[x](https://evil.example)**")
    assert "[x](https" not in page_text(page())


# Budgets ----------------------------------------------------------------------------------------------------------


def test_each_budget_has_a_gauge_with_its_reset(page, monkeypatch):
    resets_at = datetime.now(UTC) + timedelta(minutes=20)
    seen = RateBudgetSummary(
        (
            RateBudgetBucket("octo", "graphql", 5000, 1200, resets_at),
            RateBudgetBucket("octo", "core", 5000, 5000, resets_at),
        )
    )
    monkeypatch.setattr(shared_state, "load_rate_budget", lambda *_: seen)
    shown = page()
    bars = [one.proto.text for one in shown.get("progress")]
    assert "1,200 of 5,000 points left" in bars
    assert f"full again at {resets_at:%H:%M} UTC" in page_text(shown)


def test_a_token_that_github_refused_is_named_with_its_reason(page, redis):
    told = {"name": "octo-bot", "reason": "GitHub refused the token of octo-bot", "at": datetime.now(UTC).isoformat()}
    redis.hset(refused_tokens.refused_tokens_key(settings().github_api_url), "ab12cd34", json.dumps(told))
    said = page_text(page())
    assert "GitHub refused **octo" in said
    assert "The others go on with its accounts" in said


# Servers away -----------------------------------------------------------------------------------------------------


def test_without_redis_budgets_are_told_off_and_the_rest_goes_on(page, cockpit, monkeypatch):
    cockpit.track("octo")
    monkeypatch.setattr(shared_state, "load_rate_budget", raising(RedisAway()))
    shown = page()
    assert not shown.exception
    assert not shown.error
    assert "Redis does not answer. Budgets are shared through Redis" in page_text(shown)
    assert "Refresh 1 due" in [one.label for one in shown.button]


def test_without_postgres_the_part_that_lives_says_so(page, cockpit, monkeypatch):
    cockpit.track("octo")
    away = OperationalError("SELECT 1", {}, Exception("connection refused"))
    monkeypatch.setattr(asked_for, "active_ingestions", raising(away))
    shown = page()
    assert not shown.exception
    assert "Postgres does not answer. What runs is not known meanwhile" in page_text(shown)


# What ran ---------------------------------------------------------------------------------------------------------


def test_runs_are_filtered_and_lead_to_each_accounts_outcome(page, cockpit):
    first = cockpit.start(cockpit.track("octo", "cat"))
    run = cockpit.run(first, requests=4, not_modified=1)
    cockpit.item(run, "octo")
    cockpit.item(run, "cat", "gone", error_code="not_found", error="There is no such account")
    cockpit.finish_all()
    second = cockpit.start(cockpit.track("dog"), trigger="schedule", by=None)
    cockpit.item(cockpit.run(second, trigger="schedule"), "dog", "unchanged")
    cockpit.finish_all()

    def listed(**asked: str) -> list[int]:
        return next(
            (list(frame.value["id"]) for frame in run_page_file(**asked).dataframe if "took" in frame.value), []
        )

    assert listed() == [second, first]
    assert listed(by="Timetable") == [second]
    assert listed(outcome="Partial") == [first]
    assert listed(account="OCTO") == [first]
    assert "No ingestion fits" in page_text(run_page_file(account="nobody"))
    shown = page(ingestion=str(first))
    assert "request `req-1`" in page_text(shown)
    outcomes = next(frame.value for frame in shown.dataframe if "outcome" in frame.value)
    assert outcomes.set_index("login")["outcome"].to_dict() == {
        "cat": "is gone: There is no such account",
        "octo": "stored, 3 repositories, 12 rows written",
    }


@pytest.mark.parametrize("given", ["0", "x", "-1", "9" * 30, "<b>"])
def test_an_ingestion_that_is_not_there_is_said(page, cockpit, given):
    cockpit.start(cockpit.track("octo"))
    shown = page(ingestion=given)
    assert not shown.exception
    assert "There is no ingestion" in page_text(shown)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (3_780, "1 h 3 min"), (-5, "0 s")]
)
def test_how_long_it_took(seconds, said):
    assert ingestion_list.run_duration(NOW, NOW + timedelta(seconds=seconds), NOW) == said
    assert ingestion_list.run_duration(NOW, None, NOW + timedelta(seconds=seconds)) == said


def test_an_outcome_is_a_sentence():
    one = {"state": "stored", "repositories": 2, "rows_written": 0, "error": "languages wait for more budget"}
    assert outcome_sentence(one) == "stored, 2 repositories, 0 rows written; languages wait for more budget"
    assert outcome_sentence({"state": "failed", "error": None, "repositories": None}) == "failed; the log says why"


# Freshness --------------------------------------------------------------------------------------------------------


def test_freshness_counts_only_what_is_wanted(page, cockpit, database):
    ids = cockpit.track("fresh", "stale", "never", "off", due=False)
    for account, hours in zip(ids, (1, 30, None, 99), strict=True):
        at = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
        database.execute(schema.account.update().where(schema.account.c.id == account).values(checked_at=at))
    database.execute(
        schema.tracked_account.update().where(schema.tracked_account.c.account_id == ids[3]).values(paused=True)
    )
    shown = page()
    assert not shown.exception
    cards = {metric.label: metric.value for metric in shown.metric}
    assert cards["Within target"] == "33\N{NO-BREAK SPACE}%"
    assert cards["Never looked at"] == "1"
    worst = next(frame.value for frame in shown.dataframe if "age" in frame.value)
    assert list(worst["login"]) == ["never", "stale", "fresh"]
    assert worst["age"].tolist()[1:] == ["30 h", "1 h"]
