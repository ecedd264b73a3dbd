"""The HTTP transport: retries, waits, redirects, bounds, and secrecy of tokens."""

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
    reported = {"limit": limit, "remaining": remaining, "reset": reset, "resource": resource}
    return {f"x-ratelimit-{name}": str(value) for name, value in reported.items()}


def test_requests_have_user_agent_version_and_token(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        client(server.url, TOKEN).account_by_id(583231)
        (request,) = server.received
    assert request.path == "/user/583231"
    assert request.headers["user-agent"] == "almanac/0.1"
    assert request.headers["x-github-api-version"] == "2022-11-28"
    assert request.headers["accept"] == "application/vnd.github+json"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_anonymous_requests_have_no_authorization(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        client(server.url).account_by_id(583231)
    assert "authorization" not in server.received[0].headers


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
def test_a_transient_failure_is_retried(client, time, broken):
    with fake_server(respond_in_sequence(broken, OCTOCAT_RESPONSE)) as server:
        github = client(server.url)
        if "content-length" in broken.headers:
            server.respond = respond_in_sequence(CannedResponse(200, b"", {"content-length": "0"}), OCTOCAT_RESPONSE)
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
def test_after_five_attempts_one_error_is_raised(client, broken, error):
    with fake_server(respond_in_sequence(broken)) as server:
        with pytest.raises(error) as failed:
            client(server.url, TOKEN).account_by_id(583231)
        assert len(server.received) == 5
    assert str(failed.value).count(".") <= 1
    assert TOKEN not in repr(failed.value)


def test_no_connection_raises_unreachable(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        pass
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 cannot be reached"):
        client(server.url).account_by_id(583231)


def test_the_circuit_breaker_opens_after_many_failures(client, time):
    """After many failures in a row further requests fail at once."""
    with fake_server(respond_in_sequence(CannedResponse(502))) as server:
        github = client(server.url)
        for _ in range(20):
            with pytest.raises((ServerError, Unreachable)):
                github.account_by_id(583231)
        assert len(server.received) <= transport_module.FAILURE_THRESHOLD


def test_each_request_that_an_open_circuit_breaker_refuses_has_an_error_of_its_own(client):
    """A shared one would collect the tracebacks of all threads that raise it."""
    with fake_server(respond_in_sequence(CannedResponse(502))) as server:
        github = client(server.url)
        errors = []
        while len(server.received) < transport_module.FAILURE_THRESHOLD or len(errors) < 10:
            with pytest.raises((ServerError, Unreachable)) as failed:
                github.account_by_id(583231)
            errors.append(failed.value)
    assert len({id(error) for error in errors}) == len(errors)
    assert isinstance(errors[-1], Unreachable)
    assert "failed with status 502" in str(errors[-1])


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_is_respected(client, time, status):
    with fake_server(
        respond_in_sequence(CannedResponse(status, SECONDARY, {"retry-after": "7"}), OCTOCAT_RESPONSE)
    ) as server:
        github = client(server.url)
        assert github.account_by_id(583231).login == "octocat"
    assert 7 <= time.slept_seconds < 8
    assert github.usage.retries == 0


def test_a_wait_beyond_the_maximum_fails_without_further_requests(client, time):
    with fake_server(respond_in_sequence(CannedResponse(403, SECONDARY, {"retry-after": "3600"}))) as server:
        github = client(server.url)
        for _ in range(3):
            with pytest.raises(RateLimited) as limited:
                github.account_by_id(583231)
            assert 3590 < (limited.value.resets_at - time.now()).total_seconds() < 3610
        assert len(server.received) == 1


def test_an_unspecified_wait_is_at_least_a_minute(client, time):
    with fake_server(respond_in_sequence(CannedResponse(403, SECONDARY), OCTOCAT_RESPONSE)) as server:
        client(server.url).account_by_id(583231)
    assert 60 <= time.slept_seconds <= 76


def test_a_failure_of_the_server_does_not_shorten_the_next_unspecified_wait(client, time):
    """The second one in a row is twice as long: two minutes, for which nobody waits here."""
    limited = CannedResponse(403, SECONDARY)
    with (
        fake_server(respond_in_sequence(limited, CannedResponse(502), limited, OCTOCAT_RESPONSE)) as server,
        pytest.raises(RateLimited) as raised,
    ):
        client(server.url).account_by_id(583231)
    assert 120 <= (raised.value.resets_at - time.now()).total_seconds() <= 150


def test_an_exhausted_budget_sends_nothing_until_its_reset(client, time):
    reset = int(time.now().timestamp()) + 1800
    date = time.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
    with fake_server(
        respond_in_sequence(CannedResponse(200, ACCOUNT, rate_limit_headers(0, reset) | {"date": date}))
    ) as server:
        github = client(server.url)
        github.account_by_id(583231)
        with pytest.raises(RateLimited) as limited:
            github.account_by_id(583231)
        assert len(server.received) == 1
        time.sleep((limited.value.resets_at - time.now()).total_seconds() + 1)
        github.account_by_id(583231)
        assert len(server.received) == 2


def test_a_wrong_local_clock_does_not_change_the_wait(client, time):
    """GitHub's Date is five hours ahead of ours: its reset is twenty seconds away, not five hours."""
    ahead = int(time.now().timestamp()) + 5 * 3600
    date = {"date": "Mon, 23 Nov 2026 17:00:00 GMT"}
    spent = CannedResponse(403, {"message": "API rate limit exceeded"}, rate_limit_headers(0, ahead + 20) | date)
    with fake_server(respond_in_sequence(spent, OCTOCAT_RESPONSE)) as server:
        client(server.url).account_by_id(583231)
    assert 20 <= time.slept_seconds <= 23


def test_repeated_rate_limits_end_with_an_error(client):
    with fake_server(respond_in_sequence(CannedResponse(429, SECONDARY, {"retry-after": "1"}))) as server:
        with pytest.raises(RateLimited):
            client(server.url).account_by_id(583231)
        assert len(server.received) <= 6


def test_401_names_the_token_by_its_position(client):
    with fake_server(respond_in_sequence(CannedResponse(401, {"message": "Bad credentials"}))) as server:
        with pytest.raises(BadCredentials, match="token 1") as refused:
            client(server.url, TOKEN).account_by_id(583231)
        assert len(server.received) == 1
    assert TOKEN not in str(refused.value)


def test_redirects_are_followed_only_on_the_same_host(client):
    def respond(request):
        return {
            "/user/1": CannedResponse(301, {}, {"location": "/user/2"}),
            "/user/2": CannedResponse(302, {}, {"location": "https://api.github.com/user/3"}),
            "/user/3": OCTOCAT_RESPONSE,
            "/user/4": CannedResponse(301, {}, {"location": "https://evil.example/steal"}),
            "/user/5": CannedResponse(307, {}, {"location": "/user/5"}),
        }[request.path]

    with fake_server(respond) as server:
        github = client(server.url, TOKEN)
        assert github.account_by_id(1).login == "octocat"
        with pytest.raises(UnexpectedStatus, match="another host"):
            github.account_by_id(4)
        with pytest.raises(UnexpectedStatus, match="too many redirects"):
            github.account_by_id(5)
        assert server.requested_paths() == ["/user/1", "/user/2", "/user/3", "/user/4", *["/user/5"] * 4]


def test_the_body_size_is_bounded(client, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_BODY_BYTES", 100_000)
    with fake_server(respond_in_sequence(CannedResponse(200, b" " * 1_000_000))) as server:
        with pytest.raises(InvalidResponse, match="larger"):
            client(server.url).account_by_id(583231)
        assert len(server.received) == 1


def test_a_stop_ends_the_wait_between_attempts(client):
    stop = threading.Event()
    with fake_server(respond_in_sequence(CannedResponse(502))) as server:
        github = client(server.url, sleep=lambda seconds: stop.set())
        with pytest.raises(Stopped):
            github.account_by_id(583231, stop=stop)
        assert len(server.received) == 1


def test_no_log_line_contains_the_token(client):
    """Whatever fails; and each response is logged with GitHub's request id."""
    responses = respond_in_sequence(
        CannedResponse(502, b"", {"x-github-request-id": "AB:1"}),
        CannedResponse(403, SECONDARY, {"retry-after": "1", "x-github-request-id": "AB:2"}),
        CannedResponse(401, {"message": "Bad credentials"}, {"x-github-request-id": "AB:3"}),
    )
    with capture_logs() as logs, fake_server(responses) as server, pytest.raises(BadCredentials):
        client(server.url, TOKEN).account_by_id(583231)
    text = json.dumps(logs, default=str)
    assert TOKEN not in text
    assert all(request_id in text for request_id in ("AB:1", "AB:2", "AB:3"))
    assert [line["event"] for line in logs].count("GitHub rate limit reached, waiting") == 1


def test_enterprise_server_urls_are_below_their_root(client):
    with fake_server(respond_in_sequence(OCTOCAT_RESPONSE)) as server:
        client(f"{server.url}/api/v3").account_by_id(583231)
    assert server.requested_paths() == ["/api/v3/user/583231"]
