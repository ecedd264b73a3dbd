"""How a request fares: retries, waits, redirects, bounds, and what never leaves this process."""

import json
import threading

import pytest
from structlog.testing import capture_logs

from ingest.github import (
    BadCredentials,
    InvalidResponse,
    RateLimited,
    ServerError,
    Stopped,
    UnexpectedStatus,
    Unreachable,
)
from ingest.github.http import transport as transport_module
from tests.ingest.github.conftest import TOKEN
from tests.ingest.github.fake_server import CannedResponse, fake_server, respond_in_sequence

ACCOUNT = {"id": 583231, "login": "octocat", "type": "User", "public_repos": 8, "followers": 1, "following": 9}
OCTOCAT_RESPONSE = CannedResponse(200, ACCOUNT)
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}


def rate_limit_headers(remaining, reset, limit=60, resource="core"):
    told = {"limit": limit, "remaining": remaining, "reset": reset, "resource": resource}
    return {f"x-ratelimit-{name}": str(value) for name, value in told.items()}


def test_each_request_says_who_we_are_and_which_version_we_speak(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        client(server.url, TOKEN).account_by_id(583231)
        (asked,) = server.asked
    assert asked.path == "/user/583231"
    assert asked.headers["user-agent"] == "almanac/0.1"
    assert asked.headers["x-github-api-version"] == "2022-11-28"
    assert asked.headers["accept"] == "application/vnd.github+json"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_nobody_sends_no_authorization(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        client(server.url).account_by_id(583231)
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    "broken",
    [
        CannedResponse(502, b"<html>502</html>", {"content-type": "text/html"}),
        CannedResponse(500),
        CannedResponse(504),
        CannedResponse(200, b"<html>Unicorn!</html>"),
        CannedResponse(200, b'{"id": 583231, "log'),
        CannedResponse(200, b""),
        CannedResponse(200, b'{"id"', {"content-length": "500"}),
    ],
)
def test_a_passing_failure_is_tried_again(client, time, broken):
    with fake_server(respond_in_sequence(broken, OCTOCAT_RESPONSE)) as server:
        github = client(server.url)
        if "content-length" in broken.headers:
            server.say = respond_in_sequence(CannedResponse(200, b"", {"content-length": "0"}), OCTOCAT_RESPONSE)
        assert github.account_by_id(583231).login == "octocat"
    assert github.usage.requests == 2
    assert github.usage.retries == 1
    assert 0 < time.slept_seconds < 5


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (CannedResponse(503), ServerError),
        (CannedResponse(200, b"{"), InvalidResponse),
        (CannedResponse(200, b"<p>"), InvalidResponse),
    ],
)
def test_after_five_attempts_there_is_one_clear_sentence(client, broken, error):
    with fake_server(respond_in_sequence(broken)) as server:
        with pytest.raises(error) as failed:
            client(server.url, TOKEN).account_by_id(583231)
        assert len(server.asked) == 5
    assert str(failed.value).count(".") <= 1
    assert TOKEN not in repr(failed.value)


def test_no_network_is_a_sentence_too(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        pass
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 cannot be reached"):
        client(server.url).account_by_id(583231)


def test_a_server_that_is_down_is_not_asked_by_everybody_in_turn(client, time):
    """After many failures in a row the others fail at once; the sandbox of a person's patience is small."""
    with fake_server(respond_in_sequence(CannedResponse(502))) as server:
        github = client(server.url)
        for _ in range(20):
            with pytest.raises(ServerError):
                github.account_by_id(583231)
        assert len(server.asked) <= transport_module.FAILURE_THRESHOLD


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_is_waited_for_and_the_request_repeated(client, time, status):
    with fake_server(
        respond_in_sequence(CannedResponse(status, SECONDARY, {"retry-after": "7"}), OCTOCAT_RESPONSE)
    ) as server:
        github = client(server.url)
        assert github.account_by_id(583231).login == "octocat"
    assert 7 <= time.slept_seconds < 8
    assert github.usage.retries == 0


def test_a_wait_longer_than_patience_ends_the_call_and_all_that_follow_without_a_request(client, time):
    with fake_server(respond_in_sequence(CannedResponse(403, SECONDARY, {"retry-after": "3600"}))) as server:
        github = client(server.url)
        for _ in range(3):
            with pytest.raises(RateLimited) as limited:
                github.account_by_id(583231)
            assert 3590 < (limited.value.resets_at - time.now()).total_seconds() < 3610
        assert len(server.asked) == 1


def test_an_unstated_wait_is_at_least_a_minute(client, time):
    with fake_server(respond_in_sequence(CannedResponse(403, SECONDARY), OCTOCAT_RESPONSE)) as server:
        client(server.url).account_by_id(583231)
    assert 60 <= time.slept_seconds <= 76


def test_a_spent_budget_is_not_asked_until_its_reset(client, time):
    reset = int(time.now().timestamp()) + 1800
    date = time.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
    with fake_server(
        respond_in_sequence(CannedResponse(200, ACCOUNT, rate_limit_headers(0, reset) | {"date": date}))
    ) as server:
        github = client(server.url)
        github.account_by_id(583231)
        with pytest.raises(RateLimited) as limited:
            github.account_by_id(583231)
        assert len(server.asked) == 1
        time.sleep((limited.value.resets_at - time.now()).total_seconds() + 1)
        github.account_by_id(583231)
        assert len(server.asked) == 2


def test_a_clock_of_ours_that_is_wrong_does_no_harm(client, time):
    """GitHub's Date is five hours ahead of ours: its reset is twenty seconds off, not five hours."""
    ahead = int(time.now().timestamp()) + 5 * 3600
    date = {"date": "Mon, 23 Nov 2026 17:00:00 GMT"}
    spent = CannedResponse(403, {"message": "API rate limit exceeded"}, rate_limit_headers(0, ahead + 20) | date)
    with fake_server(respond_in_sequence(spent, OCTOCAT_RESPONSE)) as server:
        client(server.url).account_by_id(583231)
    assert 20 <= time.slept_seconds <= 23


def test_endless_refusals_end(client):
    with fake_server(respond_in_sequence(CannedResponse(429, SECONDARY, {"retry-after": "1"}))) as server:
        with pytest.raises(RateLimited):
            client(server.url).account_by_id(583231)
        assert len(server.asked) <= 6


def test_401_names_the_token_by_its_place(client):
    with fake_server(respond_in_sequence(CannedResponse(401, {"message": "Bad credentials"}))) as server:
        with pytest.raises(BadCredentials, match="token 1") as refused:
            client(server.url, TOKEN).account_by_id(583231)
        assert len(server.asked) == 1
    assert TOKEN not in str(refused.value)


def test_redirects_are_followed_within_our_host_only(client):
    def say(asked):
        return {
            "/user/1": CannedResponse(301, {}, {"location": "/user/2"}),
            "/user/2": CannedResponse(302, {}, {"location": "https://api.github.com/user/3"}),
            "/user/3": OCTOCAT_RESPONSE,
            "/user/4": CannedResponse(301, {}, {"location": "https://evil.example/steal"}),
            "/user/5": CannedResponse(307, {}, {"location": "/user/5"}),
        }[asked.path]

    with fake_server(say) as server:
        github = client(server.url, TOKEN)
        assert github.account_by_id(1).login == "octocat"
        with pytest.raises(UnexpectedStatus, match="another host"):
            github.account_by_id(4)
        with pytest.raises(UnexpectedStatus, match="too many redirects"):
            github.account_by_id(5)
        assert server.requested_paths() == ["/user/1", "/user/2", "/user/3", "/user/4", *["/user/5"] * 4]


def test_a_body_without_end_is_not_read_to_its_end(client, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_BODY_BYTES", 100_000)
    with fake_server(respond_in_sequence(CannedResponse(200, b" " * 1_000_000))) as server:
        with pytest.raises(InvalidResponse, match="larger"):
            client(server.url).account_by_id(583231)
        assert len(server.asked) == 1


def test_a_stop_ends_the_waiting_between_attempts(client):
    stop = threading.Event()
    with fake_server(respond_in_sequence(CannedResponse(502))) as server:
        github = client(server.url, sleep=lambda seconds: stop.set())
        with pytest.raises(Stopped):
            github.account_by_id(583231, stop=stop)
        assert len(server.asked) == 1


def test_a_token_appears_in_no_line_of_the_log(client):
    """Whatever goes wrong. And each call is told with GitHub's own id for it."""
    said = respond_in_sequence(
        CannedResponse(502, b"", {"x-github-request-id": "AB:1"}),
        CannedResponse(403, SECONDARY, {"retry-after": "1", "x-github-request-id": "AB:2"}),
        CannedResponse(401, {"message": "Bad credentials"}, {"x-github-request-id": "AB:3"}),
    )
    with capture_logs() as logs, fake_server(said) as server, pytest.raises(BadCredentials):
        client(server.url, TOKEN).account_by_id(583231)
    text = json.dumps(logs, default=str)
    assert TOKEN not in text
    assert all(request_id in text for request_id in ("AB:1", "AB:2", "AB:3"))
    assert [line["event"] for line in logs].count("GitHub rate limit reached, waiting") == 1


def test_enterprise_servers_are_asked_below_their_own_root(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        client(f"{server.url}/api/v3").account_by_id(583231)
    assert server.requested_paths() == ["/api/v3/user/583231"]
