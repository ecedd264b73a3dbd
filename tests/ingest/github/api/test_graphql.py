"""GraphQL answers as they come: whole, in part, too late, from servers that lack this or that."""

import re

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


def login_aliases(asked):
    """The logins asked for by their alias."""
    return {f"a{name[1:]}": login for name, login in asked.body["variables"].items() if name.startswith("l")}


def data_response(**parts):
    return CannedResponse(200, {"data": parts}, DATE)


def fetch_accounts(github, *logins, should_fetch_languages=lambda *_: False, **how):
    results = github.accounts(
        [AccountRequest(login) for login in logins], should_fetch_languages=should_fetch_languages, **how
    )
    return {result.account_request.login: result for result in results}


def test_a_server_without_rate_limit_or_viewer_serves_as_well(client):
    """Points are then counted by GitHub's rule: connections by a hundred, at least one."""
    with fake_server(lambda asked: data_response(a0=account_node(nodes=[repository_node(1)]))) as server:
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
def test_a_refused_viewer_voids_no_query(client, error, status):
    """Where it voids one, the query is sent again without it, and never with it from then on."""

    def say(asked):
        if "viewer" in asked.body["query"]:
            return CannedResponse(
                status, {"data": None, "errors": [error]} if status == 200 else {"errors": [error]}, DATE
            )
        return data_response(**{alias: account_node(login) for alias, login in login_aliases(asked).items()})

    with fake_server(say) as server:
        github = client(server.url, TOKEN)
        assert fetch_accounts(github, "octocat")["octocat"].error is None
        assert fetch_accounts(github, "hubot")["hubot"].error is None
        assert len(server.asked) == 3


def test_an_older_server_is_asked_without_the_fields_it_lacks(client):
    def say(asked):
        lacking = [name for name in ("isTemplate", "diskUsage", "gists") if name in asked.body["query"]]
        if lacking:
            errors = [{"message": f"Field '{name}' doesn't exist on type 'Repository'"} for name in lacking]
            return CannedResponse(200, {"errors": errors}, DATE)
        return data_response(a0=account_node(nodes=[repository_node(1)]))

    with fake_server(say) as server:
        assert fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].snapshot.repositories[0].size_kb is None
        assert len(server.asked) == 2


def test_a_field_nobody_can_do_without_ends_in_a_sentence(client, time):
    error = {"message": "Field 'repositoryOwner' doesn't exist on type 'Query'"}
    with fake_server(lambda _: CannedResponse(200, {"errors": [error]}, DATE)) as server:
        result = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"]
        assert len(server.asked) < 10
    assert isinstance(result.error, ServerError)
    assert "repositoryOwner" in str(result.error)


@pytest.mark.parametrize("status", [404, 405, 403])
def test_where_graphql_is_not_to_be_had_rest_serves(client, status):
    def say(asked):
        if asked.path == "/graphql":
            return CannedResponse(status, {"message": "Resource not accessible by personal access token"})
        if asked.path.endswith("/repos"):
            return CannedResponse(200, [])
        return CannedResponse(200, {"id": 5, "login": "octocat", "type": "User", "public_repos": 0})

    with fake_server(say) as server:
        github = client(server.url, TOKEN)
        assert fetch_accounts(github, "octocat")["octocat"].snapshot.is_complete
        fetch_accounts(github, "octocat")
        # A server that has none is not asked again.
        assert server.requested_paths().count("/graphql") == (1 if status != 403 else 2)


def test_a_part_too_heavy_for_one_query_is_asked_again_in_smaller_ones(client, time):
    """Over its resource limits GitHub sends what it has, null for the rest, and an error."""
    sizes = []

    def say(asked):
        names = login_aliases(asked)
        sizes.append(len(names))
        parts = {alias: account_node(login) if i < 3 else None for i, (alias, login) in enumerate(names.items())}
        errors = [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Resource limits for this query exceeded."}]
        return CannedResponse(200, {"data": parts} | ({"errors": errors} if len(names) > 3 else {}), DATE)

    with fake_server(say) as server:
        results = fetch_accounts(client(server.url, TOKEN), *(f"account-{i}" for i in range(20)))
        assert len(server.asked) < 15
    assert all(result.error is None for result in results.values())
    assert sizes[0] == 20
    assert sizes[-1] <= 3


def test_a_repository_that_is_withheld_leaves_its_account_incomplete_not_refused(client, time):
    """An organization's single sign-on, for one. It is asked for a second time, then taken as it is."""
    error = {"type": "FORBIDDEN", "message": "SAML", "path": ["a0", "repositories", "nodes", 1]}
    body = {"data": {"a0": account_node(nodes=[repository_node(1), None, repository_node(3)])}, "errors": [error]}
    with fake_server(lambda _: CannedResponse(200, body, DATE)) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].snapshot
        assert len(server.asked) == 3
    assert [one.github_id for one in snapshot.repositories] == [1, 3]
    assert not snapshot.is_complete


def test_an_account_that_is_forbidden_says_so(client):
    error = {"type": "FORBIDDEN", "message": "Not for you", "path": ["a0"]}
    with fake_server(lambda _: CannedResponse(200, {"data": {"a0": None}, "errors": [error]}, DATE)) as server:
        result = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"]
    assert isinstance(result.error, PermissionDenied)


def test_an_account_of_another_shape_is_refused_alone(client):
    def say(asked):
        return data_response(
            **{
                alias: {"login": login, "repositories": "many"} if login == "bad" else account_node(login)
                for alias, login in login_aliases(asked).items()
            }
        )

    with fake_server(say) as server:
        results = fetch_accounts(client(server.url, TOKEN), "good", "bad", "fine")
    assert isinstance(results["bad"].error, InvalidResponse)
    assert results["good"].error is None
    assert results["fine"].error is None


@pytest.mark.parametrize("body", [{}, {"data": None}, [], "nonsense", {"data": []}, {"errors": "x"}, {"errors": ["x"]}])
def test_an_answer_that_is_none_is_unreadable(client, time, body):
    with fake_server(lambda _: CannedResponse(200, body, DATE)) as server:
        result = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"]
        assert len(server.asked) < 10
    assert isinstance(result.error, InvalidResponse | ServerError)


def test_languages_of_more_than_a_page_are_read_to_the_end(client):
    def page(names, cursor=None):
        return {
            "edges": [{"size": size, "node": {"name": name}} for name, size in names.items()],
            "pageInfo": {"hasNextPage": cursor is not None, "endCursor": cursor},
        }

    def say(asked):
        if "Pulse" in asked.body["query"]:
            return data_response(a0=account_node(nodes=[repository_node(1), repository_node(2), repository_node(3)]))
        if "Nodes" in asked.body["query"]:
            assert asked.body["variables"] == {"i0": ["R_1", "R_2", "R_3"]}
            return data_response(n0=[{"languages": page({"C": 9}, "more")}, {"languages": page({})}, None])
        assert asked.body["variables"] == {"i0": "R_1", "c0": "more"}
        return data_response(n0={"languages": page({"Nix": 1})})

    with fake_server(say) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat", should_fetch_languages=lambda *_: True)[
            "octocat"
        ].snapshot
    assert snapshot.languages == {1: {"C": 9, "Nix": 1}, 2: {}}
    assert snapshot.languages_refused == {3: "not_found"}


def test_one_repository_whose_languages_fail_does_not_cost_the_others_theirs(client, time):
    def say(asked):
        if "Pulse" in asked.body["query"]:
            return data_response(a0=account_node(nodes=[repository_node(number) for number in range(1, 41)]))
        ids = asked.body["variables"]["i0"]
        if "R_7" in ids:
            return CannedResponse(502)
        return data_response(
            n0=[{"languages": {"edges": [{"size": 1, "node": {"name": "C"}}], "pageInfo": {}}} for _ in ids],
        )

    with fake_server(say) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat", should_fetch_languages=lambda *_: True)[
            "octocat"
        ].snapshot
        assert len(server.asked) < 30
    assert len(snapshot.languages) >= 36
    assert set(snapshot.languages_failed) == set(range(1, 41)) - set(snapshot.languages)
    assert 7 in snapshot.languages_failed
    assert isinstance(snapshot.languages_error, ServerError)


def test_a_budget_told_in_the_body_alone_is_kept_to(client, time):
    told = {"cost": 1, "limit": 5000, "remaining": 0, "resetAt": "2026-11-23T12:30:00Z"}
    with fake_server(lambda _: data_response(rateLimit=told, viewer={"login": "Mona"}, a0=account_node())) as server:
        github = client(server.url, TOKEN)
        assert fetch_accounts(github, "octocat")["octocat"].error is None
        second = fetch_accounts(github, "octocat")["octocat"]
        assert isinstance(second.error, RateLimited)
        assert len(server.asked) == 1
        (state,) = github.rate_budgets()
    assert (state.owner, state.resource, state.remaining) == ("mona", "graphql", 0)


def test_a_limit_as_a_graphql_error_waits_for_the_reset(client, time):
    """HTTP 200; the headers say until when."""
    reset = int(time.now().timestamp()) + 40
    told = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)} | DATE
    said = [CannedResponse(200, {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}, told)]

    def say(asked):
        return said.pop() if said else data_response(a0=account_node())

    with fake_server(say) as server:
        assert fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].error is None
        assert len(server.asked) == 2
    assert 40 <= time.slept_seconds <= 43


def test_an_organizations_followers_that_fail_leave_the_rest(client, time):
    def say(asked):
        if asked.path != "/graphql":
            return CannedResponse(404, {"message": "Not Found"})
        return data_response(a0=account_node(__typename="Organization", databaseId=9))

    with fake_server(say) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].snapshot
    assert snapshot.account.followers is None
    assert snapshot.account.kind == "organization"


# Reading, alone -------------------------------------------------------------------------------------------------------


def graphql_response(parts, *faults):
    return GraphQLResponse(parts, tuple(faults), None)


def test_null_means_absent_unless_the_answer_says_it_is_not_whole():
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


def test_a_query_asks_for_what_it_needs_and_no_connection_more():
    """Connections are what GitHub charges for: three of an account's own and one of its repositories."""
    text = pulse_query(25, 0)
    assert len(re.findall(r"\ba\d+: repositoryOwner", text)) == 25
    assert text.count("totalCount") == 4
    assert cost_in_points(25 * 4) == 1
    assert "followers" not in pulse_query(0, 3)
