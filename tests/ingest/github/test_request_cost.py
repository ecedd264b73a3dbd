"""What a snapshot costs in points, requests and seconds, and that nobody asks while GitHub says wait."""

import threading
from math import ceil

import pytest

from ingest.github import AccountRequest, GitHub
from ingest.github.http.credentials import CredentialPool
from ingest.sandbox import World, serve

ACCOUNTS, REPOSITORIES = 45, 1100
# What passed the gate before the pause was told may need so long to arrive on a busy machine; pauses are twice that.
IN_FLIGHT_SECONDS = 1.5


@pytest.fixture
def sandbox():
    """Forty-five accounts with 1,100 repositories, the biggest with 350."""
    with serve(World(accounts=ACCOUNTS, repositories=REPOSITORIES, biggest=350, seed=9)) as sandbox:
        yield sandbox


def github_client(sandbox, *, redis=None, **how):
    return GitHub(api_url=sandbox.url, pool=CredentialPool.from_secrets(["sandbox-token-1"]), redis=redis, **how)


def fetch_all(github, sandbox, should_fetch_languages=lambda _a, one: one.pushed_at is not None):
    asks = [AccountRequest(login) for login in sandbox.world.logins()]
    results = list(github.accounts(asks, should_fetch_languages=should_fetch_languages))
    assert len(results) == len(asks)
    assert all(one.error is None and one.snapshot.is_complete and not one.snapshot.languages_failed for one in results)
    return results


def min_points_and_requests(sandbox):
    """The least that GitHub's price list allows: points, and requests at a hundred ids or pages' worth each."""
    truths = [sandbox.ground_truth(login) for login in sandbox.world.logins()]
    further = sum(max(0, ceil(len(truth["repositories"]) / 100) - 1) for truth in truths)
    pushed = sum(held["pushed_at"] is not None for truth in truths for held in truth["repositories"])
    organizations = sum(truth["account"]["kind"].lower() == "organization" for truth in truths)
    return (4 * len(truths) + further) / 100 + pushed / 100, organizations


def late_requests(pause):
    """Requests that came though everybody had had time to hear, on a busy machine, too."""
    return [at - pause.first_sent_at for at in pause.arrivals if at > pause.first_sent_at + IN_FLIGHT_SECONDS]


def test_a_first_snapshot_costs_hardly_more_than_its_connections(sandbox):
    points, organizations = min_points_and_requests(sandbox)
    with github_client(sandbox) as github:
        fetch_all(github, sandbox)
        assert github.usage.points <= points * 1.25 + 4
        assert github.usage.requests - organizations <= points * 0.7 + 4


def test_a_refresh_of_little_news_costs_little(sandbox, redis):
    """3 % were pushed: the pulses, a query or two of languages, and organizations that answer 304."""
    with github_client(sandbox, redis=redis) as github:
        fetch_all(github, sandbox)
        first = github.usage
        fetch_all(github, sandbox, lambda _a, one: one.github_id % 33 == 0)
        points = github.usage.points - first.points
        assert points <= 7
        assert github.usage.not_modified >= 10


@pytest.mark.parametrize("redis_too", [True, False])
def test_nobody_asks_during_a_pause(sandbox, redis, redis_too):
    """Two clients as two processes: what one is told, holds the other, too; but what was under way has to be borne."""
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


def test_failures_and_a_pause_cost_little_more_than_none(sandbox):
    with github_client(sandbox) as github:
        fetch_all(github, sandbox)
        calm = github.usage.requests
    sandbox.faults.errors(share=0.05)
    pause = sandbox.faults.pause(2 * IN_FLIGHT_SECONDS, after=20)
    with github_client(sandbox) as github:
        fetch_all(github, sandbox)
        assert github.usage.requests <= calm * 1.15 + 4  # a small world: the four are those in flight
    assert late_requests(pause) == []


def test_requests_overlap_but_never_more_than_a_few(sandbox):
    """Latency is borne once by several; GitHub's advice is to be few."""
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


def test_the_first_outcome_does_not_wait_for_the_last(sandbox):
    sandbox.latency_ms = 80
    with github_client(sandbox) as github:
        results = github.accounts(
            [AccountRequest(login) for login in sandbox.world.logins()], should_fetch_languages=lambda *_: True
        )
        next(results)
        sent_before_the_first = len(sandbox.log)
        list(results)
    assert sent_before_the_first < len(sandbox.log)
