"""GraphQL responses: complete, partial, failed, and from servers that lack fields."""

import json
import re
from functools import partial
from types import SimpleNamespace

import httpx
import pytest

from ingest.github import AccountRequest, InvalidResponse, PermissionDenied, RateLimited, ServerError
from ingest.github.api.graphql_queries import cost_in_points, pulse_query
from ingest.github.api.graphql_responses import (
    AbsentAccount,
    AccountPage,
    ErrorEntry,
    GraphQLResponse,
    PartialPage,
    read_account_page,
)
from ingest.github.http import transport
from tests.ingest.github.account_results import account_results
from tests.ingest.github.conftest import TOKEN
from tests.ingest.github.fake_server import CannedResponse, fake_server

DATE = {"date": "Mon, 23 Nov 2026 12:00:00 GMT"}


def repository_node(number, **other):
    return {
        "id": f"R_{number}",
        "databaseId": number,
        "name": f"r{number}",
        "nameWithOwner": f"octocat/r{number}",
        "owner": {"login": "octocat", "databaseId": 5},
        "stargazerCount": number,
        "forkCount": 0,
        "pushedAt": "2026-01-01T00:00:00Z",
    } | other


def account_node(login="octocat", nodes=(), total=None, cursor=None, **other):
    page = {
        "totalCount": len(nodes) if total is None else total,
        "pageInfo": {"hasNextPage": cursor is not None, "endCursor": cursor},
        "nodes": list(nodes),
    }
    return {"__typename": "User", "id": "U_5", "databaseId": 5, "login": login, "repositories": page} | other


def logins_by_alias(request):
    """Return the requested logins by alias."""
    return {f"a{name[1:]}": login for name, login in request.body["variables"].items() if name.startswith("l")}


def data_response(**parts):
    return CannedResponse(200, {"data": parts}, DATE)


def fetch_accounts(github, *logins, should_fetch_languages=lambda *_: False, **how):
    results = account_results(
        github, [AccountRequest(login) for login in logins], should_fetch_languages=should_fetch_languages, **how
    )
    return {result.account_request.login: result for result in results}


def test_a_server_without_rate_limit_or_viewer_is_supported(client):
    """Points are then estimated by GitHub's formula: a hundredth of the connections, at least one."""
    with fake_server(lambda request: data_response(a0=account_node(nodes=[repository_node(1)]))) as server:
        github = client(server.url, TOKEN)
        result = fetch_accounts(github, "octocat")["octocat"]
    assert result.snapshot.is_complete
    assert github.usage.points == 1
    assert github.rate_budgets() == []


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Field 'viewer' doesn't exist on type 'Query'", "extensions": {"code": "undefinedField"}},
        {"message": "Cannot query field 'viewer' on type 'Query'."},
        {"message": "Resource not accessible by integration", "type": "FORBIDDEN", "path": ["viewer"]},
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_a_refused_viewer_field_is_omitted(client, error, status):
    """A query that fails because of it is sent again without it, and later queries omit it."""

    def respond(request):
        if "viewer" in request.body["query"]:
            return CannedResponse(
                status, {"data": None, "errors": [error]} if status == 200 else {"errors": [error]}, DATE
            )
        return data_response(**{alias: account_node(login) for alias, login in logins_by_alias(request).items()})

    with fake_server(respond) as server:
        github = client(server.url, TOKEN)
        assert fetch_accounts(github, "octocat")["octocat"].error is None
        assert fetch_accounts(github, "hubot")["hubot"].error is None
        assert len(server.received) == 3


def test_unsupported_fields_are_omitted(client):
    def respond(request):
        lacking = [name for name in ("isTemplate", "diskUsage", "gists") if name in request.body["query"]]
        if lacking:
            errors = [{"message": f"Field '{name}' doesn't exist on type 'Repository'"} for name in lacking]
            return CannedResponse(200, {"errors": errors}, DATE)
        return data_response(a0=account_node(nodes=[repository_node(1)]))

    with fake_server(respond) as server:
        assert fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].snapshot.repositories[0].size_kb is None
        assert len(server.received) == 2


def test_a_missing_required_field_raises_server_error(client, time):
    error = {"message": "Field 'repositoryOwner' doesn't exist on type 'Query'"}
    with fake_server(lambda _: CannedResponse(200, {"errors": [error]}, DATE)) as server:
        result = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"]
        assert len(server.received) < 10
    assert isinstance(result.error, ServerError)
    assert "repositoryOwner" in str(result.error)


@pytest.mark.parametrize("status", [404, 405, 403])
def test_without_graphql_rest_is_used(client, status):
    def respond(request):
        if request.path == "/graphql":
            return CannedResponse(status, {"message": "Resource not accessible by personal access token"})
        if request.path.endswith("/repos"):
            return CannedResponse(200, [])
        return CannedResponse(200, {"id": 5, "login": "octocat", "type": "User", "public_repos": 0})

    with fake_server(respond) as server:
        github = client(server.url, TOKEN)
        assert fetch_accounts(github, "octocat")["octocat"].snapshot.is_complete
        fetch_accounts(github, "octocat")
        # A server without GraphQL does not get another query.
        assert server.requested_paths().count("/graphql") == (1 if status != 403 else 2)


def test_graphql_is_asked_again_after_an_hour(client, monkeypatch):
    """A single response of a proxy must not make every refresh dear until the next start."""
    failures = [CannedResponse(404)]

    def respond(request):
        if request.path == "/graphql":
            return failures.pop() if failures else data_response(a0=account_node())
        if request.path.endswith("/repos"):
            return CannedResponse(200, [])
        return CannedResponse(200, {"id": 5, "login": "octocat", "type": "User", "public_repos": 0})

    with fake_server(respond) as server:
        github = client(server.url, TOKEN)
        for seconds, queries in ((0.0, 1), (3599.0, 1), (3600.0, 2), (3601.0, 3)):
            monkeypatch.setattr(github._graphql, "_monotonic", partial(float, seconds))
            assert fetch_accounts(github, "octocat")["octocat"].snapshot.is_complete
            assert server.requested_paths().count("/graphql") == queries


def test_parts_over_the_resource_limit_are_retried_in_smaller_queries(client, time):
    """Beyond its resource limits GitHub sends a part of the data, null for the rest, and an error."""
    sizes = []

    def respond(request):
        names = logins_by_alias(request)
        sizes.append(len(names))
        parts = {alias: account_node(login) if i < 3 else None for i, (alias, login) in enumerate(names.items())}
        errors = [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Resource limits for this query exceeded."}]
        return CannedResponse(200, {"data": parts} | ({"errors": errors} if len(names) > 3 else {}), DATE)

    with fake_server(respond) as server:
        results = fetch_accounts(client(server.url, TOKEN), *(f"account-{i}" for i in range(20)))
        assert len(server.received) < 15
    assert all(result.error is None for result in results.values())
    assert sizes[0] == 20
    assert sizes[-1] <= 3


@pytest.fixture
def fake_monotonic(monkeypatch, time):
    """Let the transport measure durations by the fake clock."""
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: time.slept_seconds))


def batch_sizes(server):
    return [len(logins_by_alias(request)) for request in server.received]


def test_a_failure_after_a_long_wait_for_the_rate_gate_does_not_make_batches_smaller(client, time, fake_monotonic):
    """The query was not slow: it was sent after the wait."""
    limited = CannedResponse(403, {"message": "secondary rate limit"}, DATE | {"retry-after": "30"})
    failures = [limited, CannedResponse(502)]

    def respond(request):
        names = logins_by_alias(request)
        return failures.pop(0) if failures else data_response(**{a: account_node(name) for a, name in names.items()})

    with fake_server(respond) as server:
        results = fetch_accounts(client(server.url, TOKEN), "octocat", "hubot")
        assert batch_sizes(server) == [2, 2, 2]
    assert all(result.error is None for result in results.values())


@pytest.mark.parametrize(
    ("failure", "sizes"),
    [
        (httpx.ConnectTimeout("no connection"), [2, 2]),
        (httpx.PoolTimeout("no free connection"), [2, 2]),
        (httpx.ReadTimeout("no response"), [2, 1, 1]),
    ],
)
def test_only_a_query_that_was_sent_can_be_too_large(client, time, fake_monotonic, failure, sizes):
    """An outage of the network must not make batches smaller, which cost more points."""
    received = []

    def respond(request):
        names = {f"a{name[1:]}": login for name, login in json.loads(request.content)["variables"].items() if login}
        received.append(len(names))
        if len(received) == 1:
            time.sleep(5.1)
            raise failure
        return httpx.Response(200, json={"data": {alias: account_node(login) for alias, login in names.items()}})

    github = client("http://github.test", TOKEN, http_transport=httpx.MockTransport(respond))
    results = fetch_accounts(github, "octocat", "hubot")
    assert all(result.error is None for result in results.values())
    assert received == sizes


def test_a_withheld_repository_makes_its_account_incomplete(client, time):
    """For example by an organization's single sign-on. It is retried, then accepted as incomplete."""
    error = {"type": "FORBIDDEN", "message": "SAML", "path": ["a0", "repositories", "nodes", 1]}
    body = {"data": {"a0": account_node(nodes=[repository_node(1), None, repository_node(3)])}, "errors": [error]}
    with fake_server(lambda _: CannedResponse(200, body, DATE)) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].snapshot
        assert len(server.received) == 3
    assert [one.github_id for one in snapshot.repositories] == [1, 3]
    assert not snapshot.is_complete


def test_a_forbidden_account_raises_permission_denied(client):
    error = {"type": "FORBIDDEN", "message": "Not for you", "path": ["a0"]}
    refused = CannedResponse(403, {"message": "Not for you either"}, DATE)
    denied = CannedResponse(200, {"data": {"a0": None}, "errors": [error]}, DATE)
    with fake_server(lambda asked: denied if asked.path == "/graphql" else refused) as server:
        result = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"]
    assert isinstance(result.error, PermissionDenied)
    assert result.requests == 2  # with the token, and without


def test_a_malformed_account_does_not_fail_the_others(client):
    def respond(request):
        return data_response(
            **{
                alias: {"login": login, "repositories": "many"} if login == "bad" else account_node(login)
                for alias, login in logins_by_alias(request).items()
            }
        )

    with fake_server(respond) as server:
        results = fetch_accounts(client(server.url, TOKEN), "good", "bad", "fine")
    assert isinstance(results["bad"].error, InvalidResponse)
    assert results["good"].error is None
    assert results["fine"].error is None


@pytest.mark.parametrize("body", [{}, {"data": None}, [], "nonsense", {"data": []}, {"errors": "x"}, {"errors": ["x"]}])
def test_a_response_without_data_and_errors_is_invalid(client, time, body):
    with fake_server(lambda _: CannedResponse(200, body, DATE)) as server:
        result = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"]
        assert len(server.received) < 10
    assert isinstance(result.error, InvalidResponse | ServerError)


def test_further_pages_of_languages_are_fetched(client):
    def page(names, cursor=None):
        return {
            "edges": [{"size": size, "node": {"name": name}} for name, size in names.items()],
            "pageInfo": {"hasNextPage": cursor is not None, "endCursor": cursor},
        }

    def respond(request):
        if "Pulse" in request.body["query"]:
            return data_response(a0=account_node(nodes=[repository_node(1), repository_node(2), repository_node(3)]))
        if "Nodes" in request.body["query"]:
            assert request.body["variables"] == {"i0": ["R_1", "R_2", "R_3"]}
            return data_response(n0=[{"languages": page({"C": 9}, "more")}, {"languages": page({})}, None])
        assert request.body["variables"] == {"i0": "R_1", "c0": "more"}
        return data_response(n0={"languages": page({"Nix": 1})})

    with fake_server(respond) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat", should_fetch_languages=lambda *_: True)[
            "octocat"
        ].snapshot
    assert snapshot.languages == {1: {"C": 9, "Nix": 1}, 2: {}}
    assert snapshot.languages_refused == {3: "not_found"}


def test_failing_languages_of_one_repository_do_not_fail_the_others(client, time):
    def respond(request):
        if "Pulse" in request.body["query"]:
            return data_response(a0=account_node(nodes=[repository_node(number) for number in range(1, 41)]))
        ids = request.body["variables"]["i0"]
        if "R_7" in ids:
            return CannedResponse(502)
        return data_response(
            n0=[{"languages": {"edges": [{"size": 1, "node": {"name": "C"}}], "pageInfo": {}}} for _ in ids],
        )

    with fake_server(respond) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat", should_fetch_languages=lambda *_: True)[
            "octocat"
        ].snapshot
        assert len(server.received) < 30
    assert len(snapshot.languages) >= 36
    assert set(snapshot.languages_failed) == set(range(1, 41)) - set(snapshot.languages)
    assert 7 in snapshot.languages_failed
    assert isinstance(snapshot.languages_error, ServerError)


def test_a_rate_limit_reported_only_in_the_body_is_respected(client, time):
    reported = {"cost": 1, "limit": 5000, "remaining": 0, "resetAt": "2026-11-23T12:30:00Z"}
    with fake_server(
        lambda _: data_response(rateLimit=reported, viewer={"login": "Mona"}, a0=account_node())
    ) as server:
        github = client(server.url, TOKEN)
        assert fetch_accounts(github, "octocat")["octocat"].error is None
        second = fetch_accounts(github, "octocat")["octocat"]
        assert isinstance(second.error, RateLimited)
        assert len(server.received) == 1
        (state,) = github.rate_budgets()
    assert (state.owner, state.resource, state.remaining) == ("mona", "graphql", 0)


def test_a_graphql_rate_limit_error_waits_for_the_reset(client, time):
    """HTTP 200; the headers state the reset."""
    reset = int(time.now().timestamp()) + 40
    reported = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)} | DATE
    limited = [
        CannedResponse(200, {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}, reported)
    ]

    def respond(request):
        return limited.pop() if limited else data_response(a0=account_node())

    with fake_server(respond) as server:
        assert fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].error is None
        assert len(server.received) == 2
    assert 40 <= time.slept_seconds <= 43


def test_failing_organization_followers_leave_the_rest(client, time):
    def respond(request):
        if request.path != "/graphql":
            return CannedResponse(404, {"message": "Not Found"})
        return data_response(a0=account_node(__typename="Organization", databaseId=9))

    with fake_server(respond) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].snapshot
    assert snapshot.account.followers is None
    assert snapshot.account.kind == "organization"


def graphql_response(parts, *faults):
    return GraphQLResponse(parts, tuple(faults), None)


def test_null_means_absent_unless_an_error_concerns_it():
    assert read_account_page(graphql_response({"a0": None}), "a0", "x", first=True) == AbsentAccount()
    assert (
        read_account_page(graphql_response({"a0": None}, ErrorEntry("NOT_FOUND", "", ("a0",))), "a0", "x", first=True)
        == AbsentAccount()
    )
    assert (
        read_account_page(graphql_response({"a0": None}, ErrorEntry("NOT_FOUND", "", ("a1",))), "a0", "x", first=True)
        == AbsentAccount()
    )
    assert isinstance(
        read_account_page(graphql_response({"a0": None}, ErrorEntry("", "boom", ("a0",))), "a0", "x", first=True),
        PartialPage,
    )
    assert isinstance(
        read_account_page(graphql_response({"a0": None}, ErrorEntry("", "boom", ())), "a0", "x", first=True),
        PartialPage,
    )
    assert isinstance(read_account_page(graphql_response({}), "a0", "x", first=True), PartialPage)
    assert isinstance(read_account_page(graphql_response({"a0": account_node()}), "a0", "x", first=True), AccountPage)


def test_a_query_has_no_unneeded_connection():
    """GitHub charges for connections: a page of repositories and followers, at a first refresh two counts more."""
    text = pulse_query(["account"] * 74)
    assert len(re.findall(r"\ba\d+: repositoryOwner", text)) == 74
    assert text.count("totalCount") == 2
    assert pulse_query(["account with rare counts"]).count("totalCount") == 4
    assert cost_in_points(74 * 2 + 1) == 1
    assert cost_in_points(74 * 2 + 2) == 2
    assert "followers" not in pulse_query(["further page"] * 3)
