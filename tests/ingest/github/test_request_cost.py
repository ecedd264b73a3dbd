"""The cost of a snapshot in points, requests and concurrency, and that nothing is sent during a pause."""

import threading
from math import ceil

import pytest

from ingest.github import AccountRequest, GitHub
from ingest.github.http.credentials import CredentialPool
from ingest.sandbox import World, serve
from ingest.sandbox.graphql.query_cost import Cost
from tests.ingest.github.account_results import account_results

ACCOUNTS, REPOSITORIES = 45, 1100
# On a busy machine a request that was sent before the pause may take this long to arrive; pauses are twice that.
IN_FLIGHT_SECONDS = 1.5


@pytest.fixture
def sandbox():
    """Forty-five accounts with 1,100 repositories, the biggest with 350."""
    with serve(World(accounts=ACCOUNTS, repositories=REPOSITORIES, biggest=350, seed=9)) as sandbox:
        yield sandbox


def github_client(sandbox, *, redis=None, **how):
    return GitHub(api_url=sandbox.url, pool=CredentialPool.from_secrets(["sandbox-token-1"]), redis=redis, **how)


def fetch_all(github, sandbox, should_fetch_languages=lambda _a, one: one.pushed_at is not None, known=()):
    """Fetch all accounts; *known* has the expected numbers of repositories by login."""
    expected = dict(known)
    requests = [AccountRequest(login, repositories=expected.get(login)) for login in sandbox.world.logins()]
    results = list(account_results(github, requests, should_fetch_languages=should_fetch_languages))
    assert len(results) == len(requests)
    assert all(one.error is None and one.snapshot.is_complete and not one.snapshot.languages_failed for one in results)
    return results


def further_pages_and_pushed(sandbox):
    truths = [sandbox.ground_truth(login) for login in sandbox.world.logins()]
    further = sum(max(0, ceil(len(truth["repositories"]) / 100) - 1) for truth in truths)
    pushed = sum(repository["pushed_at"] is not None for truth in truths for repository in truth["repositories"])
    return further, pushed


def late_requests(pause):
    """Return requests that arrived although all processes had time to learn of the pause."""
    return [at - pause.first_sent_at for at in pause.arrivals if at > pause.first_sent_at + IN_FLIGHT_SECONDS]


def test_a_first_snapshot_costs_little_more_than_its_connections(sandbox):
    """GitHub charges a point for up to 149 connections: a hundred, rounded to the nearest whole number."""
    assert further_pages_and_pushed(sandbox) == (4, 1075)
    with github_client(sandbox) as github:
        fetch_all(github, sandbox)
    # 45 new accounts have four connections each: 180 are two queries. The largest account's other pages come one after
    # the other: three. 1,075 languages are eight queries of up to 149.
    assert sandbox.log.points() == github.usage.points == 2 + 3 + 8
    # A query never costs more than a point.
    assert all(entry.points == 1 for entry in sandbox.log if entry.path == "/graphql")


def test_a_refresh_with_few_changes_costs_few_points(sandbox, redis):
    """3 % were pushed: pulse queries, a languages query, and 304 responses for organizations."""
    with github_client(sandbox, redis=redis) as github:
        known = {one.account_request.login: len(one.snapshot.repositories) for one in fetch_all(github, sandbox)}
        first = github.usage
        fetch_all(github, sandbox, lambda _a, one: one.github_id % 33 == 0, known)
        # 45 known accounts have two connections each: 90 are one query.
        assert github.usage.points - first.points == 1 + 3 + 1
        assert github.usage.not_modified >= 10


def test_counts_that_are_read_rarely_come_whenever_they_cost_nothing(sandbox):
    """37 accounts with four connections each are 148, one point; of 38 known ones only followers are fetched."""
    for accounts, is_complete in ((37, True), (38, False)):
        logins = sandbox.world.logins()[:accounts]
        sandbox.log.clear()
        with github_client(sandbox) as github:
            results = list(account_results(github, [AccountRequest(login, repositories=20) for login in logins],
                                           should_fetch_languages=lambda *_: False))  # fmt: skip
        found = [one.snapshot.account for one in results if one.snapshot.account.kind == "user"]
        assert found
        assert {one.following is not None and one.public_gists is not None for one in found} == {is_complete}
        assert all(one.followers is not None for one in found)


def test_a_server_that_rounds_up_gets_queries_of_a_hundred_connections(sandbox, monkeypatch):
    """149 connections cost two points there: after the first such response all queries have at most a hundred."""
    monkeypatch.setattr(Cost, "points", property(lambda cost: max(1, ceil(cost.requests / 100))))
    with github_client(sandbox, worker_threads=1) as github:
        fetch_all(github, sandbox)
    costs = [entry.points for entry in sandbox.log if entry.path == "/graphql"]
    assert costs.count(2) == 1


@pytest.mark.parametrize("redis_too", [True, False])
def test_no_process_sends_during_a_pause(sandbox, redis, redis_too):
    """A pause reported to one client holds the other, too; only requests in flight still arrive."""
    pause = sandbox.faults.pause(2 * IN_FLIGHT_SECONDS, after=6)
    clients = [github_client(sandbox, redis=redis if redis_too else None) for _ in range(2 if redis_too else 1)]
    threads = [threading.Thread(target=fetch_all, args=(github, sandbox)) for github in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for github in clients:
        github.close()
    assert late_requests(pause) == []
    assert len(pause.arrivals) <= 4 * len(clients)


def test_failures_and_a_pause_cost_few_extra_requests(sandbox):
    with github_client(sandbox) as github:
        fetch_all(github, sandbox)
        calm = github.usage.requests
    sandbox.faults.errors(share=0.05)
    pause = sandbox.faults.pause(2 * IN_FLIGHT_SECONDS, after=20)
    with github_client(sandbox) as github:
        fetch_all(github, sandbox)
        assert github.usage.requests <= calm * 1.15 + 4  # a small world: the four are those in flight
    assert late_requests(pause) == []


def test_at_most_four_requests_are_concurrent(sandbox):
    """Concurrency hides latency; GitHub advises to keep it low."""
    sandbox.latency_ms = 80
    with github_client(sandbox) as github:
        fetch_all(github, sandbox)
    began = [(entry.arrived, 1) for entry in sandbox.log]
    ended = [(entry.arrived + entry.seconds, -1) for entry in sandbox.log]
    at_once, most = 0, 0
    for _, change in sorted(began + ended):
        at_once += change
        most = max(most, at_once)
    assert 3 <= most <= 4


def test_the_first_result_does_not_wait_for_the_last(sandbox):
    sandbox.latency_ms = 80
    with github_client(sandbox) as github:
        results = account_results(
            github, [AccountRequest(login) for login in sandbox.world.logins()], should_fetch_languages=lambda *_: True
        )
        next(results)
        sent_before_the_first = len(sandbox.log)
        list(results)
    assert sent_before_the_first < len(sandbox.log)
