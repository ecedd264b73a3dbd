"""A name that is not stored is looked up at GitHub before it is tracked."""

import contextlib
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, insert, text

from core.auth.identity import Identity, Origin
from core.db import schema
from core.db.override import use_engine
from core.queue.lookups import Lookup, LookupResult, LookupStore, login_lookup_id
from core.settings import Settings, settings
from core.tracking import accounts, first_lookup
from ingest import lookups as worker
from ingest.github import GitHub
from ingest.sandbox import World, serve
from tests import seed_data

TRACES = ("account", "tracked_account", "tracking_request", "ingestion", "ingest_run", "ingest_item", "audit_event")


@pytest.fixture
def ann(database):
    person = database.scalar(insert(schema.person).values(username="ann", role="analyst").returning(schema.person.c.id))
    return Identity(person, "ann", "analyst")


@pytest.fixture
def github(redis):
    with serve(World(accounts=6, repositories=40, biggest=12, seed=3)) as sandbox:
        given = Settings(github_api_url=sandbox.url, github_tokens=(SecretStr("sandbox-token-1"),))
        with GitHub.from_settings(given, redis) as client:
            client.sandbox = sandbox
            yield client


@dataclass
class OwnTransaction:
    """Stands in for an engine: its transactions are savepoints in the test's own."""

    connection: Connection

    @contextmanager
    def begin(self):
        with self.connection.begin_nested():
            yield self.connection


def run_worker(github, redis, database, login):
    worker.run_lookup(github, redis, login_lookup_id(login), engine=OwnTransaction(database))


def add_worker(database):
    database.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()), (now())"))


def traces(database):
    return {table: n for table in TRACES if (n := database.scalar(text(f"SELECT count(*) FROM {table}")))}


def test_an_account_that_exists_is_tracked_by_the_worker_for_the_person_who_asked(database, redis, ann, github):
    login = github.sandbox.world.logins()[0]
    lookup = first_lookup.start(database, ann, login.upper(), Origin("192.0.2.7"))
    assert lookup.is_under_way
    assert traces(database) == {}
    assert database.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 1
    run_worker(github, redis, database, login)
    assert database.execute(
        text("SELECT login, added_by FROM tracked_account JOIN account ON account.id = account_id")
    ).all() == [(login, "ann")]
    audited = database.execute(text("SELECT actor, action, target, host(ip_address) FROM audit_event")).all()
    assert audited == [("ann", "account_tracked", login, "192.0.2.7")]
    # Known now: a request needs no lookup.
    assert first_lookup.start(database, ann, login, Origin()) is None


def test_a_name_of_no_account_leaves_no_trace_but_the_answer(database, redis, ann, github):
    for _ in range(3):
        first_lookup.start(database, ann, "never-an-account", Origin())
    run_worker(github, redis, database, "never-an-account")
    found = first_lookup.unresolved(database, "Never-An-Account")
    assert found.result.is_missing
    assert traces(database) == {}
    requests = github.usage.requests
    assert first_lookup.start(database, ann, "never-an-account", Origin()) == found
    assert github.usage.requests == requests
    assert database.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 1


def test_of_a_name_of_which_nothing_was_reported_nothing_stays_after_untracking(database):
    seed_data.add_imported_repository(database, "archived/cat", {"2026-01-01": 1})
    kept = seed_data.add_account(database, "octo", github_id=1)
    for login in ("never-an-account", "archived", "octo"):
        accounts.track(database, login, "ada")
        assert accounts.untrack(database, login.upper())
        assert not accounts.untrack(database, login)
    assert set(database.scalars(text("SELECT login FROM account"))) == {"archived", "octo"}
    assert accounts.find_account_id(database, "octo") == kept


def test_a_login_renamed_before_we_saw_it_is_tracked_under_its_present_name(database, redis, ann, github):
    former = github.sandbox.world.logins()[0]
    github.sandbox.world.edit.rename(former, "its-present-name")
    first_lookup.start(database, ann, former, Origin())
    run_worker(github, redis, database, former)
    assert database.scalars(text("SELECT login FROM account")).all() == ["its-present-name"]
    assert first_lookup.renamed_to(first_lookup.unresolved(database, former).result) == "its-present-name"


def test_a_check_waits_for_what_a_worker_finds(database, redis, github):
    login, former = github.sandbox.world.logins()[:2]
    github.sandbox.world.edit.rename(former, "its-present-name")
    add_worker(database)
    with use_engine(database):
        for name, expected in ((login, login), (former, "its-present-name"), ("never-an-account", None)):
            answers = iter([lambda _: None, lambda one: worker.run_lookup(github, redis, login_lookup_id(one))])
            found = first_lookup.check(name, lambda _, name=name, answers=answers: next(answers)(name))
            assert (found.login, found.is_missing) == (expected, expected is None)
            assert first_lookup.check(name, pytest.fail) == found  # remembered
    assert traces(database) == {}


def test_a_check_ends_when_nobody_answers(database, redis, github):
    waited = []
    with use_engine(database):
        assert first_lookup.check("octo", waited.append) is None
        assert waited == []  # without a worker
        add_worker(database)
        assert first_lookup.check("octo", waited.append) is None
        assert sum(waited) == pytest.approx(first_lookup.CHECK_SECONDS)
        seed_data.add_account(database, "octo", github_id=1)
        assert first_lookup.check("Octo", pytest.fail) is None


def test_where_an_admin_decides_only_existing_accounts_are_requested(database, redis, ann, github, monkeypatch):
    monkeypatch.setenv("TRACK_APPROVAL", "true")
    settings.cache_clear()
    login = github.sandbox.world.logins()[0]
    for name in (login, "never-an-account"):
        first_lookup.start(database, ann, name, Origin())
        run_worker(github, redis, database, name)
    assert database.scalars(text("SELECT login FROM tracking_request")).all() == [login]
    assert traces(database) == {"tracking_request": 1}


def test_an_error_of_github_is_no_answer(database, redis, ann):
    first_lookup.start(database, ann, "octo", Origin())
    broken = Lookup(
        login_lookup_id("octo"), ("octo",), state="done", results=(LookupResult("octo", error_message="x"),)
    )
    LookupStore(redis).put(broken)
    assert first_lookup.unresolved(database, "octo") is None
    assert first_lookup.start(database, ann, "octo", Origin()).is_under_way


@pytest.mark.parametrize("is_check", [False, True])
def test_a_lookup_whose_transaction_was_rolled_back_is_started_again(database, redis, ann, is_check):
    """Redis has it all the same: nobody works on it, and it would look under way for a day."""
    add_worker(database)
    with contextlib.suppress(RuntimeError), database.begin_nested():
        assert first_lookup.start(database, ann, "octo", Origin()).is_under_way
        raise RuntimeError("no COMMIT")
    assert first_lookup.find("octo").is_under_way
    assert first_lookup.unresolved(database, "octo") is None
    if is_check:
        with use_engine(database):
            first_lookup.check("octo", lambda _: None)
    else:
        first_lookup.start(database, ann, "octo", Origin())
    assert database.scalars(text("SELECT args ->> 'lookup_id' FROM procrastinate_jobs")).all() == ["login:octo"]
    assert first_lookup.unresolved(database, "octo").is_under_way


def test_without_redis_nothing_is_looked_up(database, ann):
    assert first_lookup.find("octo") is None
    assert first_lookup.start(database, ann, "octo", Origin()) is None


def test_an_account_known_by_imported_history_only_is_looked_up(database, redis, ann):
    seed_data.add_imported_repository(database, "famous/cat", {"2025-03-01": 1}, by="weekly list")
    assert first_lookup.start(database, ann, "famous", Origin()).is_under_way
    accounts.track(database, "famous", "test")
    assert first_lookup.start(database, ann, "famous", Origin()) is None
