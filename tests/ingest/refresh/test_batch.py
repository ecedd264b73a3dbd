"""A refresh stores exactly what GitHub reported, only differences, and each account atomically."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from core.linguist import present_name
from core.queries.summary_check import count_differences
from core.queue.jobs import JobOrigin
from core.tracking import accounts
from ingest.github.fetch import fetcher
from ingest.github.http.credentials import Token
from ingest.history_import.importer import import_history
from ingest.refresh import batch, run_log, store
from ingest.refresh.batch import RefreshRequest
from ingest.scheduler import ScheduledJobs
from tests.ingest.conftest import Ingestor, github_client

COMMON_FIELDS = ("id", "name", "stars", "forks", "size_kb", "primary_language", "is_fork", "is_archived", "license",
               "languages", "default_branch", "description", "is_template")  # fmt: skip
SNAPSHOTS = ("account_snapshot", "repository_snapshot", "repository_extra_snapshot", "repository_language", "change")


def parse_time(given):
    return None if given is None else datetime.fromisoformat(given)


def with_present_languages(repository: dict[str, Any]) -> dict[str, Any]:
    """Return the repository with the names that languages have now: GitHub still sends some former ones."""
    languages, primary = repository["languages"], repository["primary_language"]
    return {
        **repository,
        "languages": languages and {present_name(name): size for name, size in languages.items()},
        "primary_language": primary and present_name(primary),
    }


def assert_exact(stored, truth, *, extras=False):
    """Compare every field of *stored* with the ground truth."""
    for name in ("id", "login", "kind", "name", "followers", "following", "public_repositories"):
        if name == "following" and truth["account"]["kind"] == "organization":
            continue  # an organization follows nobody; REST says 0, GraphQL does not say
        assert stored["account"][name] == truth["account"][name], name
    ours = {one["id"]: one for one in stored["repositories"]}
    theirs = {one["id"]: with_present_languages(one) for one in truth["repositories"]}
    assert ours.keys() == theirs.keys()
    names = COMMON_FIELDS + (("watchers", "open_issues", "open_change_requests") if extras else ())
    for github_id, one in theirs.items():
        mine = ours[github_id]
        assert {name: mine[name] for name in names} == {name: one[name] for name in names}
        assert (mine["pushed_at"], mine["created_at"]) == (parse_time(one["pushed_at"]), parse_time(one["created_at"]))


@pytest.fixture
def still(ingestor):
    """Freeze the clock so that ground truth and response have the same time."""
    ingestor.world.freeze()
    return ingestor


def test_every_account_is_stored_exactly_as_the_server_has_it_with_a_token(still):
    logins = still.world.logins()
    run = still.refresh(*logins, extras=True)
    assert (run.state, run.stored) == ("done", len(logins))
    for login in logins:
        assert_exact(still.stored_account(login), still.sandbox.ground_truth(login), extras=True)


def test_a_scheduled_refresh_leaves_the_languages_of_forks_to_idle_budget(still):
    """They are shown nowhere; a person who asks for an account gets them."""
    logins = still.world.logins()
    for urgent in (False, True):
        still.refresh(*logins, urgent=urgent)
        stored = [one for login in logins for one in still.stored_account(login)["repositories"] if one["pushed_at"]]
        assert all(one["languages"] is not None for one in stored if not one["is_fork"])
        assert {one["languages"] is not None for one in stored if one["is_fork"]} == {urgent}


def test_every_account_is_stored_exactly_as_the_server_has_it_without_a_token(anonymous):
    anonymous.world.freeze()
    logins = anonymous.world.logins()
    run = anonymous.refresh(*logins)
    assert run.state == "done"
    for login in logins:
        assert_exact(anonymous.stored_account(login), anonymous.sandbox.ground_truth(login))


def test_totals_are_the_sums_over_what_an_account_owns(still):
    login = still.login_with_most_repositories()
    still.refresh(login)
    account, theirs = still.stored_account(login)["account"], still.sandbox.ground_truth(login)["repositories"]
    assert account["stars"] == sum(one["stars"] for one in theirs)
    assert account["forks"] == sum(one["forks"] for one in theirs)
    assert account["repositories"] == len(theirs)


def test_every_refresh_is_a_capture_even_without_changes(still):
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    still.world.advance(seconds=1)
    still.refresh(login)
    assert still.count("capture") == 2


def test_an_identical_response_changes_no_row(still):
    login = still.login_with_most_repositories()
    still.refresh(login)
    before = {table: still.count(table) for table in SNAPSHOTS}
    versions = still.rows("SELECT id, xmin::text FROM repository ORDER BY id")
    item = still.one(login)
    assert (item.state, item.rows_written) == ("unchanged", 0)
    assert {table: still.count(table) for table in SNAPSHOTS} == before
    assert still.rows("SELECT id, xmin::text FROM repository ORDER BY id") == versions


def test_only_the_changed_repository_gets_a_snapshot(still):
    login = still.login_with_most_repositories()
    still.refresh(login)
    before = still.count("repository_snapshot")
    full_name = still.active_repository(login)
    still.world.advance(seconds=1)
    still.world.edit.star(full_name, 5)
    still.refresh(login)
    moved = still.count("repository_snapshot") - before
    theirs = {one["full_name"]: one["stars"] for one in still.sandbox.ground_truth(login)["repositories"]}
    ours = {one["full_name"]: one["stars"] for one in still.stored_account(login)["repositories"]}
    assert ours == theirs
    assert 1 <= moved < 20


def test_the_ledger_has_each_repository_change(still):
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    full_name = still.active_repository(login)
    still.world.advance(seconds=30)
    still.world.edit.relicense(full_name, "apache-2.0")
    still.world.edit.archive(full_name)
    still.world.edit.rename(full_name, "a-new-name")
    created = still.world.edit.create(login, "brand-new")
    still.refresh(login)
    kinds = {kind for kind, _before, _after in still.changes(login)}
    assert {"relicensed", "archived", "renamed", "new"} <= kinds
    assert ("renamed", full_name, f"{login}/a-new-name") in still.changes(login)
    assert ("new", None, created) in still.changes(login)


def test_a_deleted_repository_keeps_its_history_and_can_return(still):
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    full_name = still.active_repository(login)
    still.world.advance(seconds=30)
    still.world.edit.delete(full_name)
    still.refresh(login)
    assert full_name not in [one["full_name"] for one in still.stored_account(login)["repositories"]]
    assert still.rows(
        "SELECT gone_reason FROM repository JOIN repository_snapshot ON repository_id = id WHERE full_name = :name",
        name=full_name,
    ) == [("not_found",)]
    still.world.advance(seconds=30)
    still.world.edit.restore(full_name)
    still.refresh(login)
    assert full_name in [one["full_name"] for one in still.stored_account(login)["repositories"]]
    assert [kind for kind, _, _ in still.changes(login) if kind in ("gone", "back")] == ["gone", "back"]


def test_a_transferred_repository_moves_with_its_history(still):
    giver, taker = still.login_with_most_repositories("user"), still.login_with_most_repositories("organization")
    still.refresh(giver, taker)
    full_name = still.active_repository(giver)
    still.world.advance(seconds=30)
    still.world.edit.transfer(full_name, taker)
    still.refresh(giver)
    moved = f"{taker}/{full_name.partition('/')[2]}"
    assert moved in [one["full_name"] for one in still.stored_account(taker)["repositories"]]
    assert ("transferred", full_name, moved) in still.changes(giver)
    still.refresh(taker)
    assert_exact(still.stored_account(taker), still.sandbox.ground_truth(taker))


@pytest.mark.one_postgres("who waits for a row waits on the node that has it")
def test_two_refreshes_may_store_one_repository_in_the_same_second(still):
    """Transferred between two responses it is in both; the second refresh waits for the first and stores it after."""
    giver, taker = still.login_with_most_repositories("user"), still.login_with_most_repositories("organization")
    still.refresh(giver, taker)
    full_name = still.active_repository(giver)
    still.world.advance(seconds=30)
    still.world.edit.transfer(full_name, taker)
    still.world.edit.star(f"{taker}/{full_name.partition('/')[2]}", 7)
    states = []
    refresh = threading.Thread(target=lambda: states.append(still.one(taker).state))
    with still.engine.begin() as other:
        values = {"name": full_name, "at": datetime.fromtimestamp(still.world.now(), UTC)}
        other.execute(text("UPDATE repository SET homepage = 'https://other.example' WHERE full_name = :name"), values)
        for statement in (
            "UPDATE repository_current SET stars = 0, captured_at = :at",
            "INSERT INTO repository_snapshot_open (repository_id, captured_at, stars) SELECT id, :at, 0",
        ):
            end = " FROM repository WHERE full_name = :name"
            of_it = " AND repository_id = id" if statement.startswith("UPDATE") else ""
            other.execute(text(statement + end + of_it), values)
        refresh.start()
        while not still.rows("SELECT FROM pg_stat_activity WHERE datname = current_database()"
                             " AND wait_event_type = 'Lock'"):  # fmt: skip
            assert refresh.is_alive()
    refresh.join()
    assert states == ["stored"]
    assert_exact(still.stored_account(taker), still.sandbox.ground_truth(taker))


def test_a_renamed_account_stays_the_same_account(still):
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    still.world.advance(seconds=30)
    still.world.edit.rename(login, "somebody-else")
    item = still.one(login)
    assert item.is_stored, item.error
    assert_exact(still.stored_account("somebody-else"), still.sandbox.ground_truth("somebody-else"))
    assert ("renamed", login, "somebody-else") in still.changes("somebody-else")
    assert still.rows("SELECT count(*) FROM account WHERE github_id IS NOT NULL") == [(1,)]


def test_a_deleted_account_is_unavailable_and_keeps_its_history(still):
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    snapshots = still.count("repository_snapshot")
    still.world.edit.delete(login)
    item = still.one(login)
    assert (item.state, item.error_code) == ("deleted", "account_not_found")
    assert login in item.error
    assert still.count("repository_snapshot") == snapshots
    assert [kind for kind, _, _ in still.changes(login)] == ["gone"]


def test_an_unknown_login_does_not_affect_the_others(still):
    known = still.login_with_most_repositories()
    run = still.refresh("no-such-account-anywhere", known, "not a login!")
    outcomes = {item.login: item for item in run.items}
    assert outcomes[known].is_stored
    assert outcomes["no-such-account-anywhere"].error_code == "account_not_found"
    assert outcomes["not a login!"].error_code == "bad_login"
    assert all(item.error for item in run.items if not item.is_stored)
    assert (run.state, run.failed) == ("partial", 2)


@pytest.fixture
def together(monkeypatch):
    """Wait for all responses, and store them together."""
    monkeypatch.setattr(fetcher, "GROUP_SECONDS", 60)


def test_an_account_that_postgres_refuses_costs_no_other(still, together):
    """Nothing of it is stored; all others are, although they share a transaction at first."""
    logins = still.world.logins()
    still.refresh(*logins)
    refused, starred = still.login_with_most_repositories("user"), still.login_with_most_repositories("organization")
    still.world.advance(seconds=30)
    still.world.edit.star(still.active_repository(refused), 2**31)
    still.world.edit.star(still.active_repository(starred), 5)
    before = still.stored_account(refused)
    run = still.refresh(*logins)
    outcomes = {item.login: item for item in run.items}
    assert (run.state, run.failed) == ("partial", 1)
    assert (outcomes[refused].state, outcomes[refused].error_code) == ("failed", "not_stored")
    assert still.stored_account(refused) == before
    assert_exact(still.stored_account(starred), still.sandbox.ground_truth(starred))
    items = still.rows("SELECT login, state FROM ingest_item WHERE run_id = :id", id=run.id)
    assert dict(items) == {item.login: item.state for item in run.items}
    assert len(items) == len(logins)


def test_accounts_whose_common_transaction_meets_a_conflict_are_stored_one_by_one(still, together, monkeypatch):
    stored_together = []

    def store_accounts(connection, run_id, responses, **given):
        stored_together.append(len(responses))
        items = store.store_accounts(connection, run_id, responses, **given)
        if len(responses) > 1:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'met another' USING ERRCODE = '40P01'; END $$"))
        return items

    logins = still.world.logins()
    monkeypatch.setattr(batch, "store", SimpleNamespace(store_accounts=store_accounts))
    run = still.refresh(*logins)
    assert (run.state, run.stored, len(run.items)) == ("done", len(logins), len(logins))
    assert stored_together == [len(logins)] + [1] * len(logins)
    assert still.count("capture") == len(logins)


def test_accounts_that_were_stored_before_the_database_went_away_are_counted(still, together, monkeypatch):
    """One by one: the third and all later ones are left to the next attempt of the job."""

    def store_accounts(connection, run_id, responses, **given):
        if len(responses) > 1 or connection.scalar(text("SELECT count(*) FROM ingest_item")) == 2:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$"))
        return store.store_accounts(connection, run_id, responses, **given)

    monkeypatch.setattr(batch, "store", SimpleNamespace(store_accounts=store_accounts))
    with pytest.raises(DBAPIError):
        still.refresh(*still.world.logins())
    assert still.rows("SELECT state, stored, failed FROM ingest_run") == [("stopped", 2, 0)]
    assert still.count("capture") == 2


def test_two_logins_of_one_account_are_stored_one_after_the_other(still, together):
    login = still.login_with_most_repositories("user")
    still.world.edit.rename(login, "somebody-else")
    run = still.refresh(login, "somebody-else")
    assert [item.is_stored for item in run.items] == [True, True]
    assert still.count("capture") == 2
    assert still.rows("SELECT count(*) FROM account WHERE github_id IS NOT NULL") == [(1,)]
    assert_exact(still.stored_account("somebody-else"), still.sandbox.ground_truth("somebody-else"))


def test_an_account_tracked_by_two_logins_before_it_was_ever_refreshed_becomes_one(still):
    """Both names are members of a collection, and both rows give way to the account's."""
    former = still.world.logins()[0]
    still.world.edit.rename(former, "somebody-else")
    with still.engine.begin() as connection:
        connection.execute(text("INSERT INTO collection (name) VALUES ('Pets')"))
        for login in (former, "somebody-else"):
            accounts.track(connection, login, "ada")
        connection.execute(
            text(
                "INSERT INTO collection_member (collection_id, account_id) SELECT collection.id, account.id"
                "  FROM collection, account"
            )
        )
    assert [item.state for item in still.refresh(former).items] == ["stored"]
    (account_id,) = still.rows("SELECT id FROM account")[0]
    assert still.rows("SELECT account_id FROM tracked_account") == [(account_id,)]
    assert still.rows("SELECT account_id FROM collection_member") == [(account_id,)]


def test_a_repository_that_moves_between_two_accounts_of_one_run_moves_once(still, together):
    giver, taker = still.login_with_most_repositories("user"), still.login_with_most_repositories("organization")
    still.refresh(giver, taker)
    full_name = still.active_repository(giver)
    still.world.advance(seconds=30)
    still.world.edit.transfer(full_name, taker)
    assert still.refresh(giver, taker).stored == 2
    for login in (giver, taker):
        assert_exact(still.stored_account(login), still.sandbox.ground_truth(login))
    moved = f"{taker}/{full_name.partition('/')[2]}"
    assert still.rows("SELECT before, after FROM change WHERE kind = 'transferred'") == [(full_name, moved)]
    with still.engine.begin() as connection:
        assert count_differences(connection) == 0


def test_a_login_in_two_spellings_is_requested_once(still):
    login = still.login_with_most_repositories("user")
    assert len(still.refresh(login, login.upper(), f"https://github.com/{login}").items) == 1


def test_an_older_response_never_overwrites_a_newer_one(still):
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    stars = still.stored_account(login)["account"]["stars"]
    with still.engine.begin() as connection:
        checked_at = connection.scalar(text("SELECT max(checked_at) FROM account"))
        later = {"at": checked_at + timedelta(hours=1)}
        connection.execute(text("UPDATE account SET checked_at = :at WHERE checked_at IS NOT NULL"), later)
    still.world.edit.star(still.active_repository(login), 5)
    assert still.one(login).rows_written == 0
    assert still.stored_account(login)["account"]["stars"] == stars


def test_a_run_is_stored_with_its_cost(still):
    login = still.login_with_most_repositories()
    run = still.refresh(login, "no-such-account-anywhere")
    (row,) = still.rows(
        "SELECT state, accounts, stored, failed, requests, finished_at IS NOT NULL FROM ingest_run WHERE id = :id",
        id=run.id,
    )
    assert row == ("partial", 2, 1, 1, run.requests, True)
    assert run.requests == len(still.sandbox.log)
    items = still.rows("SELECT login, state, error IS NULL FROM ingest_item WHERE run_id = :id", id=run.id)
    assert set(items) == {(login, "stored", True), ("no-such-account-anywhere", "failed", False)}


def test_pages_see_a_run_once_it_has_finished(still):
    from core.db.data_version import data_version

    before = data_version()
    still.refresh(still.login_with_most_repositories())
    assert data_version() == before + 1


def test_a_stop_ends_between_accounts_and_leaves_complete_ones(still):
    stop = threading.Event()
    stop.set()
    run = still.refresher.run(RefreshRequest(JobOrigin("test"), logins=still.world.logins()), stop=stop)
    assert run.state == "stopped"
    assert still.rows("SELECT state FROM ingest_run") == [("stopped",)]


@pytest.fixture
def kept_by_somebody(still, tmp_path):
    """Return a function that imports days of stars of a repository by its name."""

    def keep(full_name, *days):
        rows = [f"{day},{full_name},7,1,0" for day in days]
        file = tmp_path / "kept.csv"
        file.write_text("\n".join(["captured_on,full_name,stars,forks,open_issues", *rows]))
        import_history(file, "somebody", engine=still.engine)

    return keep


def source_ids(still, full_name):
    return still.rows(
        "SELECT DISTINCT source_id FROM repository_snapshot JOIN repository ON id = repository_id"
        " WHERE full_name = :name AND github_id IS NOT NULL ORDER BY source_id",
        name=full_name,
    )


def test_imported_history_is_adopted_when_the_repository_first_appears(still, kept_by_somebody):
    login = still.login_with_most_repositories("user")
    full_name = still.active_repository(login)
    kept_by_somebody(full_name, "2026-11-01", "2026-11-08")
    still.refresh(login)
    assert len(source_ids(still, full_name)) == 2
    assert still.rows("SELECT count(*) FROM account WHERE lower(login) = lower(:login)", login=login) == [(1,)]


def test_history_older_than_the_account_is_not_adopted_but_tracking_is(still, kept_by_somebody):
    login = still.login_with_most_repositories("user")
    full_name = still.active_repository(login)
    kept_by_somebody(full_name, "2008-06-01")
    with still.engine.begin() as connection:
        accounts.track(connection, login, "test")
    still.refresh(login)
    assert source_ids(still, full_name) == [(1,)]
    wanted = still.rows("SELECT github_id IS NOT NULL FROM tracked_account JOIN account ON id = account_id")
    assert wanted == [(True,)]
    assert still.rows("SELECT count(*) FROM account WHERE lower(login) = lower(:login)", login=login) == [(2,)]


def test_a_repository_missing_from_the_list_but_present_stays_available(still):
    """A list that shifts during paging can omit an item; its state is requested, not guessed."""
    login = still.login_with_most_repositories()
    still.refresh(login)
    with still.engine.begin() as connection:
        connection.execute(text("UPDATE repository_current SET stars = stars + 1"))
    still.sandbox.faults.shift(login, 1)
    item = still.one(login)
    still.sandbox.faults.clear()
    assert_exact(still.stored_account(login), still.sandbox.ground_truth(login))
    assert [kind for kind, _, _ in still.changes(login)] == []
    assert item.account_id


def test_history_imported_after_the_first_refresh_updates_growth_at_once(still, kept_by_somebody):
    login = still.login_with_most_repositories("user")
    full_name = still.active_repository(login)
    still.refresh(login)
    now = still.world.clock.now()
    month_ago = datetime.fromtimestamp(now, UTC).date() - timedelta(days=30)
    kept_by_somebody(full_name, month_ago.isoformat())
    (row,) = still.rows(
        "SELECT stars, stars_30d FROM repository_summary WHERE full_name = :name",
        name=full_name,
    )
    assert row == (row[0], row[0] - 7)


def test_an_account_that_a_wrong_clock_stored_is_not_asked_for_each_minute(still):
    """An Enterprise Server whose clock was a day ahead: until then all responses are older than the stored one."""
    login = still.world.logins()[0]
    with still.engine.begin() as connection:
        accounts.track(connection, login, "test")
    still.refresh(login)
    with still.engine.begin() as connection:
        account_id = accounts.find_account_id(connection, login)
        values = {"now": datetime.now(UTC), "ahead": datetime.now(UTC) + timedelta(days=1)}
        connection.execute(text("UPDATE account SET checked_at = :ahead"), values)
        connection.execute(text("UPDATE tracked_account SET job_id = 7, queued_at = :now, due_at = :now"), values)
    with capture_logs() as logs:
        still.refresher.run(RefreshRequest(JobOrigin("test"), account_ids=[account_id], job_id=7))
    (row,) = still.rows("SELECT job_id, due_at > now() + interval '5 hours' FROM tracked_account")
    assert row == (None, True)
    assert [one["login"] for one in logs if one["event"] == "stored time lies ahead, response ignored"] == [login]


def test_what_is_stored_of_an_incomplete_response_is_published_and_raises_its_alerts(still, monkeypatch):
    """Its outcome is a failure, as the next refresh corrects it; what it brought is stored all the same."""
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    still.world.edit.archive(still.active_repository(login))
    outcome = store.outcome
    monkeypatch.setattr(store, "outcome", lambda *given: replace(outcome(*given), error_code="incomplete"))
    version = "SELECT version FROM data_version"
    before = still.rows(version)[0][0]
    run = still.refresh(login)
    assert (run.stored, run.failed) == (0, 1)
    assert still.rows(version)[0][0] > before
    assert still.rows("SELECT kind FROM alert") == [("archived",)]


def test_a_retried_job_only_requests_unfinished_accounts(still):
    done, left = still.world.logins()[:2]
    with still.engine.begin() as connection:
        for login in (done, left):
            accounts.track(connection, login, "test")
        ids = [accounts.find_account_id(connection, login) for login in (done, left)]
        connection.execute(
            text("UPDATE tracked_account SET job_id = 7, queued_at = now() WHERE account_id = :id"), {"id": ids[1]}
        )
    run = still.refresher.run(RefreshRequest(JobOrigin("test"), account_ids=ids, job_id=7))
    assert [item.login for item in run.items] == [left]


def test_a_finished_run_releases_its_lock_even_when_closing_fails(still, monkeypatch):
    def fail(_connection, _run):
        raise ConnectionError

    monkeypatch.setattr(run_log, "_close_run", fail)
    with pytest.raises(ConnectionError):
        still.refresh(still.login_with_most_repositories("user"))
    # Postgres notices a moment later that the connection with the lock is closed.
    locks = "SELECT FROM pg_locks JOIN pg_database AS own ON own.oid = database WHERE locktype = 'advisory'"
    while still.rows(f"{locks} AND datname = current_database()"):
        time.sleep(0.01)
    with still.engine.begin() as connection:
        assert run_log.close_dead_runs(connection) == 1


@pytest.mark.parametrize("failing", ["publish_data_version", "run_transaction"])
def test_events_of_a_run_that_an_error_ended_raise_their_alerts_later(still, monkeypatch, failing):
    """Postgres goes away once the account is stored: the leader publishes it and raises the alert."""
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    still.world.edit.archive(still.active_repository(login))
    given = getattr(batch, failing)

    def fail_once_stored(*args, **named):
        if still.rows("SELECT FROM change WHERE kind = 'archived'"):
            raise DBAPIError("", {}, psycopg.OperationalError("connection lost"))
        return given(*args, **named)

    monkeypatch.setattr(batch, failing, fail_once_stored)
    with pytest.raises(DBAPIError):
        still.refresh(login)
    version = "SELECT version FROM data_version"
    before = still.rows(version)[0][0]
    for _ in range(2):
        ScheduledJobs(still.engine).finish_ended_runs()
        assert still.rows("SELECT kind FROM alert") == [("archived",)]
        assert still.rows(version) == [(before + 1,)]


def test_languages_never_fetched_are_unknown_rather_than_empty(still):
    login = still.login_with_most_repositories("user")
    still.refresh(login)
    with still.engine.begin() as connection:
        connection.execute(text("UPDATE repository SET languages_checked_at = NULL"))
        connection.execute(text("DELETE FROM repository_language"))
    languages_by_empty = {
        one["pushed_at"] is None: one["languages"] for one in still.stored_account(login)["repositories"]
    }
    assert languages_by_empty[False] is None
    assert languages_by_empty.get(True, {}) == {}


@pytest.mark.one_postgres("a table on every node has no triggers")
@pytest.mark.parametrize("sqlstate", ["53100", "57P01"])
def test_a_database_that_cannot_serve_fails_the_job_and_not_an_account(still, sqlstate):
    """The job is retried; the account is not postponed as if GitHub had refused it."""
    login = still.login_with_most_repositories("user")
    with still.engine.begin() as connection:
        connection.execute(
            text(f"""
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{sqlstate}'; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON account_snapshot FOR EACH ROW EXECUTE FUNCTION refuse();
            """)
        )
    with pytest.raises(DBAPIError):
        still.refresh(login)
    assert still.rows("SELECT login, state FROM ingest_item") == []


def test_an_account_moves_to_the_token_that_its_policy_admits_and_stays(sandbox, redis, committing_database):
    """The second refresh asks the admitted token alone; one that all are denied fails without a request."""
    login = next(login for login in sandbox.world.logins() if sandbox.world.account(login).kind == "Organization")
    sandbox.faults.deny("sandbox-token-1", login)
    with github_client(sandbox, redis, "sandbox-token-1", "sandbox-token-2") as github:
        ingestor = Ingestor(sandbox, github, committing_database)
        for _ in range(2):
            sandbox.log.clear()
            assert ingestor.one(login).is_stored
            ((stored,),) = ingestor.rows("SELECT token_fingerprint FROM account WHERE login = :login", login=login)
            assert stored == Token("sandbox-token-2").fingerprint
        assert {entry.owner for entry in sandbox.log} == {"sandbox-owner-2"}
        for token in ("sandbox-token-2", ""):
            sandbox.faults.deny(token, login)
        assert ingestor.one(login).error_code == "permission_denied"
        sandbox.log.clear()
        item = ingestor.one(login)
        assert (item.error_code, item.requests, len(sandbox.log)) == ("permission_denied", 0, 0)
        assert "forbids access" in item.error


def test_a_repository_tracked_alone_is_stored_alone_with_totals_of_its_account(still):
    """Asked for later, the others are stored then, and none of them is news."""
    login = still.login_with_most_repositories()
    truth = still.sandbox.ground_truth(login)
    names = [one["full_name"].partition("/")[2] for one in truth["repositories"]]
    with still.engine.begin() as connection:
        accounts.track(connection, login, "test", names[0])
    still.refresh(login)
    stored = "SELECT full_name FROM repository JOIN account ON account.id = account_id WHERE login = :login ORDER BY 1"
    assert still.rows(stored, login=login) == [(f"{login}/{names[0]}",)]
    languages = (
        "SELECT count(DISTINCT full_name) FROM repository_language JOIN repository ON repository.id = repository_id"
    )
    assert still.rows(languages) <= [(1,)]
    totals = "SELECT repositories FROM account_snapshot JOIN account ON account.id = account_id WHERE login = :login"
    assert still.rows(totals, login=login) == [(len(names),)]
    with still.engine.begin() as connection:
        accounts.track(connection, login, "test")
    still.refresh(login)
    assert len(still.rows(stored, login=login)) == len(names)
    assert still.changes(login) == []


def test_languages_of_what_is_not_tracked_are_not_fetched_after_a_rename(still, monkeypatch):
    login = still.login_with_most_repositories()
    tracked = still.active_repository(login).partition("/")[2]
    with still.engine.begin() as connection:
        accounts.track(connection, login, "test", tracked)
    considered, should_fetch = [], batch.should_fetch_languages

    def consider(state, repository, *given, **named):
        considered.append(repository.full_name)
        return should_fetch(state, repository, *given, **named)

    monkeypatch.setattr(batch, "should_fetch_languages", consider)
    still.refresh(login)
    still.world.advance(seconds=30)
    still.world.edit.rename(login, "somebody-else")
    assert still.one(login).is_stored
    assert considered == [f"{login}/{tracked}", f"somebody-else/{tracked}"]
