"""A tracked account stays the same when its login is reused by another account."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.queue.jobs import JobOrigin
from core.tracking import accounts
from ingest.refresh.batch import RefreshRequest


@pytest.fixture(params=["ingestor", "anonymous"])
def still(request):
    ingestor = request.getfixturevalue(request.param)
    ingestor.world.freeze()
    return ingestor


@pytest.fixture
def taken(still):
    """Refresh and track two accounts, then let the second take the login that the first gives up."""
    first, second = still.world.logins()[:2]
    still.refresh(first)
    with still.engine.begin() as connection:
        accounts.track(connection, first, "test")
        account_id = accounts.find_account_id(connection, first)
        connection.execute(text("UPDATE tracked_account SET queued_at = now(), job_id = 7"))
    still.world.advance(seconds=30)
    return first, second, account_id


def refresh_again(still, account_id):
    run = still.refresher.run(RefreshRequest(JobOrigin("test"), account_ids=[account_id]))
    (marks,) = still.rows("SELECT queued_at, job_id FROM tracked_account")
    assert marks == (None, None)
    return run.items[0]


def test_a_renamed_account_is_followed_when_its_login_is_reused(still, taken):
    first, second, account_id = taken
    still.world.edit.rename(first, "the-old-one")
    still.world.edit.rename(second, first)
    item = refresh_again(still, account_id)
    assert item.is_stored, item.error
    assert item.account_id == account_id
    assert ("renamed", first, "the-old-one") in still.changes("the-old-one")
    assert (
        still.stored_account("the-old-one")["account"]["id"]
        == still.sandbox.ground_truth("the-old-one")["account"]["id"]
    )


def test_a_deleted_account_is_unavailable_when_its_login_is_reused(still, taken):
    first, second, account_id = taken
    still.world.edit.rename(first, "the-old-one")
    still.world.edit.rename(second, first)
    still.world.edit.delete("the-old-one")
    item = refresh_again(still, account_id)
    assert (item.state, item.error_code) == ("deleted", "account_not_found")
    assert still.rows("SELECT gone_at IS NOT NULL FROM account WHERE id = :id", id=account_id) == [(True,)]


def test_a_refresh_by_login_returns_the_current_owner(still, taken):
    first, second, account_id = taken
    still.world.edit.rename(first, "the-old-one")
    still.world.edit.rename(second, first)
    item = still.one(first)
    assert item.is_stored
    assert item.account_id != account_id
    assert still.stored_account(first)["account"]["id"] == still.sandbox.ground_truth(first)["account"]["id"]


def test_an_unavailable_account_is_requested_once_a_day(still, taken):
    first, _, account_id = taken
    still.world.edit.delete(first)
    assert refresh_again(still, account_id).state == "deleted"
    (due,) = still.rows("SELECT due_at FROM tracked_account")
    assert due[0] > datetime.now(UTC) + timedelta(hours=23)


def test_refreshing_and_showing_a_former_login_finds_the_renamed_account(still):
    first = still.world.logins()[0]
    still.refresh(first)
    still.world.advance(seconds=30)
    still.world.edit.rename(first, "the-new-one")
    still.refresh("the-new-one")
    still.world.advance(seconds=30)
    (item,) = still.refresh(first).items
    assert (item.is_stored, item.login) == (True, "the-new-one")
    assert still.stored_account(first)["account"]["login"] == "the-new-one"
