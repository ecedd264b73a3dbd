"""Facts that refreshes leave out because hardly anyone reads them: rare counts of users, and languages of forks."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from core.db.data_version import publish_data_version
from core.linguist import present_name
from core.queue.enrichment import FACT_KINDS
from ingest.enrichment import account_counts, due
from ingest.github.api.models import RareCounts


def graphql_points(harness):
    return sum(entry.points for entry in harness.sandbox.log if entry.path == "/graphql")


def test_rare_counts_of_all_users_cost_a_point(harness):
    """Two connections each: up to 74 users are one query. A snapshot is stored only where they differ."""
    world = harness.sandbox.world
    users = [login for login in world.logins() if world.account(login).kind == "User"]
    for login in users:
        harness.track(login)
    snapshots = harness.rows("SELECT count(*) FROM account_snapshot")[0][0]
    world.account(users[0]).following, world.account(users[0]).gists = 77, 12
    harness.sandbox.log.clear()
    run = harness.read("account_counts", *users)
    assert (run.stored, run.failed, run.rows_written) == (len(users), 0, 1)
    assert graphql_points(harness) == 1
    stored = harness.ingestor.stored_account(users[0])["account"]
    assert (stored["following"], stored["public_gists"]) == (77, 12)
    assert harness.rows("SELECT count(*) FROM account_snapshot") == [(snapshots + 1,)]
    followers = harness.rows(
        "SELECT DISTINCT followers, stars, repositories FROM account_snapshot WHERE account_id = :id",
        id=harness.id_of(users[0]),
    )
    assert len(followers) == 1  # nothing else was reported


def test_a_count_that_is_stored_days_after_it_was_fetched_changes_the_past(harness):
    """As by a worker whose machine was asleep in between."""
    world = harness.sandbox.world
    login = next(one for one in world.logins() if world.account(one).kind == "User")
    changed = "SELECT version - past_version FROM data_version"
    world.freeze(datetime.now(UTC) - timedelta(hours=40))
    harness.track(login)
    with harness.engine.begin() as connection:
        publish_data_version(connection)
    for hours, versions_ago in ((30, 0), (20, 1)):
        world.freeze(datetime.now(UTC) - timedelta(hours=hours))
        world.account(login).gists += 1
        assert harness.read("account_counts", login, force=True).rows_written == 1
        assert harness.rows(changed) == [(versions_ago,)]


def test_a_rare_count_that_was_not_reported_stays_as_stored(harness):
    login = next(one for one in harness.sandbox.world.logins() if harness.sandbox.world.account(one).kind == "User")
    harness.track(login)
    before = harness.ingestor.stored_account(login)["account"]
    with harness.engine.begin() as connection:
        assert account_counts.store(connection, harness.id_of(login), RareCounts(), harness.now()) == 0
        gists = RareCounts(public_gists=before["public_gists"] + 1)
        # Earlier than the newest snapshot by the clock: it is stored after it all the same.
        at = connection.scalar(text("SELECT min(captured_at) FROM account_snapshot"))
        assert account_counts.store(connection, harness.id_of(login), gists, at) == 1
    after = harness.ingestor.stored_account(login)["account"]
    assert (after["following"], after["public_gists"]) == (before["following"], before["public_gists"] + 1)


def test_languages_of_forks_are_read_a_hundred_and_forty_nine_a_point(harness):
    world = harness.sandbox.world
    for login in world.logins():
        harness.ingestor.refresh(login, urgent=False)
    truth = {
        one["full_name"]: one
        for login in world.logins()
        for one in harness.sandbox.ground_truth(login)["repositories"]
        if one["is_fork"] and one["pushed_at"]
    }
    assert truth
    assert harness.rows("SELECT count(*) FROM repository WHERE is_fork AND languages_checked_at IS NOT NULL") == [(0,)]
    harness.sandbox.log.clear()
    run = harness.read("fork_languages", *truth, force=True)
    assert (run.stored, run.failed) == (len(truth), 0)
    assert graphql_points(harness) == 1
    stored = {
        repository["id"]: repository["languages"]
        for login in world.logins()
        for repository in harness.ingestor.stored_account(login)["repositories"]
    }
    assert {one["id"]: stored[one["id"]] for one in truth.values()} == {
        one["id"]: {present_name(name): size for name, size in one["languages"].items()} for one in truth.values()
    }


def test_only_forks_are_due_and_only_from_idle_budget(harness):
    for login in harness.sandbox.world.logins():
        harness.track(login)
    with harness.engine.begin() as connection:
        found = due.due_subjects(connection, FACT_KINDS["fork_languages"], harness.now(), 500)
    forks = harness.rows("SELECT id FROM repository WHERE is_fork AND pushed_at IS NOT NULL AND gone_at IS NULL")
    assert forks
    assert sorted((one.id,) for one in found) == sorted(forks)
    assert FACT_KINDS["fork_languages"].reserve_for(is_anonymous=False) > FACT_KINDS["extras"].reserve_for(
        is_anonymous=False
    )
