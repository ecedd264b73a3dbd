"""The Tracking page: tracked accounts, their cadence, lookups and tracking requests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pytest
import streamlit as st
from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import insert, select, text
from streamlit.testing.v1 import AppTest

from core import redis_client
from core.db import schema
from core.errors import Forbidden
from core.queries import tracking
from core.queue import lookups
from core.queue.lookups import Lookup, LookupResult, LookupStore
from core.settings import Settings
from core.tracking import parse_accounts
from ingest import lookups as ingest_lookups
from ingest.github import GitHub
from ingest.sandbox import World, serve
from pages.sections import add_accounts, pending_requests, tracked_table
from tests.pages.page_file import page_file, run_page_file
from tests.pages.wording import page_text

run_page = partial(run_page_file, "tracking")


@pytest.fixture
def admin(person: Callable[..., object], browser) -> None:
    """An admin is signed in."""
    st.session_state.clear()  # without a page all tests share one
    browser.sign_in(person("boss", role="admin"))


@pytest.fixture
def page(admin: None) -> Callable[..., AppTest]:
    """Open the page by itself as an admin: `page(q="octo")`."""
    return run_page


def add_tracked(database, login: str, **values: object) -> int:
    account = database.scalar(insert(schema.account).values(login=login).returning(schema.account.c.id))
    given = {"due_at": datetime.now(UTC) + timedelta(hours=1), **values}
    database.execute(insert(schema.tracked_account).values(account_id=account, **given))
    return account


def tracked_settings(database) -> dict[str, tuple[object, ...]]:
    found = database.execute(
        text(
            "SELECT login, cadence, priority, paused, note FROM tracked_account JOIN account ON account.id = account_id"
            " ORDER BY login"
        )
    )
    return {row.login: tuple(row)[1:] for row in found}


def audit_entries(database) -> list[tuple[str, str]]:
    return [
        tuple(row)
        for row in database.execute(text("SELECT action, target FROM audit_event WHERE actor = 'boss' ORDER BY id"))
    ]


def listed_logins(shown: AppTest) -> list[str]:
    return next(list(frame.value["login"]) for frame in shown.dataframe if "planned" in frame.value)


def test_an_analyst_sees_nothing(reader, database):
    add_tracked(database, "octo")
    shown = run_page()
    assert not shown.dataframe
    assert not shown.button
    assert not shown.metric


@pytest.mark.parametrize(
    "call",
    [
        lambda: add_accounts.look_up("octo"),
        lambda: add_accounts.look_up_members("octo"),
        lambda: add_accounts.track(["octo"], None, 0, ""),
        lambda: tracked_table.save_changes({"octo": {"paused": True}}),
        lambda: tracked_table.refresh_now([1]),
        lambda: pending_requests.decide_requests([1], True),
    ],
)
def test_each_change_checks_the_role_again(reader, database, call):
    """The reader of an open page may have lost the admin role."""
    st.session_state.clear()
    with pytest.raises(Forbidden):
        call()


def test_an_empty_page_says_how_to_start(page):
    shown = page()
    assert not shown.exception
    assert "Nothing is tracked yet" in page_text(shown)
    assert "until its change rate is known well enough" in page_text(shown)


def test_tracked_accounts_are_listed_with_state_and_cadence(page, database, now):
    add_tracked(database, "busy", planned_cadence=timedelta(hours=2), change_rate=3.2)
    add_tracked(database, "pinned", cadence=timedelta(days=1))
    add_tracked(database, "late", due_at=now - timedelta(hours=1))
    add_tracked(database, "off", paused=True)
    shown = page()
    assert not shown.exception
    rows = next(frame.value for frame in shown.dataframe if "planned" in frame.value).set_index("login")
    assert rows.loc["busy", ["planned", "changes", "every"]].tolist() == ["2 h", "3.2 a day", "Planned"]
    assert rows.loc["pinned", "every"] == "Every day"
    assert rows.loc["late", "state"] == "due"
    assert rows.loc["off", "state"] == "paused"
    assert {metric.label: metric.value for metric in shown.metric} == {
        "Tracked": "4",
        "Due or queued": "1",
        "Failing": "0",
        "Paused": "1",
    }


def test_search_and_state_are_in_the_url(page, database):
    add_tracked(database, "octo", note="for Ada")
    add_tracked(database, "cat", paused=True)
    assert listed_logins(page(q="ADA")) == ["octo"]
    assert listed_logins(page(state="paused")) == ["cat"]
    assert "No account matches" in page_text(page(q="%"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"paused": True}, "is paused"),
        ({"every_hours": 24.0}, "because an admin set that"),
        ({"is_planned": False, "planned_hours": 6.0}, "every 6 h, the default cadence: too few refreshes"),
        ({"priority": 2}, "every 2 h: it changes 1.4 a week and its priority is +2"),
        ({"changes_a_day": 0.001}, "it changes rarely"),
    ],
)
def test_cadence_reason(values, expected):
    usual = {"login": "octo", "paused": False, "every_hours": pd.NA, "planned_hours": 2.0, "is_planned": True}
    assert expected in tracked_table.cadence_reason({**usual, "changes_a_day": 0.2, "priority": 0, **values})


def test_edited_settings_are_found(database):
    before = pd.DataFrame(
        {"login": ["a", "b"], "every": ["Planned"] * 2, "priority": [0, 0], "paused": [False] * 2, "note": [None, "x"]}
    )
    after = before.assign(every=["Every day", "Planned"], note=["why", " "], paused=[True, False])
    assert tracked_table.edited_settings(before, after) == {
        "a": {"every": timedelta(days=1), "paused": True, "note": "why"},
        "b": {"note": None},
    }
    assert tracked_table.edited_settings(before, before.copy()) == {}


def test_many_accounts_are_changed_at_once_and_audited(admin, database):
    add_tracked(database, "octo")
    add_tracked(database, "cat")
    tracked_table.save_changes(
        {"octo": {"every": timedelta(days=1), "note": "why"}, "cat": {"paused": True, "priority": 3}}
    )
    assert tracked_settings(database) == {"cat": (None, 3, True, None), "octo": (timedelta(days=1), 0, False, "why")}
    assert audit_entries(database) == [("tracking_changed", "octo"), ("tracking_changed", "cat")]
    assert st.session_state[tracked_table.NOTICE_KEY] == "2 accounts changed."


def test_a_refresh_is_queued_once(admin, database):
    ids = [add_tracked(database, "octo"), add_tracked(database, "cat")]
    tracked_table.refresh_now(ids)
    tracked_table.refresh_now(ids)
    assert database.scalar(text("SELECT count(*) FROM ingestion")) == 1
    assert "2 were already queued" in st.session_state[tracked_table.NOTICE_KEY]


def test_a_removed_account_keeps_its_history(admin, database, now):
    account = add_tracked(database, "octo")
    database.execute(insert(schema.account_snapshot).values(account_id=account, captured_at=now, stars=1))
    shown = AppTest.from_string(
        "from pages.sections import tracked_table\ntracked_table.confirm_removal(['octo'])", default_timeout=60
    ).run()
    assert "Their history stays" in page_text(shown)
    assert tracked_settings(database).keys() == {"octo"}
    shown.button(key="remove-sure").click().run()
    assert not tracked_settings(database)
    assert database.scalar(select(schema.account_snapshot.c.stars)) == 1
    assert audit_entries(database) == [("account_untracked", "octo")]


def test_a_change_that_met_a_conflict_is_repeated(admin, database, meet_conflict):
    """A deadlock with a refresh or with what moves rows on Citus: each change is stored once."""
    request_id = database.scalar(
        insert(schema.tracking_request).values(login="cat").returning(schema.tracking_request.c.id)
    )
    meet_conflict()
    add_accounts.track(["octo"], timedelta(hours=6), 0, "")
    meet_conflict()
    tracked_table.save_changes({"octo": {"paused": True}})
    meet_conflict()
    pending_requests.decide_requests([request_id], True)
    meet_conflict()
    AppTest.from_string(
        "from pages.sections import tracked_table\ntracked_table.confirm_removal(['octo'])", default_timeout=60
    ).run().button(key="remove-sure").click().run()
    assert tracked_settings(database).keys() == {"cat"}
    assert audit_entries(database) == [
        ("account_tracked", "octo"),
        ("tracking_changed", "octo"),
        ("tracking_changed", "octo"),
        ("account_tracked", "cat"),
        ("account_untracked", "octo"),
    ]


def test_of_ten_thousand_accounts_the_first_thousand_are_shown(page, database, now):
    database.execute(text("INSERT INTO account (login) SELECT 'account-' || n FROM generate_series(1, 10000) n"))
    database.execute(text("INSERT INTO tracked_account (account_id) SELECT id FROM account"))
    found = tracking.tracked_table(now, "account-99", "", tracked_table.MAX_ROWS)
    counted = tracking.state_counts(now)
    assert (len(found), counted["all"]) == (111, 10_000)
    shown = page()
    assert not shown.exception
    assert "The first 1,000 are shown" in page_text(shown)


def test_pasted_accounts_are_looked_up_before_tracking(page, database, redis):
    with serve(World(accounts=6, repositories=40, biggest=12, seed=3)) as sandbox:
        tracked, new, *_ = sandbox.world.logins()
        add_tracked(database, tracked)
        shown = page()
        shown.text_area[0].set_value(f"{tracked}\n@{new}\nhttps://github.com/{new}\n{new}/flask\nnobody-at-all\n_bad")
        (button,) = [one for one in shown.button if one.form_id == "paste-form"]
        shown = button.click().run()
        assert "Waiting for a worker" in str(shown.main) or shown.get("progress")
        given = Settings(github_api_url=sandbox.url, github_tokens=(SecretStr("sandbox-token-1"),))
        with GitHub.from_settings(given, redis) as github:
            ingest_lookups.run_lookup(github, redis, shown.session_state[add_accounts.LOOKUP_KEY])
        shown = shown.run()
    assert not shown.exception
    preview = next(frame.value for frame in shown.dataframe if "take" in frame.value).set_index("login")
    assert preview["state"].to_dict() == {
        tracked: "already tracked",
        new: "new",
        "nobody-at-all": "There is no such account",
    }
    assert preview["take"].to_dict() == {tracked: False, new: True, "nobody-at-all": False}
    assert "1 new, 1 already tracked, 1 not found." in page_text(shown)
    assert [one.label for one in shown.expander] == ["Left out: 2 duplicates and 1 invalid login"]
    assert f"Repositories were read as their owners: {new}/flask." in page_text(shown)
    assert "The first refresh costs about" in page_text(shown)
    shown = shown.button(key="track").click().run()
    assert "1 account is now tracked" in page_text(shown)
    assert tracked_settings(database).keys() == {tracked, new}
    assert database.scalar(text("SELECT requested_by FROM ingestion")) == "boss"


def test_new_accounts_get_the_chosen_cadence_priority_and_note(admin, database, redis):
    AppTest.from_string(
        "from datetime import timedelta\nfrom pages.sections import add_accounts\n"
        "if 'tracked' not in __import__('streamlit').session_state:\n"
        "    __import__('streamlit').session_state['tracked'] = 1\n"
        "    add_accounts.track(['octo'], timedelta(days=7), 2, 'why')",
        default_timeout=60,
    ).run()
    assert tracked_settings(database) == {"octo": (timedelta(days=7), 2, False, "why")}


def test_an_expired_lookup_says_so(page, redis):
    shown = page_file("tracking")
    shown.session_state[add_accounts.LOOKUP_KEY] = "expired"
    assert "This lookup has expired" in page_text(shown.run())


def test_a_failed_lookup_shows_the_reason(page, redis):
    LookupStore(redis).put(Lookup("one", ("octo",), state="failed", error_message="GitHub does not answer"))
    shown = page_file("tracking")
    shown.session_state[add_accounts.LOOKUP_KEY] = "one"
    assert "GitHub does not answer." in page_text(shown.run())


def test_empty_input_is_a_sentence(page, redis):
    for given, expected in (("", "nothing to look up"), ("\n# a comment\n", "nothing to look up")):
        shown = page()
        shown.text_area[0].set_value(given)
        (button,) = [one for one in shown.button if one.form_id == "paste-form"]
        assert expected in page_text(button.click().run())


def test_a_lookup_without_redis_is_a_notice(page, database, monkeypatch):
    def unavailable(*_: object) -> str:
        raise RedisConnectionError

    shown = page()
    monkeypatch.setattr(lookups, "request_lookup", unavailable)
    shown.text_area[0].set_value("octo")
    (button,) = [one for one in shown.button if one.form_id == "paste-form"]
    shown = button.click().run()
    assert not shown.exception
    assert not shown.error
    assert "Lookups need Redis" in page_text(shown)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_are_decoded_as_spreadsheets_write_them(encoding):
    content = "name;login\nÄda;octo\nBob;cat\n".encode(encoding)
    assert parse_accounts.parse_accounts(add_accounts.decode_text(content)).logins == ("octo", "cat")


def test_a_binary_file_yields_no_invalid_logins():
    read = parse_accounts.parse_accounts(add_accounts.decode_text(bytes(range(256)) * 4))
    assert not read.logins or all(login.isascii() for login in read.logins)


def test_the_cost_is_forecast_without_redis(monkeypatch, now):
    def unavailable() -> object:
        raise RedisConnectionError

    monkeypatch.setattr(redis_client, "redis", unavailable)
    rows = pd.DataFrame([add_accounts.lookup_row(LookupResult("octo", "octo", 1, "user", None, 250), set())])
    assert "The first refresh costs about" in add_accounts.cost_sentence(rows, now)


@pytest.mark.parametrize(("key", "granted"), [("grant", True), ("decline", False)])
def test_an_admin_decides_a_tracking_request(page, person, database, key, granted):
    ada = person("ada")
    database.execute(insert(schema.tracking_request).values(login="octo", person_id=ada.id, note="our vendor"))
    shown = page()
    assert "1 tracking request" in page_text(shown)
    shown = shown.button(key=key).click().run()
    assert not shown.exception
    assert "tracking request**" not in page_text(shown)
    assert (tracked_settings(database).get("octo") == (None, 0, False, "our vendor")) is granted
    assert audit_entries(database)[-1] == ("account_tracked" if granted else "tracking_request_declined", "octo")


def test_a_tracking_request_is_decided_once(admin, database):
    database.execute(insert(schema.tracking_request).values(login="octo"))
    (request_id,) = database.scalars(select(schema.tracking_request.c.id))
    script = f"from pages.sections import pending_requests\npending_requests.decide_requests([{request_id}], False)"
    AppTest.from_string(script, default_timeout=60).run()
    assert "These requests were already decided" in page_text(AppTest.from_string(script, default_timeout=60).run())


def test_a_lookup_is_limited_in_size(database, redis):
    with pytest.raises(Exception, match="too many"):
        lookups.request_lookup(database, redis, [f"account-{n}" for n in range(1_001)])
