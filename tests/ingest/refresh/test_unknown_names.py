"""Names asked for before we ever saw their account: renamed ones are followed, others leave no trace."""

import pytest

from core.queue.jobs import JobOrigin
from core.tracking import accounts
from ingest.refresh.batch import RefreshRequest


@pytest.fixture(params=["ingestor", "anonymous"])
def still(request):
    ingestor = request.getfixturevalue(request.param)
    ingestor.world.freeze()
    return ingestor


def track(still, login):
    with still.engine.begin() as connection:
        accounts.track(connection, login, "test")
        return accounts.find_account_id(connection, login)


def test_a_login_renamed_before_we_saw_it_is_stored_under_its_present_name(still):
    former, login = still.world.logins()[0], "its-present-name"
    still.world.edit.rename(former, login)
    account_id = track(still, former)
    run = still.refresher.run(RefreshRequest(JobOrigin("test"), account_ids=[account_id]))
    (item,) = run.items
    assert item.is_stored, item.error
    assert (item.error_code, item.error) == (None, f"{former} is now called {login}")
    assert still.stored_account(login)["account"]["id"] == still.sandbox.ground_truth(login)["account"]["id"]
    # One account, tracked as before.
    assert still.rows("SELECT login, github_id IS NOT NULL, added_by FROM account JOIN tracked_account"
                      " ON account_id = account.id") == [(login, True, "test")]  # fmt: skip
    assert still.rows("SELECT count(*) FROM account WHERE lower(login) = lower(:login)", login=former) == [(0,)]


def test_a_name_that_was_never_an_account_leaves_no_trace(still):
    account_id = track(still, "never-an-account")
    run = still.refresher.run(RefreshRequest(JobOrigin("test"), account_ids=[account_id]))
    assert [(item.state, item.error_code) for item in run.items] == [("failed", "account_not_found")]
    assert still.count("tracked_account") == 0
    assert still.rows("SELECT count(*) FROM account WHERE login = 'never-an-account'") == [(0,)]


def test_an_account_that_is_gone_stays(still):
    login = still.world.logins()[0]
    still.refresh(login)
    account_id = track(still, login)
    still.world.advance(seconds=30)
    still.world.edit.delete(login)
    still.refresher.run(RefreshRequest(JobOrigin("test"), account_ids=[account_id]))
    assert still.count("tracked_account") == 1
    assert still.rows("SELECT gone_at IS NOT NULL FROM account WHERE id = :id", id=account_id) == [(True,)]


def test_rest_is_asked_once_for_a_login_that_graphql_does_not_know(ingestor):
    ingestor.sandbox.log.clear()
    ingestor.refresh("never-an-account")
    asked = [request.path for request in ingestor.sandbox.log]
    assert asked.count("/graphql") == 1
    assert asked.count("/users/never-an-account") == 1
    assert len(asked) == 2
