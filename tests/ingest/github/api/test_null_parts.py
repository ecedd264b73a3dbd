"""A part that is null or unreadable costs itself, and nothing around it."""

from datetime import UTC, datetime

import pytest

from ingest.github import AccountRequest, GitHub
from ingest.github.api.graphql_responses import (
    FailedNode,
    GraphQLResponse,
    LanguagePage,
    read_errors,
    read_extras,
    read_languages,
    read_node,
    read_nodes,
)
from tests.ingest.github.account_results import account_results
from tests.ingest.github.api.test_graphql import account_node, data_response, fetch_accounts, repository_node
from tests.ingest.github.conftest import TOKEN
from tests.ingest.github.fake_server import CannedResponse, fake_server

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUST = {"size": 2_550_296_376, "node": {"name": "Rust"}}
LAST_PAGE = {"hasNextPage": False, "endCursor": None}


def languages(*edges):
    return {"id": "R_1", "languages": {"edges": list(edges), "pageInfo": LAST_PAGE}}


@pytest.mark.parametrize(
    "edge",
    [
        None,
        {"size": 5, "node": None},
        {"size": 5},
        {"size": None, "node": {"name": "C"}},
        {"node": {"name": "C"}},
        {"size": "many", "node": {"name": "C"}},
        {"size": -1, "node": {"name": "C"}},
        {"size": 2**63, "node": {"name": "C"}},
        {"size": 5, "node": {"name": None}},
        {"size": 5, "node": {"name": ""}},
        "C",
    ],
)
def test_an_edge_costs_its_language(edge):
    assert read_languages(languages(edge, RUST)) == LanguagePage({"Rust": 2_550_296_376}, None, is_complete=False)
    assert read_languages(languages(RUST, edge)) == LanguagePage({"Rust": 2_550_296_376}, None, is_complete=False)


def test_all_edges_read_are_a_complete_page():
    assert read_languages(languages(RUST)) == LanguagePage({"Rust": 2_550_296_376}, None)
    assert read_languages(languages()) == LanguagePage({}, None)


@pytest.mark.parametrize("connection", [None, {"edges": None, "pageInfo": LAST_PAGE}, {}])
def test_languages_that_are_null_as_a_whole_are_not_an_empty_set(connection):
    assert isinstance(read_languages({"id": "R_1", "languages": connection}), FailedNode)


def response_with(data, *errors):
    return GraphQLResponse(data, read_errors({"errors": list(errors)}), NOW)


EDGE_ERROR = {"message": "Something is wrong with this language", "path": ["n0", 1, "languages", "edges", 0]}


def test_an_error_inside_a_node_leaves_the_node():
    first, second = languages(RUST), languages(None, RUST)
    found = read_nodes(response_with({"n0": [first, second]}, EDGE_ERROR), "n0", 2, "languages")
    assert found == [first, second]
    single = response_with({"n0": second}, EDGE_ERROR | {"path": ["n0", "languages", "edges", 0]})
    assert read_node(single, "n0", "languages") == second


def test_a_time_out_of_a_field_is_worth_a_retry_and_that_of_an_edge_costs_the_edge():
    nodes = [languages(RUST), languages(None)]
    slow = {"message": "Something went wrong while executing your query.", "path": ["n0", 1, "languages"]}
    assert isinstance(read_nodes(response_with({"n0": nodes}, EDGE_ERROR, slow), "n0", 2, "languages")[1], FailedNode)
    slow_edge = slow | {"path": ["n0", 1, "languages", "edges", 0]}
    assert read_nodes(response_with({"n0": nodes}, slow_edge), "n0", 2, "languages") == nodes


def test_an_error_of_a_null_node_fails_that_node_alone():
    found = read_nodes(
        response_with({"n0": [languages(RUST), None]}, {"message": "No", "path": ["n0", 1]}), "n0", 2, "languages"
    )
    assert found[0] == languages(RUST)
    assert isinstance(found[1], FailedNode)


def test_a_null_topic_costs_the_topic():
    topics = {"nodes": [None, {"topic": None}, {"topic": {"name": "rust"}}, {"topic": {"name": None}}]}
    assert read_extras({"watchers": {"totalCount": 3}, "issues": None, "repositoryTopics": topics}).topics == ("rust",)


NULL_PARTS = dict.fromkeys(
    (
        *("owner", "licenseInfo", "primaryLanguage", "defaultBranchRef", "description", "homepageUrl", "createdAt"),
        *("pushedAt", "stargazerCount", "forkCount", "diskUsage", "isFork", "isArchived", "isTemplate", "isPrivate"),
        *("id", "name"),
    )
)


def test_null_fields_of_a_repository_cost_themselves(client):
    nodes = [repository_node(1), repository_node(2, **NULL_PARTS)]
    with fake_server(lambda _: data_response(a0=account_node(nodes=nodes))) as server:
        snapshot = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"].snapshot
    assert snapshot.is_complete
    assert [one.full_name for one in snapshot.repositories] == ["octocat/r1", "octocat/r2"]
    assert snapshot.repositories[1].owner_login == "octocat"
    assert snapshot.repositories[1].stars is None


@pytest.mark.parametrize(
    "broken", [None, repository_node(2, databaseId=None), repository_node(2, nameWithOwner=None), {"id": "R_2"}]
)
def test_a_repository_that_is_null_or_has_no_identity_costs_itself(client, time, broken):
    nodes = [repository_node(1), broken, repository_node(3)]
    with fake_server(lambda _: data_response(a0=account_node(nodes=nodes))) as server:
        result = fetch_accounts(client(server.url, TOKEN), "octocat")["octocat"]
    assert result.error is None
    assert [one.github_id for one in result.snapshot.repositories] == [1, 3]
    assert not result.snapshot.is_complete


@pytest.mark.parametrize("broken", [None, {"name": "r2"}, {"id": None, "name": "r2", "full_name": "octocat/r2"}])
def test_over_rest_too_a_repository_costs_itself(client, broken):
    def listed(number):
        return {"id": number, "name": f"r{number}", "full_name": f"octocat/r{number}", "owner": None, "size": 1}

    def respond(request):
        if "/repos" in request.path:
            return CannedResponse(200, [listed(1), broken, listed(3)], {"date": "Mon, 23 Nov 2026 12:00:00 GMT"})
        return CannedResponse(
            200,
            {"id": 5, "login": "octocat", "type": "User", "public_repos": 3},
            {"date": "Mon, 23 Nov 2026 12:00:00 GMT"},
        )

    with fake_server(respond) as server:
        github: GitHub = client(server.url)
        (result,) = account_results(github, [AccountRequest("octocat")], should_fetch_languages=lambda *_: False)
    assert result.error is None
    assert [one.full_name for one in result.snapshot.repositories] == ["octocat/r1", "octocat/r3"]
    assert not result.snapshot.is_complete
