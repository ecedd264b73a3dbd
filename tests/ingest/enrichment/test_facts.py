"""Contributors, releases and commits are stored as reported, and again only when they differ."""

from datetime import timedelta

import pytest

from core.queue.enrichment import MAX_TRIES_WHILE_COMPUTING
from ingest.github.api.fact_types import contributor_absence_factor
from ingest.sandbox.world import repository_facts
from ingest.sandbox.world.repositories import FAR_FUTURE


@pytest.fixture
def busy(readings):
    """The full name of a repository with releases, and more contributors than a page holds."""
    world = readings.sandbox.world
    found = max(
        (r for r in world.repositories.values() if world.shows(r) and repository_facts.releases(r, world.now())),
        key=lambda r: len(repository_facts.contributors(r, world.now())),
    )
    found.star_curve = type(found.star_curve)(found.created_at, 86400, 90_000.0, 200.0, 1.0)
    found.work = type(found.work)(found.id, found.created_at, 86400, FAR_FUTURE)
    readings.track(found.owner.login)
    return found.full_name


def told(readings, name, what):
    return what(readings.sandbox.world.repository(name), readings.sandbox.world.now())


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
def test_the_contributor_absence_factor_is_chaoss_own(commits, factor):
    assert contributor_absence_factor(commits) == factor


def test_contributors_are_read_to_the_last_page_and_bots_counted_apart(readings, busy):
    people = told(readings, busy, repository_facts.contributors)
    assert len(people) > 100
    readings.read("contributors", busy)
    humans = [one["contributions"] for one in people if one["type"] == "User"]
    held = readings.rows("SELECT contributors, bots, commits, absence_factor, is_complete FROM contributor_snapshot")
    assert held == [(len(humans), len(people) - len(humans), sum(humans), contributor_absence_factor(humans), True)]
    assert readings.ingestor.count("repository_contributor") == 100
    top = readings.rows("SELECT login FROM repository_contributor ORDER BY commits DESC LIMIT 1")
    assert top == [(people[0]["login"],)]


def test_what_did_not_change_is_written_once(readings, busy):
    readings.sandbox.world.freeze()
    for kind in ("contributors", "releases"):
        assert readings.read(kind, busy).rows_written > 0
        again = readings.read(kind, busy, force=True)
        assert again.rows_written == 0
        assert again.tally.not_modified == again.tally.requests


def test_releases_are_held_with_the_latest_that_is_no_prerelease(readings, busy):
    readings.read("releases", busy)
    given = told(readings, busy, repository_facts.releases)[:100]
    latest = next(one for one in given if not one["prerelease"])
    (held,) = readings.rows("SELECT releases, downloads, latest_tag, is_complete FROM release_snapshot")
    downloads = sum(one["assets"][0]["download_count"] for one in given)
    assert held == (
        len(given),
        downloads,
        latest["tag_name"],
        len(told(readings, busy, repository_facts.releases)) <= 100,
    )
    assert readings.ingestor.count("release") == len(given)


def test_a_release_that_was_taken_back_is_marked_and_kept(readings, busy, monkeypatch):
    readings.read("releases", busy)
    every, before = repository_facts.releases, readings.ingestor.count("release")
    monkeypatch.setattr(repository_facts, "releases", lambda repository, moment: every(repository, moment)[1:])
    readings.read("releases", busy, force=True)
    gone = readings.rows("SELECT tag FROM release WHERE gone_at IS NOT NULL")
    assert gone == [(every(readings.sandbox.world.repository(busy), readings.sandbox.world.now())[0]["tag_name"],)]
    assert readings.ingestor.count("release") >= before


def test_commits_come_when_github_has_computed_them(readings, busy):
    """The first answer is 202: the next sweep reads the year."""
    assert readings.read("commit_activity", busy).failed == 1
    state, failed_attempts, _, due_at, _ = readings.state("commit_activity", busy)
    assert (state, failed_attempts) == ("computing", 1)
    assert timedelta() < due_at - readings.now() <= timedelta(minutes=30)
    assert readings.read("commit_activity", busy, force=True).stored == 1
    weeks = told(readings, busy, repository_facts.commit_activity)
    total = readings.rows(
        "SELECT sum(commits), min(first_day) FROM commit_day, enrichment WHERE kind = 'commit_activity'"
    )
    assert total[0][0] == sum(week["total"] for week in weeks)
    assert total[0][1].isoweekday() == 7
    assert readings.state("commit_activity", busy)[:2] == ("stored", 0)


def test_statistics_that_never_come_count_as_unavailable(readings, busy):
    readings.sandbox.service.rest.facts.never_ready.add(busy)
    for _ in range(MAX_TRIES_WHILE_COMPUTING):
        readings.read("commit_activity", busy, force=True)
    state, tries, reason, due_at, _ = readings.state("commit_activity", busy)
    assert (state, tries) == ("unavailable", MAX_TRIES_WHILE_COMPUTING)
    assert "still computing" in reason
    assert due_at - readings.now() > timedelta(days=6)


def test_an_empty_repository_has_no_contributors(readings):
    world = readings.sandbox.world
    empty = next(r for r in world.repositories.values() if world.shows(r) and r.owner.kind == "User")
    empty.empty = True
    readings.track(empty.owner.login)
    assert readings.read("contributors", empty.full_name, force=True).stored == 1
    assert readings.rows("SELECT contributors, absence_factor FROM contributor_snapshot") == [(0, 0)]
