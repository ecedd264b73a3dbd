"""The Ingestion page: running ingestions, their outcomes, and freshness."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pytest
import streamlit as st
from psycopg import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import Connection, func, insert, select, text
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from core.budget import rate_limits, rejected_tokens
from core.budget.rate_limits import RateBudgetBucket, RateBudgetSummary
from core.db import schema
from core.errors import Forbidden
from core.queries import ingestions as asked_for
from core.queries.outcomes import OUTCOME_RETENTION
from core.queue import ingestions
from core.queue.jobs import JobOrigin
from core.settings import settings
from ingest.refresh import run_log
from pages.sections import ingestion_list, running_ingestions
from pages.sections.account_outcome import outcome_sentence
from tests.pages.page_file import run_page_file
from tests.pages.wording import page_text

run_page = partial(run_page_file, "ingestion")


@pytest.fixture
def admin(person: Callable[..., object], browser) -> None:
    """An admin is signed in."""
    st.session_state.clear()  # without a page all tests share one
    browser.sign_in(person("boss", role="admin"))


@pytest.fixture
def page(admin: None, redis) -> Callable[..., AppTest]:
    """Open the page by itself as an admin: `page(ingestion="7")`."""
    return run_page


@dataclass
class IngestionRows:
    """Rows as the web process and the workers write them."""

    database: Connection

    def add_tracked(self, *logins: str, due: bool = True) -> list[int]:
        at = datetime.now(UTC) + (-timedelta(minutes=1) if due else timedelta(hours=1))
        ids = []
        for login in logins:
            ids.append(self.database.scalar(insert(schema.account).values(login=login).returning(schema.account.c.id)))
            self.database.execute(insert(schema.tracked_account).values(account_id=ids[-1], due_at=at))
        return ids

    def start_ingestion(self, ids: list[int], trigger: str = "person", by: str | None = "ada") -> int:
        started = ingestions.start(self.database, ids, JobOrigin(trigger, by, "req-1"), datetime.now(UTC))
        assert started is not None
        return started.id

    def start_work(self) -> None:
        """Let a worker run all jobs."""
        self.database.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))
        self.database.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))

    def add_run(self, ingestion_id: int, state: str = "running", **values: object) -> int:
        given = {"trigger": "person", "state": state, "ingestion_id": ingestion_id, **values}
        return self.database.scalar(insert(schema.ingest_run).values(**given).returning(schema.ingest_run.c.id))

    def add_item(self, run_id: int, login: str, state: str = "stored", **values: object) -> None:
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


def test_an_analyst_sees_nothing(reader, cockpit):
    cockpit.add_tracked("octo")
    shown = run_page()
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
def test_each_change_checks_the_role_again(reader, call):
    """The reader of an open page may have lost the admin role."""
    st.session_state.clear()
    with pytest.raises(Forbidden):
        call()


def test_a_page_without_tracked_accounts_shows_no_error(page):
    shown = page()
    assert not shown.exception
    assert not shown.error
    content = page_text(shown)
    assert "No worker is running: start one" in content
    assert "no scheduler is running" in content
    assert "Nothing is tracked, so there is no freshness" in content
    assert shown.button(key="all-due").disabled


def test_all_due_accounts_are_started_once(page, cockpit, database):
    cockpit.add_tracked("octo", "cat")
    cockpit.add_tracked("later", due=False)
    shown = page()
    assert shown.button(key="all-due").label == "Refresh 2 due"
    assert "requests" in page_text(shown)
    shown = shown.button(key="all-due").click().run()
    assert not shown.exception
    assert "started with 2 accounts" in page_text(shown)
    assert shown.button(key="all-due").disabled
    assert database.scalar(text("SELECT accounts FROM ingestion")) == 2
    trail = database.execute(text("SELECT action, actor FROM audit_event WHERE actor = 'boss'"))
    assert [tuple(row) for row in trail] == [("ingestion_started", "boss")]


def one_login(shown: AppTest) -> TextInput:
    (field,) = [one for one in shown.text_input if one.label == "Or one account"]
    return field


def refresh_one(shown: AppTest, given: str) -> AppTest:
    """Submit the form of one account."""
    field = one_login(shown).set_value(given)
    (button,) = [one for one in shown.button if one.form_id and one.form_id == field.form_id]
    return button.click().run()


def test_one_account_requested_twice_is_one_ingestion(page, cockpit, database):
    cockpit.add_tracked("octo", due=False)
    shown = page()
    for expected in ("started with 1 account", "already in ingestion"):
        shown = refresh_one(shown, "https://github.com/octo")
        assert expected in page_text(shown)
        assert one_login(shown).value == ""
    assert database.scalar(text("SELECT count(*) FROM ingestion")) == 1


@pytest.mark.parametrize(
    ("given", "expected"), [("nobody", "not stored yet"), ("bad name", "not a GitHub login"), ("", "missing")]
)
def test_an_account_that_cannot_be_refreshed_is_a_sentence(page, given, expected):
    shown = refresh_one(page(), given)
    assert not shown.exception
    assert expected in page_text(shown)
    assert one_login(shown).value == given


def test_an_ingestion_without_a_worker_says_so(page, cockpit):
    cockpit.start_ingestion(cockpit.add_tracked("octo"))
    content = page_text(page())
    assert "requested by ada · queued" in content
    assert "No worker is running: these jobs wait" in content


def test_progress_errors_and_running_accounts_are_shown_live(page, cockpit):
    started = cockpit.start_ingestion(cockpit.add_tracked("octo", "cat", "dog"))
    cockpit.start_work()
    run = cockpit.add_run(started, requests=20, points=3, not_modified=5, rows_written=12)
    assert "Refreshing now: octo, cat, dog" in page_text(page())
    cockpit.add_item(run, "octo")
    cockpit.add_item(run, "cat", "failed", error_code="timeout", error="GitHub took too long")
    shown = page()
    content = page_text(shown)
    assert "running" in content
    assert "20 requests · 3 points · 25\N{NO-BREAK SPACE}% returned 304 · 12 rows" in content
    assert "1 failed" in content
    assert r"failed\: GitHub took too long" in content
    assert "stored, 3 repositories, 12 rows written" in content
    assert "Refreshing now: dog …" in content
    (bar,) = [one for one in shown.get("progress") if "of 3" in one.proto.text]
    assert (bar.proto.value, bar.proto.text) == (66, "2 of 3 accounts")


def test_an_ingestion_waiting_for_the_budget_shows_when_it_continues(page, cockpit, database, monkeypatch, now):
    cockpit.start_ingestion(cockpit.add_tracked("octo"))
    later = now + timedelta(minutes=30)
    database.execute(text("UPDATE procrastinate_jobs SET scheduled_at = :at"), {"at": later})
    assert f"The rest continues at {later:%H:%M:%S} UTC" in page_text(page())
    seen = RateBudgetSummary((), 0, now + timedelta(minutes=5))
    monkeypatch.setattr(rate_limits, "load_rate_budget", lambda *_: seen)
    assert f"no request is sent before {seen.paused_until:%H:%M:%S} UTC" in page_text(page())


def test_a_running_ingestion_is_cancelled(page, cockpit, database):
    started = cockpit.start_ingestion(cockpit.add_tracked("octo"))
    shown = page().button(key=f"cancel-{started}").click().run()
    assert not shown.exception
    assert asked_for.get_ingestion(started).state == "cancelled"
    assert database.scalar(text("SELECT action FROM audit_event WHERE actor = 'boss'")) == "ingestion_cancelled"
    assert "No ingestion is running" in page_text(shown)


def test_background_jobs_are_named(page, database):
    database.execute(
        text(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
            """ VALUES ('ingest', 'star_history', '{"kind": "star_history"}')"""
        )
    )
    assert "in the background: star history" in page_text(page())


def test_each_kind_of_fact_says_what_it_costs(page, database, now):
    """Releases cost one request each. Without a token 18 an hour are for facts: 6,000 take 333 hours."""
    assert "Nothing was counted yet" in page_text(page())
    database.execute(
        insert(schema.enrichment_backlog).values(
            [
                {"kind": "releases", "subjects": 6120, "waiting": 6000, "measured_at": now},
                {"kind": "extras", "subjects": 6120, "waiting": 0, "measured_at": now},
            ]
        )
    )
    database.execute(
        insert(schema.enrichment_run).values(
            kind="releases", started_at=now - timedelta(hours=1), subjects=120, stored=120, requests=120
        )
    )
    shown = page()
    assert not shown.exception
    (table,) = [one.value for one in shown.dataframe if "until" in one.value.columns]
    assert table[["fact", "waiting", "subjects", "spent", "until"]].to_numpy().tolist() == [
        ["releases", 6000, 6120, "120 requests", "13.9 days"],
        ["watchers, open issues and change requests", 0, 6120, "0 points", "done"],
    ]


def test_names_from_outside_do_not_become_markdown(page, cockpit):
    cockpit.start_ingestion(cockpit.add_tracked("octo"), by="**[x](https://evil.example)**")
    assert "[x](https" not in page_text(page())


def test_each_rate_budget_has_a_gauge_with_its_reset(page, monkeypatch):
    resets_at = datetime.now(UTC) + timedelta(minutes=20)
    seen = RateBudgetSummary(
        (
            RateBudgetBucket("octo", "graphql", 5000, 1200, resets_at),
            RateBudgetBucket("octo", "core", 5000, 5000, resets_at),
        )
    )
    monkeypatch.setattr(rate_limits, "load_rate_budget", lambda *_: seen)
    shown = page()
    bars = [one.proto.text for one in shown.get("progress")]
    assert "1,200 of 5,000 points left" in bars
    assert f"full again at {resets_at:%H:%M} UTC" in page_text(shown)


def test_a_token_that_github_rejected_is_named_with_its_reason(page, redis):
    stored = {
        "name": "octo-bot",
        "reason": "GitHub rejected the token of octo-bot",
        "at": datetime.now(UTC).isoformat(),
    }
    redis.hset(rejected_tokens.rejected_tokens_key(settings().github_api_url), "ab12cd34", json.dumps(stored))
    content = page_text(page())
    assert "GitHub rejected **octo" in content
    assert "The other tokens take over its accounts" in content


def test_without_redis_the_rest_of_the_page_works(page, cockpit, monkeypatch):
    cockpit.add_tracked("octo")
    monkeypatch.setattr(rate_limits, "load_rate_budget", raising(RedisConnectionError()))
    shown = page()
    assert not shown.exception
    assert not shown.error
    assert "The rate budget is stored there" in page_text(shown)
    assert "Refresh 1 due" in [one.label for one in shown.button]


def test_without_postgres_the_live_section_says_so(page, cockpit, monkeypatch):
    cockpit.add_tracked("octo")
    unavailable = OperationalError("connection refused")
    monkeypatch.setattr(asked_for, "active_ingestions", raising(unavailable))
    shown = page()
    assert not shown.exception
    assert "Ingestions continue, but cannot be shown" in page_text(shown)


def test_ingestions_are_filtered_and_lead_to_account_outcomes(page, cockpit):
    first = cockpit.start_ingestion(cockpit.add_tracked("octo", "cat"))
    run = cockpit.add_run(first, requests=4, not_modified=1)
    cockpit.add_item(run, "octo")
    cockpit.add_item(run, "cat", "deleted", error_code="not_found", error="There is no such account")
    cockpit.finish_all()
    second = cockpit.start_ingestion(cockpit.add_tracked("dog"), trigger="schedule", by=None)
    cockpit.add_item(cockpit.add_run(second, trigger="schedule"), "dog", "unchanged")
    cockpit.finish_all()

    def listed(**parameters: str) -> list[int]:
        return next(
            (list(frame.value["id"]) for frame in run_page(**parameters).dataframe if "took" in frame.value), []
        )

    assert listed() == [second, first]
    assert listed(by="Schedule") == [second]
    assert listed(outcome="Partial") == [first]
    assert listed(account="OCTO") == [first]
    assert "No ingestion matches" in page_text(run_page(account="nobody"))
    shown = page(ingestion=str(first))
    assert "request `req-1`" in page_text(shown)
    outcomes = next(frame.value for frame in shown.dataframe if "outcome" in frame.value)
    assert outcomes.set_index("login")["outcome"].to_dict() == {
        "cat": "deleted or private: There is no such account",
        "octo": "stored, 3 repositories, 12 rows written",
    }


def test_of_an_old_ingestion_the_counts_are_kept(page, cockpit, database, now):
    """Of three accounts one failed, and one failed first and was stored then: partial, 2 stored, 1 failed."""
    first = cockpit.start_ingestion(cockpit.add_tracked("octo", "cat", "dog"))
    run = cockpit.add_run(first)
    cockpit.add_item(run, "octo")
    for login in ("cat", "dog"):
        cockpit.add_item(run, login, "failed", error_code="timeout", error="It took too long")
    cockpit.add_item(cockpit.add_run(first), "dog", finished_at=now + timedelta(hours=1))
    cockpit.finish_all()
    empty = cockpit.start_ingestion(cockpit.add_tracked("cow"))
    cockpit.add_run(empty)
    cockpit.finish_all()
    before = asked_for.list_ingestions()
    started_at = database.scalar(select(schema.ingestion.c.started_at).where(schema.ingestion.c.id == empty))
    assert run_log.delete_old_items(database, started_at + OUTCOME_RETENTION - timedelta(days=1)) == 0
    for deleted in (4, 0):
        assert run_log.delete_old_items(database, started_at + 2 * OUTCOME_RETENTION) == deleted
        assert database.scalar(select(func.count()).select_from(schema.ingest_item)) == 0
        pd.testing.assert_frame_equal(asked_for.list_ingestions(), before)
    assert before.loc[before["id"] == first, ["state", "stored", "failed"]].to_numpy().tolist() == [["partial", 2, 1]]
    assert "2 accounts stored, 1 failed. What happened to each is kept for 90 days." in page_text(
        page(ingestion=str(first))
    )


def test_a_filter_of_outcomes_says_that_it_searches_the_newest_only(page, cockpit, monkeypatch):
    monkeypatch.setattr(ingestion_list, "MAX_ROWS", 2)
    for login in ("octo", "cat", "dog"):
        cockpit.add_item(cockpit.add_run(cockpit.start_ingestion(cockpit.add_tracked(login))), login)
        cockpit.finish_all()
    assert "2 of the newest 2 shown" in page_text(page(outcome="Done"))
    assert "None of the newest 2 ingestions matches these filters." in page_text(run_page(outcome="Failed"))


@pytest.mark.parametrize("given", ["0", "x", "-1", "9" * 30, "<b>"])
def test_an_unknown_ingestion_is_a_sentence(page, cockpit, given):
    cockpit.start_ingestion(cockpit.add_tracked("octo"))
    shown = page(ingestion=given)
    assert not shown.exception
    assert "There is no ingestion" in page_text(shown)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0 s"), (59, "59 s"), (125, "2 min"), (3_960, "1.1 h"), (-5, "0 s")]
)
def test_run_duration(seconds, expected, now):
    assert ingestion_list.run_duration(now, now + timedelta(seconds=seconds), now) == expected
    assert ingestion_list.run_duration(now, None, now + timedelta(seconds=seconds)) == expected


def test_an_outcome_is_a_sentence():
    one = {"state": "stored", "repositories": 2, "rows_written": 0, "error": "languages wait for more budget"}
    assert outcome_sentence(one) == "stored, 2 repositories, 0 rows written; languages wait for more budget"
    assert outcome_sentence({"state": "failed", "error": None, "repositories": None}) == "failed; see the log"


def test_freshness_counts_only_active_accounts(page, cockpit, database):
    ids = cockpit.add_tracked("fresh", "stale", "never", "off", due=False)
    for account, hours in zip(ids, (1, 30, None, 99), strict=True):
        at = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
        database.execute(schema.account.update().where(schema.account.c.id == account).values(checked_at=at))
    database.execute(
        schema.tracked_account.update().where(schema.tracked_account.c.account_id == ids[3]).values(paused=True)
    )
    shown = page()
    assert not shown.exception
    cards = {metric.label: metric.value for metric in shown.metric}
    assert cards["On time"] == "33\N{NO-BREAK SPACE}%"
    assert cards["Never refreshed"] == "1"
    worst = next(frame.value for frame in shown.dataframe if "age" in frame.value)
    assert list(worst["login"]) == ["never", "stale", "fresh"]
    assert worst["age"].tolist()[1:] == ["30 h", "1 h"]


def test_without_any_ingestion_no_filter_is_blamed(page):
    assert "There has been no ingestion yet." in page_text(page())
    assert "No ingestion matches these filters." in page_text(run_page(outcome="Failed"))


def test_the_calendar_is_explained_for_either_theme(page, cockpit):
    """More is darker on a light page only: on a dark one it is brighter."""
    cockpit.add_tracked("pallets")
    text = page_text(page())
    assert "the fuller its colour" in text
    assert "darker" not in text
