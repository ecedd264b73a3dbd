"""Enrichment facts as recorded from the real GitHub, and malformed ones."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.github import InvalidResponse, PermissionDenied
from ingest.github.api.fact_types import (
    StarWeek,
    contributor_absence_factor,
    daily_counts,
    pacific_day,
    parse_commit_weeks,
    parse_contributors,
    parse_releases,
    parse_star_weeks,
    parse_traffic,
)
from ingest.github.api.facts import FactSubject
from ingest.github.api.models import PARSE_ERRORS
from ingest.github.errors import StatisticsNotReady
from tests.ingest.github.fake_server import CannedResponse, fake_server, replay


def test_contributors_as_recorded(client, recorded):
    with fake_server(replay(recorded, "contributors-01-200")) as server:
        read = client(server.url).facts.contributors(FactSubject(617210, "hub4j/github-api"))
    assert len(read.value) >= 30
    assert read.value[0].login == "kohsuke"
    assert not read.value[0].is_bot
    assert read.captured_at.year == 2019


def test_contributors_beyond_a_full_page_that_did_not_change_are_read(client):
    """GitHub answers 304 without a Link header: the one of before, when there was no further page, is out of date."""
    pages = {"1": [{"id": n, "login": f"a{n}", "contributions": 5} for n in range(100)], "2": []}

    def respond(request):
        body = pages[request.query.get("page", "1")]
        etag = f'"{len(body)}"'
        if request.headers.get("if-none-match") == etag:
            return CannedResponse(304, None, {"etag": etag})
        return CannedResponse(200, body, {"etag": etag})

    with fake_server(respond) as server:
        facts = client(server.url, "a-token").facts
        assert len(facts.contributors(FactSubject(1, "octo/cat")).value) == 100
        pages["2"] = [{"id": 100, "login": "a100", "contributions": 1}]
        assert len(facts.contributors(FactSubject(1, "octo/cat")).value) == 101
        assert len(server.received) == 4


def test_contributors_without_an_account_are_omitted(client, recorded):
    with fake_server(replay(recorded, "contributors-02-200")) as server:
        read = client(server.url).facts.contributors(FactSubject(617210, "hub4j/github-api"))
    assert all(one.login for one in read.value)


def test_an_empty_repository_has_no_contributors_as_recorded(client, recorded):
    with fake_server(replay(recorded, "empty_repo-02-204")) as server:
        read = client(server.url).facts.contributors(FactSubject(1, "hub4j-test-org/empty"))
    assert (read.value, read.captured_at.year) == ([], 2019)


def test_releases_as_recorded(client, recorded):
    with fake_server(replay(recorded, "releases-09-200")) as server:
        read = client(server.url).facts.releases(FactSubject(3544490, "PyGithub/PyGithub"))
    assert read.has_more
    assert [one.tag for one in read.value][:1] == ["v1.55"]
    assert all(one.published_at and not one.is_prerelease for one in read.value)


def test_commit_activity_as_recorded_first_202_then_200(client, recorded):
    with fake_server(replay(recorded, "stats-12-202", "stats-13-200")) as server:
        facts = client(server.url).facts
        with pytest.raises(StatisticsNotReady):
            facts.commit_weeks(FactSubject(3544490, "PyGithub/PyGithub"))
        assert len(facts.commit_weeks(FactSubject(3544490, "PyGithub/PyGithub")).value) == 52


def test_traffic_as_recorded(client, recorded):
    with fake_server(replay(recorded, "traffic-03-200", "traffic-04-200")) as server:
        read = client(server.url).facts.traffic(FactSubject(617210, "hub4j/github-api"))
    first = read.value[0]
    assert first.day == date(2020, 2, 8)
    assert (first.views, first.unique_views) == (101, 31)
    assert first.clones is not None


def test_traffic_without_push_access_as_recorded(client, recorded):
    with (
        fake_server(replay(recorded, "forbidden-02-403", "forbidden-03-403")) as server,
        pytest.raises(PermissionDenied, match="push access"),
    ):
        client(server.url).facts.traffic(FactSubject(1, "hub4j-test-org/github-api"))


WEEK = {"week": 1763856000, "total": 3, "days": [0, 1, 2, 0, 0, 0, 0]}


@pytest.mark.parametrize(
    "body",
    [
        {"message": "no list"},
        [1],
        [WEEK | {"days": [1, 2]}],
        [WEEK | {"days": [-1] * 7}],
        [WEEK | {"days": None}],
        [WEEK | {"week": 10**20}],
        [WEEK | {"week": "soon"}],
        [WEEK | {"days": [float("inf")] * 7}],
    ],
)
def test_a_malformed_star_history_raises_invalid_response(client, body):
    with (
        fake_server(lambda _request: CannedResponse(body=body)) as server,
        pytest.raises(InvalidResponse, match="star history"),
    ):
        client(server.url).facts.star_weeks(FactSubject(1, "octo/cat"))


def test_a_star_history_page_is_requested_by_number(client):
    with fake_server(lambda _request: CannedResponse(body=[WEEK])) as server:
        read = client(server.url).facts.star_weeks(FactSubject(1, "octo/cat"), 7)
    assert server.received[0].path == "/repos/octo/cat/stargazers/history"
    assert server.received[0].query == {"page": "7"}
    assert read.value == [StarWeek(date(2025, 11, 23), (0, 1, 2, 0, 0, 0, 0))]
    assert not read.has_more


def test_future_days_are_not_zero():
    today = date(2025, 11, 25)
    assert daily_counts(parse_star_weeks([WEEK]), today) == {
        date(2025, 11, 23): 0,
        date(2025, 11, 24): 1,
        date(2025, 11, 25): 2,
    }


def test_pacific_days_follow_daylight_saving_time():
    """Eight hours behind UTC in winter, seven in summer."""
    assert pacific_day(datetime(2026, 1, 10, 7, 59, tzinfo=UTC)) == date(2026, 1, 9)
    assert pacific_day(datetime(2026, 1, 10, 8, 0, tzinfo=UTC)) == date(2026, 1, 10)
    assert pacific_day(datetime(2026, 7, 10, 7, 0, tzinfo=UTC)) == date(2026, 7, 10)


@given(st.lists(st.integers(0, 10_000), max_size=60))
def test_absence_factor_is_the_smallest_group_with_half_the_commits(commits):
    factor = contributor_absence_factor(commits)
    ordered = sorted(commits, reverse=True)
    assert sum(ordered[:factor]) * 2 >= sum(ordered)
    assert factor == 0 or sum(ordered[: factor - 1]) * 2 < sum(ordered)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["week", "days", "id", "login", "contributions", "views", "tag_name"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_body_is_parsed_or_raises_a_parse_error(body):
    for read in (
        parse_star_weeks,
        parse_commit_weeks,
        parse_contributors,
        parse_releases,
        lambda reported: parse_traffic(reported, "views"),
    ):
        try:
            assert isinstance(read(body), list)
        except PARSE_ERRORS:
            continue
