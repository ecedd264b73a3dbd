"""The GraphQL API has GitHub's names, costs and partial responses."""

from typing import Any

import httpx
import pytest
from graphql import GraphQLError, execute_sync, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.sandbox import Sandbox
from ingest.sandbox.graphql.resolvers import Graph
from ingest.sandbox.graphql.schema import SCHEMA
from ingest.sandbox.graphql.selections import Execution, FieldRefused, GraphObject, Query
from ingest.sandbox.server.messages import ApiRequest

PULSE_FRAGMENT = """
fragment Pulse on Repository {
  id databaseId name nameWithOwner description homepageUrl stargazerCount forkCount diskUsage isFork isArchived
  isTemplate isPrivate isEmpty visibility createdAt pushedAt updatedAt
  licenseInfo { spdxId key name } primaryLanguage { name color } defaultBranchRef { name }
}
"""


@pytest.fixture
def ask(signed_in: httpx.Client) -> Any:
    def ask(query: str, **variables: Any) -> dict[str, Any]:
        answer = signed_in.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200
        return answer.json()

    return ask


@pytest.fixture
def organization(sandbox: Sandbox) -> str:
    """Return the login of the organization with 230 repositories."""
    return sandbox.world.accounts[0].login


def test_all_pages_of_an_account_match_the_ground_truth(sandbox, ask):
    query = (
        "query($login: String!, $after: String) { repositoryOwner(login: $login) { "
        "... on User { databaseId followers { totalCount } following { totalCount } gists { totalCount } } "
        "... on Organization { databaseId } repositories(first: 100, after: $after, ownerAffiliations: OWNER, "
        "orderBy: {field: NAME, direction: ASC}) { totalCount pageInfo { hasNextPage endCursor } "
        "nodes { ...Pulse } } } }"
    )
    for login in sandbox.world.logins():
        truth = sandbox.ground_truth(login)
        nodes, after, pages = [], None, 0
        while True:
            owner = ask(query + PULSE_FRAGMENT, login=login, after=after)["data"]["repositoryOwner"]
            page = owner["repositories"]
            nodes += page["nodes"]
            pages += 1
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert page["totalCount"] == len(truth["repositories"]) == len({node["id"] for node in nodes})
        assert pages == max(-(-len(nodes) // 100), 1)
        assert owner["databaseId"] == truth["account"]["id"]
        if truth["account"]["kind"] == "User":
            assert owner["followers"]["totalCount"] == truth["account"]["followers"]
        for node, expected in zip(
            sorted(nodes, key=lambda n: n["nameWithOwner"].lower()), truth["repositories"], strict=True
        ):
            assert (node["databaseId"], node["id"]) == (expected["id"], expected["node_id"])
            assert (node["stargazerCount"], node["forkCount"], node["diskUsage"]) == (
                expected["stars"],
                expected["forks"],
                expected["size_kb"],
            )
            assert (node["pushedAt"], node["createdAt"]) == (expected["pushed_at"], expected["created_at"])
            assert ((node["licenseInfo"] or {}).get("spdxId"), (node["primaryLanguage"] or {}).get("name")) == (
                expected["license"],
                expected["primary_language"],
            )


def test_languages_by_node_id_are_sorted_by_bytes(sandbox, ask, organization):
    truth = sandbox.ground_truth(organization)["repositories"][:100]
    query = (
        "query($ids: [ID!]!) { rateLimit { cost nodeCount } nodes(ids: $ids) { ... on Repository { id languages("
        "first: 100, orderBy: {field: SIZE, direction: DESC}) { totalCount totalSize "
        "edges { size node { name } } } } } }"
    )
    data = ask(query, ids=[r["node_id"] for r in truth])["data"]
    assert data["rateLimit"]["cost"] == 1
    for node, expected in zip(data["nodes"], truth, strict=True):
        edges = [(edge["node"]["name"], edge["size"]) for edge in node["languages"]["edges"]]
        assert edges == list(expected["languages"].items())
        assert edges == sorted(edges, key=lambda edge: -edge[1])
        assert node["languages"]["totalSize"] == sum(expected["languages"].values())


def test_extras_match_the_ground_truth(sandbox, ask, organization):
    query = (
        "query($login: String!) { organization(login: $login) { repositories(first: 100) { nodes { databaseId "
        "watchers { totalCount } issues(states: OPEN) { totalCount } pullRequests(states: OPEN) { totalCount } "
        "repositoryTopics(first: 20) { totalCount nodes { topic { name } } } } } } }"
    )
    expected = {r["id"]: r for r in sandbox.ground_truth(organization)["repositories"]}
    for node in ask(query, login=organization)["data"]["organization"]["repositories"]["nodes"]:
        truth = expected[node["databaseId"]]
        assert node["watchers"]["totalCount"] == truth["watchers"]
        assert node["issues"]["totalCount"] == truth["open_issues"]
        assert node["pullRequests"]["totalCount"] == truth["open_change_requests"]
        assert [n["topic"]["name"] for n in node["repositoryTopics"]["nodes"]] == truth["topics"]


def test_missing_objects_do_not_affect_the_others(sandbox, ask, organization):
    repository = sandbox.world.owned(sandbox.world.accounts[0])[0]
    answer = ask(
        'query($ids: [ID!]!, $login: String!) { a: user(login: "no-such") { login } b: organization(login: $login) '
        '{ login } c: repository(owner: "no-such", name: "thing") { id } nodes(ids: $ids) { id } }',
        login=organization,
        ids=[repository.node_id, "R_kgDOnonsense"],
    )
    assert answer["data"]["b"] == {"login": organization}
    assert (answer["data"]["a"], answer["data"]["c"]) == (None, None)
    assert answer["data"]["nodes"] == [{"id": repository.node_id}, None]
    assert [(e["type"], e["path"]) for e in answer["errors"]] == [
        ("NOT_FOUND", ["a"]),
        ("NOT_FOUND", ["c"]),
        ("NOT_FOUND", ["nodes", 1]),
    ]


def test_users_and_organizations_are_distinct_types(sandbox, ask, organization):
    user = next(a.login for a in sandbox.world.accounts if a.kind == "User")
    answer = ask(f'{{ a: user(login: "{organization}") {{ id }} b: organization(login: "{user}") {{ id }} }}')
    assert answer["data"] == {"a": None, "b": None}
    assert (
        "followers"
        in ask(f'{{ organization(login: "{organization}") {{ followers {{ totalCount }} }} }}')["errors"][0]["message"]
    )


def test_an_unknown_owner_is_null_without_an_error(ask):
    """`gh repo list` relies on it to recognise an unknown owner."""
    assert ask('{ repositoryOwner(login: "no-such-login") { login } }') == {"data": {"repositoryOwner": None}}


def test_other_owners_repositories_are_listed_without_the_affiliation(sandbox, ask):
    account = next(a for a in sandbox.world.accounts if sandbox.world.collaborator_repositories(a))
    own, others = len(sandbox.world.owned(account)), len(sandbox.world.collaborator_repositories(account))
    counts = {
        arguments: ask(f'{{ user(login: "{account.login}") {{ repositories{arguments} {{ totalCount }} }} }}')
        for arguments in ("", "(ownerAffiliations: OWNER)", "(isFork: true, ownerAffiliations: [OWNER])")
    }
    totals = [answer["data"]["user"]["repositories"]["totalCount"] for answer in counts.values()]
    assert totals[:2] == [own + others, own]
    assert totals[2] == sum(r.fork for r in sandbox.world.owned(account))


def test_renames_are_followed_unless_refused(sandbox, ask):
    repository = next(iter(sandbox.world.repositories.values()))
    owner, name = repository.full_name.split("/")
    sandbox.world.edit.rename(repository.full_name, "newly-named")
    query = (
        "query($o: String!, $n: String!, $f: Boolean) { repository(owner: $o, name: $n, followRenames: $f) { name } }"
    )
    assert ask(query, o=owner, n=name, f=True)["data"]["repository"] == {"name": "newly-named"}
    assert ask(query, o=owner, n=name, f=False)["errors"][0]["type"] == "NOT_FOUND"


@pytest.mark.parametrize("field", ["CREATED_AT", "NAME", "PUSHED_AT", "STARGAZERS", "UPDATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_every_order_pages_through_everything_once(ask, organization, field, direction):
    query = (
        "query($login: String!, $after: String) { organization(login: $login) { repositories(first: 90, after: $after, "
        f"orderBy: {{field: {field}, direction: {direction}}}) {{ pageInfo {{ "
        "hasNextPage hasPreviousPage "
        "endCursor } nodes { id stargazerCount name } } } }"
    )
    nodes: list[dict[str, Any]] = []
    info: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
    while info["hasNextPage"]:
        page = ask(query, login=organization, after=info["endCursor"])["data"]["organization"]["repositories"]
        assert page["pageInfo"]["hasPreviousPage"] is bool(nodes)
        nodes, info = nodes + page["nodes"], page["pageInfo"]
    assert len(nodes) == len({node["id"] for node in nodes}) == 230
    stars = [node["stargazerCount"] for node in nodes]
    if field == "STARGAZERS":
        assert stars == sorted(stars, reverse=direction == "DESC")


def test_an_item_that_moves_across_the_cursor_is_listed_twice(sandbox, ask, organization):
    query = (
        "query($login: String!, $after: String) { organization(login: $login) { repositories(first: 50, after: $after, "
        "orderBy: {field: STARGAZERS, direction: DESC}) { pageInfo { endCursor } nodes { nameWithOwner } } } }"
    )
    page = ask(query, login=organization)["data"]["organization"]["repositories"]
    top = page["nodes"][0]["nameWithOwner"]
    sandbox.world.edit.star(top, -1_000_000)
    after, seen = page["pageInfo"]["endCursor"], []
    while after:
        page = ask(query, login=organization, after=after)["data"]["organization"]["repositories"]
        after, seen = page["pageInfo"]["endCursor"], seen + [node["nameWithOwner"] for node in page["nodes"]]
    assert top in seen


@pytest.mark.parametrize(
    ("selection", "cost", "nodes"),
    [
        ("viewer { login }", 1, 0),
        ("organization(login: $l) { repositories(first: 100) { nodes { id } } }", 1, 100),
        # 1 + 100 connections
        ("organization(login: $l) { repositories(first: 100) { nodes { watchers { totalCount } } } }", 1, 100),
        # 1 + 100 + 100 + 100
        (
            "organization(login: $l) { repositories(first: 100) { nodes { watchers { totalCount } "
            "issues { totalCount } languages(first: 10) { totalSize } } } }",
            3,
            1100,
        ),
        # The widest of the types an interface may be counts, not their sum.
        (
            "repositoryOwner(login: $l) { ... on User { repositories(first: 100) { nodes { watchers { totalCount } "
            "forks { totalCount } } } } ... on Organization { repositories(first: 100) "
            "{ nodes { watchers { totalCount } } } } }",
            2,
            100,
        ),
    ],
)
def test_query_costs_match_github(ask, organization, selection, cost, nodes):
    """The cost is the requested connections / 100, rounded, at least one, whatever is returned."""
    query = f"query($l: String!) {{ rateLimit {{ cost nodeCount used limit remaining resetAt }} {selection} }}"
    if "$l)" not in selection:
        query = query.replace("($l: String!)", "")
    rate = ask(query, l=organization)["data"]["rateLimit"]
    assert (rate["cost"], rate["nodeCount"]) == (cost, nodes)
    assert (rate["used"], rate["remaining"], rate["limit"]) == (cost, 5000 - cost, 5000)


def test_a_hundred_accounts_of_a_hundred_repositories_cost_one_point(sandbox, signed_in):
    page = "repositories(first: 100) { nodes { id } }"
    aliases = " ".join(f'a{n}: repositoryOwner(login: "x{n}") {{ {page} }}' for n in range(100))
    answer = signed_in.post("/graphql", json={"query": f"{{ {aliases} }}"})
    assert (answer.headers["x-ratelimit-used"], sandbox.log.entries[-1].points) == ("1", 1)


def test_languages_nested_under_pages_cost_a_point_a_page(ask, organization):
    query = (
        "query($l: String!) { rateLimit { cost } organization(login: $l) { repositories(first: 100) "
        "{ nodes { languages(first: 10) { totalSize } } } } }"
    )
    assert ask(query, l=organization)["data"]["rateLimit"]["cost"] == 1


@pytest.mark.parametrize(
    ("selection", "kind"),
    [
        ("repositories(first: 101) { nodes { id } }", "EXCESSIVE_PAGINATION"),
        ("repositories { nodes { id } }", "MISSING_PAGINATION_BOUNDARIES"),
        ('repositories(first: 1, after: "?") { nodes { id } }', "INVALID_CURSOR_ARGUMENTS"),
        ("repositories(first: -1) { nodes { id } }", "INVALID_PAGINATION"),
    ],
)
def test_invalid_page_arguments_are_refused_with_a_path(ask, organization, selection, kind):
    error = ask(f'{{ organization(login: "{organization}") {{ {selection} }} }}')["errors"][0]
    assert (error["type"], error["path"][0]) == (kind, "organization")


def test_too_many_nodes_are_refused_before_execution(ask, organization):
    inner = "nodes { repositoryTopics(first: 100) { nodes { id } } languages(first: 100) { nodes { id } } }"
    aliases = " ".join(
        f'a{n}: organization(login: "{organization}") {{ repositories(first: 100) {{ {inner} }} }}' for n in range(30)
    )
    answer = ask(f"{{ {aliases} }}")
    assert answer["errors"][0]["type"] == "MAX_NODE_LIMIT_EXCEEDED"
    assert "data" not in answer


@pytest.mark.parametrize(
    "query", ["{ nonsense }", "{ viewer { login ", "query($x: Int!) { viewer { login } }", "{ viewer }"]
)
def test_an_invalid_query_returns_200_with_errors_and_no_data(ask, query):
    answer = ask(query)
    assert answer.keys() == {"errors"}
    assert answer["errors"][0]["message"]


def test_an_unknown_field_has_githubs_error_message(ask):
    """Clients match this message to skip fields that an older Enterprise Server lacks."""
    query = (
        'query Q { a: user(login: "x") { ...F } } fragment F on User { repositories(first: 1) { nodes { starCount } } }'
    )
    assert ask(query)["errors"] == [
        {
            "path": ["fragment F", "repositories", "nodes", "starCount"],
            "extensions": {"code": "undefinedField", "typeName": "Repository", "fieldName": "starCount"},
            "message": "Field 'starCount' doesn't exist on type 'Repository'",
            "locations": [{"line": 1, "column": query.index("starCount") + 1}],
        }
    ]
    error = ask("{ viewer { repositories(sort: 1) { totalCount } } }")["errors"][0]
    assert error["message"] == "Field 'repositories' doesn't accept argument 'sort'"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"variables": {}}', b'{"query": 3}'])
def test_a_body_without_a_query_is_refused(signed_in, body):
    assert signed_in.post("/graphql", content=body).status_code == 400


def test_anonymous_clients_have_no_graphql(anonymous):
    assert anonymous.post("/graphql", json={"query": "{ viewer { login } }"}).status_code == 401


def test_the_schema_can_be_introspected(ask):
    answer = ask('{ __type(name: "Repository") { fields { name } } }')
    assert {"name": "stargazerCount"} in answer["data"]["__type"]["fields"]


SCALARS = st.sampled_from(["id", "name", "stargazerCount", "pushedAt", "__typename", "s: stargazerCount"])
OBJECTS = st.sampled_from(
    [
        "owner { login ... on User { databaseId } ... on Organization { isVerified } }",
        "licenseInfo { spdxId __typename }",
        "primaryLanguage { name }",
        "languages(first: 2) { totalSize edges { size node { name color } cursor } pageInfo { hasNextPage } }",
        "repositoryTopics(first: 3) { nodes { topic { name } } }",
        "parent { nameWithOwner owner { login } }",
        "...More",
        "... on Repository { isFork }",
        "... on Node { id }",
        "issues(states: [OPEN]) { totalCount }",
        "forkCount @include(if: false)",
        "diskUsage @skip(if: false)",
    ]
)
SELECTIONS = st.lists(st.one_of(SCALARS, OBJECTS), min_size=1, max_size=7)


@given(selections=SELECTIONS, size=st.integers(0, 100), twice=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_the_fast_executor_matches_graphql_core(sandbox, selections, size, twice):
    """The fast executor copies rows where the library calls a resolver per value; results must be equal."""
    inner = " ".join(selections)
    spread = "fragment More on Repository { description defaultBranchRef { name } watchers { totalCount } }"
    again = f"nodes {{ nameWithOwner {inner} }}" if twice else ""
    login = sandbox.world.accounts[0].login
    document = parse(
        f'{{ repositoryOwner(login: "{login}") {{ login __typename repositories(first: {size}) '
        f"{{ totalCount nodes {{ {inner} }} {again} pageInfo {{ endCursor }} }} }} "
        f'nobody: user(login: "no-such") {{ login }} nodes(ids: ["none"]) {{ id ...More }} }} {spread}'
    )
    operation = document.definitions[0]
    request = ApiRequest("POST", "/graphql", {}, {})
    resolvers = Graph(sandbox.world, sandbox.faults).resolvers(sandbox.world.now(), request, {})
    run = Execution(Query.of(SCHEMA, document, operation), resolvers)
    ours = run.data(GraphObject("Query", {"__typename": "Query"}))
    theirs = execute_sync(
        SCHEMA,
        document,
        root_value=GraphObject("Query", {}),
        field_resolver=lambda thing, info, **values: resolve_one(resolvers, thing, info, values),
        type_resolver=lambda thing, *_: thing.type,
    )
    assert ours == theirs.data
    assert [(e["message"], e["path"]) for e in run.errors] == [(e.message, e.path) for e in theirs.errors or ()]


def resolve_one(resolvers: Any, thing: GraphObject, info: Any, values: dict[str, Any]) -> Any:
    resolve = resolvers.get((info.parent_type.name, info.field_name))
    if resolve is None:
        return thing.row.get(info.field_name)
    try:
        value = resolve(thing.source, values)
    except FieldRefused as refused:
        raise GraphQLError(str(refused)) from refused
    if isinstance(value, list):
        return [GraphQLError(str(item)) if isinstance(item, FieldRefused) else item for item in value]
    return value
