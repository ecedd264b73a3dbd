"""Contributors, releases and commits are stored as reported, and again only when they differ."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from core.queue.enrichment import MAX_TRIES_WHILE_COMPUTING
from ingest.github.api.fact_types import contributor_absence_factor
from ingest.sandbox.world import repository_facts
from ingest.sandbox.world.repositories import FAR_FUTURE


@pytest.fixture
def busy(harness):
    """Return the full name of a repository with releases and more contributors than one page has."""
    world = harness.sandbox.world
    found = max(
        (r for r in world.repositories.values() if world.shows(r) and repository_facts.releases(r, world.now())),
        key=lambda r: len(repository_facts.contributors(r, world.now())),
    )
    found.star_curve = type(found.star_curve)(found.created_at, 86400, 90_000.0, 200.0, 1.0)
    found.work = type(found.work)(found.id, found.created_at, 86400, FAR_FUTURE)
    harness.track(found.owner.login)
    return found.full_name


def ground_truth(harness, name, what):
    return what(harness.sandbox.world.repository(name), harness.sandbox.world.now())


@pytest.mark.parametrize(
    ("commits", "factor"),
    [
        ([1000, 202, 90, 33, 332, 343, 42, 433], 2),  # CHAOSS' own example
        ([1], 1),
        ([], 0),
        ([0, 0], 0),
        ([5, 5], 1),
        ([1, 1, 1, 1], 2),
    ],
)
def test_the_contributor_absence_factor_matches_chaoss(commits, factor):
    assert contributor_absence_factor(commits) == factor


def test_all_contributor_pages_are_read_and_bots_counted_separately(harness, busy):
    people = ground_truth(harness, busy, repository_facts.contributors)
    assert len(people) > 100
    harness.read("contributors", busy)
    humans = [one["contributions"] for one in people if one["type"] == "User"]
    stored = harness.rows("SELECT contributors, bots, commits, absence_factor, is_complete FROM contributor_snapshot")
    assert stored == [(len(humans), len(people) - len(humans), sum(humans), contributor_absence_factor(humans), True)]
    assert harness.ingestor.count("repository_contributor") == 100
    top = harness.rows("SELECT login FROM repository_contributor ORDER BY commits DESC LIMIT 1")
    assert top == [(people[0]["login"],)]


def test_unchanged_facts_are_stored_once(harness, busy):
    harness.sandbox.world.freeze()
    for kind in ("contributors", "releases"):
        assert harness.read(kind, busy).rows_written > 0
        again = harness.read(kind, busy, force=True)
        assert again.rows_written == 0
        assert again.tally.not_modified == again.tally.requests


@pytest.mark.one_postgres("a table that lies on the nodes has no triggers")
@pytest.mark.parametrize(
    ("sqlstate", "message"), [("40P01", "no"), ("42P01", 'relation "release_102292" does not exist')]
)
def test_a_fact_whose_storing_met_a_conflict_is_stored_and_asked_for_once(harness, busy, sqlstate, message):
    """The table of releases raises it at the first row, then no more: a sequence outlives the rollback."""
    with harness.engine.begin() as connection:
        connection.execute(
            text(f"""
                CREATE SEQUENCE tries;
                CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF nextval('tries') = 1 THEN RAISE EXCEPTION '{message}' USING ERRCODE = '{sqlstate}'; END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER fail_first BEFORE INSERT ON release FOR EACH ROW EXECUTE FUNCTION fail_first();
            """)
        )
    run = harness.read("releases", busy)
    assert (run.stored, run.failed, run.tally.requests) == (1, 0, 1)
    assert harness.ingestor.count("release") > 0


def test_releases_are_stored_with_the_latest_stable_one(harness, busy):
    harness.sandbox.world.freeze()
    harness.read("releases", busy)
    given = ground_truth(harness, busy, repository_facts.releases)[:100]
    latest = next(one for one in given if not one["prerelease"])
    (stored,) = harness.rows("SELECT releases, downloads, latest_tag, is_complete FROM release_snapshot")
    downloads = sum(one["assets"][0]["download_count"] for one in given)
    assert stored == (
        len(given),
        downloads,
        latest["tag_name"],
        len(ground_truth(harness, busy, repository_facts.releases)) <= 100,
    )
    assert harness.ingestor.count("release") == len(given)


def test_a_withdrawn_release_is_marked_and_kept(harness, busy, monkeypatch):
    harness.read("releases", busy)
    every, before = repository_facts.releases, harness.ingestor.count("release")
    monkeypatch.setattr(repository_facts, "releases", lambda repository, moment: every(repository, moment)[1:])
    harness.read("releases", busy, force=True)
    gone = harness.rows("SELECT tag FROM release WHERE gone_at IS NOT NULL")
    assert gone == [(every(harness.sandbox.world.repository(busy), harness.sandbox.world.now())[0]["tag_name"],)]
    assert harness.ingestor.count("release") >= before


def test_a_release_of_which_only_the_commit_s_date_changed_is_stored_again(harness, busy, monkeypatch):
    """As when a tag is moved: the newest release is the one with the newest commit."""
    harness.sandbox.world.freeze()
    harness.read("releases", busy)
    every, moved_to = repository_facts.releases, "2001-02-03T04:05:06Z"

    def with_a_moved_tag(repository, moment):
        first, *others = every(repository, moment)
        return [{**first, "created_at": moved_to}, *others]

    monkeypatch.setattr(repository_facts, "releases", with_a_moved_tag)
    harness.read("releases", busy, force=True)
    assert harness.rows("SELECT count(*) FROM release WHERE created_at = :at", at=moved_to) == [(1,)]


def test_commits_are_stored_once_github_has_computed_them(harness, busy):
    """The first response is 202, which is no failure: minutes later the year is read."""
    run = harness.read("commit_activity", busy)
    assert (run.stored, run.failed, run.tally.requests) == (0, 0, 1)
    state, failed_attempts, _, due_at, _ = harness.state("commit_activity", busy)
    assert (state, failed_attempts) == ("computing", 1)
    assert timedelta() < due_at - harness.now() <= timedelta(minutes=2)
    assert harness.read("commit_activity", busy, force=True).stored == 1
    weeks = ground_truth(harness, busy, repository_facts.commit_activity)
    total = harness.rows(
        "SELECT sum(commits), min(first_day) FROM commit_day, enrichment WHERE kind = 'commit_activity'"
    )
    assert total[0][0] == sum(week["total"] for week in weeks)
    assert total[0][1].isoweekday() == 7
    assert harness.state("commit_activity", busy)[:2] == ("stored", 0)


def test_statistics_never_computed_become_unavailable(harness, busy):
    harness.sandbox.service.rest.facts.never_ready.add(busy)
    for _ in range(MAX_TRIES_WHILE_COMPUTING):
        harness.read("commit_activity", busy, force=True)
    state, tries, reason, due_at, _ = harness.state("commit_activity", busy)
    assert (state, tries) == ("unavailable", MAX_TRIES_WHILE_COMPUTING)
    assert "still computing" in reason
    assert due_at - harness.now() > timedelta(days=6)


def test_an_empty_repository_has_no_contributors(harness):
    world = harness.sandbox.world
    empty = next(r for r in world.repositories.values() if world.shows(r) and r.owner.kind == "User")
    empty.empty = True
    harness.track(empty.owner.login)
    assert harness.read("contributors", empty.full_name, force=True).stored == 1
    assert harness.rows("SELECT contributors, absence_factor FROM contributor_snapshot") == [(0, 0)]
