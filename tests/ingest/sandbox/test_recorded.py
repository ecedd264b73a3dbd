"""The sandbox GitHub matches recorded GitHub responses, field by field and header by header."""

import gzip
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse, validate

from ingest.sandbox import Sandbox
from ingest.sandbox.graphql.schema import SCHEMA

# What the client reads, by category; the sandbox must give all of it.
REQUIRED_FIELDS = {
    "user": "login id node_id type name company blog location bio public_repos public_gists followers following "
    "created_at updated_at",
    "org": "login id node_id type description public_repos followers created_at updated_at",
    "repo": "id node_id name full_name owner description fork homepage size stargazers_count watchers_count language "
    "forks_count archived disabled open_issues_count license is_template topics visibility default_branch created_at "
    "updated_at pushed_at subscribers_count network_count",
    "user_repos": "id node_id name full_name owner description fork homepage size stargazers_count language "
    "forks_count archived open_issues_count license default_branch created_at updated_at pushed_at",
}
# What GitHub documents as nullable although no recording of that kind happened to be null.
NULLABLE = {"name", "url"}
# Headers that are about one asker or one deployment of GitHub, not about its form.
PRIVATE_HEADERS = {"x-accepted-oauth-scopes", "x-oauth-scopes"}


@cache
def all_exchanges(recorded: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (recorded / "exchanges").glob("*.json")]


def exchanges(recorded: Path, category: str, status: int = 200, since: str = "2024") -> Iterator[dict[str, Any]]:
    """Yield the recorded exchanges of *category*, newest first."""
    fitting = [
        e
        for e in all_exchanges(recorded)
        if e["category"] == category and e["response"]["status"] == status and (e["recorded_on"] or "") >= since
    ]
    yield from sorted(fitting, key=lambda e: e["recorded_on"] or "", reverse=True)


def bulk_records(recorded: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(recorded / "bulk" / f"{name}.jsonl.gz") as lines:
        return [json.loads(line) for line in lines]


def field_types_of_category(recorded: Path, category: str, since: str = "2024") -> dict[str, set[str]]:
    """Return the field types of the newest bodies, and whether any year's body had them null."""
    types = field_types([e["response"]["body"] for e in exchanges(recorded, category, since=since)])
    older = field_types([e["response"]["body"] for e in exchanges(recorded, category, since="")])
    return {name: seen | (older[name] & {"NoneType"}) for name, seen in types.items()}


def field_types(bodies: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the JSON types of each field."""
    types: dict[str, set[str]] = {}
    for body in bodies:
        for name, value in body.items():
            types.setdefault(name, set()).add(type(value).__name__)
    return types


def assert_same_shape(given: dict[str, Any], recorded: dict[str, set[str]], needed: str = "") -> None:
    """Assert that every given field has a recorded type and no needed field is missing."""
    unknown = {
        name: (type(value).__name__, recorded.get(name))
        for name, value in given.items()
        if type(value).__name__ not in recorded.get(name, set())
        and not (value is None and name in NULLABLE and name in recorded)
        # A field that was null in every recording tells nothing of its type, and a string may be unset here.
        and recorded.get(name) != {"NoneType"}
    }
    assert unknown == {}
    assert [name for name in needed.split() if name in recorded and name not in given] == []
    assert [name for name in needed.split() if name not in recorded] == []


@pytest.fixture
def ask(signed_in: httpx.Client) -> Callable[[str], Any]:
    return lambda path: signed_in.get(path).raise_for_status().json()


def users(sandbox: Sandbox, kind: str) -> list[str]:
    return [a.login for a in sandbox.world.accounts if a.kind == kind and a.login in sandbox.world.logins()]


def test_a_user_has_the_recorded_shape(sandbox, ask, recorded):
    shown = field_types_of_category(recorded, "user")
    for login in users(sandbox, "User"):
        assert_same_shape(ask(f"/users/{login}"), shown, REQUIRED_FIELDS["user"])


def test_an_organization_requested_as_a_user_has_the_recorded_shape(sandbox, ask, recorded):
    organization = ask(f"/users/{users(sandbox, 'Organization')[0]}")
    assert organization["type"] == "Organization"
    assert_same_shape(organization, field_types_of_category(recorded, "user"), REQUIRED_FIELDS["user"])


def test_an_organization_has_the_recorded_shape(sandbox, ask, recorded):
    shown = field_types_of_category(recorded, "org")
    for login in users(sandbox, "Organization"):
        assert_same_shape(ask(f"/orgs/{login}"), shown, REQUIRED_FIELDS["org"])


def test_a_repository_has_the_recorded_shape(sandbox, ask, recorded):
    shown = [e["response"]["body"] for e in exchanges(recorded, "repo")]
    fields = field_types_of_category(recorded, "repo")
    repositories = [r for r in sandbox.world.repositories.values() if sandbox.world.shows(r)]
    for repository in [r for r in repositories if r.fork][:5] + repositories[:20]:
        body = ask(f"/repos/{repository.full_name}")
        assert_same_shape(body, fields, REQUIRED_FIELDS["repo"])
        assert_same_shape(body["owner"], field_types([b["owner"] for b in shown]))
        assert_same_shape(body["license"] or {}, field_types([b["license"] for b in shown if b["license"]]))
        if "parent" in body:
            # The recorded parents happen to have all that a repository may lack.
            assert set(body["parent"]) - set(field_types([b["parent"] for b in shown if "parent" in b])) == set()


def test_a_listed_repository_only_has_recorded_fields(sandbox, ask, recorded):
    """Lists were last recorded in 2020; newer fields come from the token's own repositories in 2024."""
    pages = [e["response"]["body"] for e in exchanges(recorded, "user_repos", since="2019")]
    pages += [e["response"]["body"] for e in exchanges(recorded, "self_repos")]
    shown = field_types([item for page in pages for item in page])
    # These two came in 2025; recordings of single repositories show them.
    shown |= {"has_pull_requests": {"bool"}, "pull_request_creation_policy": {"str"}}
    for item in ask(f"/users/{sandbox.world.logins()[0]}/repos?per_page=100"):
        assert_same_shape(item, shown, REQUIRED_FIELDS["user_repos"])
        assert "subscribers_count" not in item


def test_a_repository_has_no_permissions_for_anonymous_clients(sandbox, anonymous, recorded):
    shown = [e["response"]["body"] for e in exchanges(recorded, "repo") if e["request"]["authenticated"] is False]
    repository = next(iter(sandbox.world.repositories.values()))
    body = anonymous.get(f"/repos/{repository.full_name}").json()
    assert "permissions" not in body
    assert shown
    assert all("permissions" not in other for other in shown)


def test_languages_are_bytes_by_name(sandbox, ask, recorded):
    shown = [e["response"]["body"] for e in exchanges(recorded, "languages", since="2013")]
    assert all(type(size) is int for body in shown for size in body.values())
    for repository in list(sandbox.world.repositories.values())[:30]:
        assert all(type(size) is int for size in ask(f"/repos/{repository.full_name}/languages").values())


def test_the_rate_limit_has_the_recorded_shape(ask, recorded):
    shown = [e["response"]["body"] for e in exchanges(recorded, "rate_limit", since="2023")]
    given = ask("/rate_limit")
    assert_same_shape(given, field_types(shown), "resources rate")
    assert_same_shape(given["resources"], field_types([b["resources"] for b in shown]), "core graphql search")
    assert_same_shape(given["resources"]["core"], field_types([b["resources"]["core"] for b in shown]))


def header_names(exchange: dict[str, Any]) -> set[str]:
    # `status` as a header ended in 2020.
    return set(exchange["response"]["headers"]) - PRIVATE_HEADERS - {"status"}


@pytest.mark.parametrize("category", ["user", "org", "repo"])
def test_responses_have_the_recorded_headers(category, sandbox, signed_in, recorded):
    world = sandbox.world
    paths = {
        "user": f"/users/{users(sandbox, 'User')[0]}",
        "org": f"/orgs/{users(sandbox, 'Organization')[0]}",
        "repo": f"/repos/{next(iter(world.repositories.values())).full_name}",
    }
    answer = signed_in.get(paths[category])
    newest = next(e for e in exchanges(recorded, category) if e["request"]["authenticated"] is not False)
    assert header_names(newest) - set(answer.headers) == set()
    for name in ("content-type", "cache-control", "x-github-media-type", "x-github-api-version-selected"):
        assert answer.headers[name] == newest["response"]["headers"][name]
    assert answer.headers["etag"].startswith('W/"')
    assert len(answer.headers["etag"]) == len(newest["response"]["headers"]["etag"])
    assert answer.headers["last-modified"][-3:] == "GMT"


def test_anonymous_responses_have_the_recorded_headers(sandbox, anonymous, recorded):
    newest = next(e for e in exchanges(recorded, "repo") if e["request"]["authenticated"] is False)
    answer = anonymous.get(f"/repos/{next(iter(sandbox.world.repositories.values())).full_name}")
    assert header_names(newest) - set(answer.headers) == set()
    for name in ("cache-control", "vary", "x-ratelimit-limit", "x-ratelimit-resource"):
        assert answer.headers[name] == newest["response"]["headers"][name]


def test_not_modified_has_the_recorded_headers_and_no_link(sandbox, signed_in, recorded):
    newest = next(exchanges(recorded, "not_modified", 304, "2023"))
    path = f"/users/{sandbox.world.logins()[0]}/repos?per_page=10"
    first = signed_in.get(path)
    again = signed_in.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "link" in first.headers
    assert "link" not in again.headers
    # A list has no Last-Modified, so its 304 has none.
    assert header_names(newest) - set(again.headers) == {"last-modified"}
    assert newest["response"]["headers"]["etag"].startswith('"')
    assert again.headers["etag"] == first.headers["etag"].removeprefix("W/")


def test_link_headers_have_the_recorded_form(sandbox, signed_in, recorded):
    """URLs use ids, end with `page`, and rels come in the order prev, next, last, first."""
    organization = sandbox.world.accounts[0]
    last = next(e for e in exchanges(recorded, "org_repos", since="2019") if "page" in e["request"]["query"])
    middle = bulk_records(recorded, "jenkinsci_org_repos_pages")[1]

    def form(link: str, root: str, number: str, page: int) -> str:
        """Replace the account, and number pages relative to the requested one."""
        form = link.replace(f"{root}/organizations/{number}/", "")
        return form.replace(f"page={page + 1}>", "page=+1>").replace(f"page={page - 1}>", "page=-1>")

    given = signed_in.get(f"/organizations/{organization.id}/repos?per_page=100&page=3").headers["link"]
    expected = last["response"]["headers"]["link"]
    assert form(given, sandbox.url, str(organization.id), 3) == form(expected, "https://api.github.com", "107424", 23)
    given = signed_in.get(f"/orgs/{organization.login}/repos?per_page=100&page=2").headers["link"]
    expected = middle["headers"]["link"].replace("page=23>", "page=3>")
    assert form(given, sandbox.url, str(organization.id), 2) == form(expected, "https://api.github.com", "107424", 2)


def test_a_renamed_repository_redirects_as_recorded(sandbox, signed_in, recorded):
    newest = next(exchanges(recorded, "redirect", 301, "2023"))
    repository = next(iter(sandbox.world.repositories.values()))
    before = repository.full_name
    sandbox.world.edit.rename(before, "another-name")
    answer = signed_in.get(f"/repos/{before}")
    assert answer.status_code == 301
    assert_same_shape(answer.json(), field_types([newest["response"]["body"]]), "message url documentation_url")
    assert answer.json()["message"] == newest["response"]["body"]["message"]
    assert answer.headers["location"] == f"{sandbox.url}/repositories/{repository.id}"
    assert header_names(newest) - set(answer.headers) == set()
    assert signed_in.get(answer.headers["location"]).json()["name"] == "another-name"


def test_a_missing_resource_is_refused_as_recorded(signed_in, recorded):
    newest = next(exchanges(recorded, "not_found", 404, "2025"))
    answer = signed_in.get("/repos/nobody-at-all/nothing")
    assert (answer.status_code, answer.json()) == (404, newest["response"]["body"])


def test_an_invalid_token_is_refused_as_recorded(signed_in, recorded):
    expected = next(e for e in exchanges(recorded, "unauthorized", 401, "2020-09") if e["id"] == "unauthorized-01-401")
    answer = signed_in.get("/user", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    assert {k: v for k, v in answer.json().items() if k != "status"} == expected["response"]["body"]
    assert answer.headers["x-ratelimit-limit"] == expected["response"]["headers"]["x-ratelimit-limit"]


def test_taken_down_repositories_are_refused_as_recorded(sandbox, signed_in, recorded):
    repository = next(iter(sandbox.world.repositories.values()))
    expected = {
        451: next(exchanges(recorded, "unavailable_legal", 451)),
        "tos": next(exchanges(recorded, "blocked", 403)),
    }
    for reason, exchange in expected.items():
        sandbox.faults.refuse(repository.full_name, reason)
        answer = signed_in.get(f"/repos/{repository.full_name}")
        assert answer.status_code == exchange["response"]["status"]
        assert_same_shape(answer.json(), field_types([exchange["response"]["body"]]), "message block")
        assert_same_shape(
            answer.json()["block"], field_types([exchange["response"]["body"]["block"]]), "reason html_url"
        )
        assert answer.json()["message"] == exchange["response"]["body"]["message"]


def test_secondary_limits_have_the_recorded_message(sandbox, signed_in, recorded):
    expected = [e["response"]["body"]["message"] for e in exchanges(recorded, "secondary_rate_limit", 403, "2021")]
    sandbox.faults.secondary(retry_after=60)
    answer = signed_in.get("/user")
    assert answer.headers["retry-after"] == "60"
    assert any(answer.json()["message"].startswith(message) for message in expected)


def test_an_empty_repository_is_refused_as_recorded(sandbox, signed_in, recorded):
    expected = next(exchanges(recorded, "empty_repo", 409, "2021"))
    repository = next(iter(sandbox.world.repositories.values()))
    sandbox.faults.refuse(repository.full_name, 409)
    answer = signed_in.get(f"/repos/{repository.full_name}")
    assert (answer.status_code, answer.json()["message"]) == (409, expected["response"]["body"]["message"])


def graphql_exchanges(recorded: Path) -> Iterator[dict[str, Any]]:
    for since in ("2022", ""):
        for exchange in exchanges(recorded, "graphql", since=since):
            if isinstance(exchange["request"]["body"], dict):
                yield exchange


def test_recorded_repository_queries_return_the_recorded_shape(sandbox, signed_in, recorded):
    """Every recorded query that the sandbox schema covers runs unchanged on sandbox accounts."""
    repository = next(iter(sandbox.world.repositories.values()))
    covered = 0
    for exchange in graphql_exchanges(recorded):
        query = exchange["request"]["body"]["query"]
        if "errors" in exchange["response"]["body"] or validate(SCHEMA, parse(query)):
            continue
        covered += 1
        known = {"owner": repository.owner.login, "name": repository.name, "id": repository.node_id}
        variables = {name: known[name] for name in exchange["request"]["body"].get("variables", {})}
        answer = signed_in.post("/graphql", json={"query": query, "variables": variables}).json()
        assert shape(answer) == shape(exchange["response"]["body"])
    assert covered


def test_recorded_repository_selections_return_the_recorded_shape(sandbox, signed_in, recorded):
    """Every recorded selection on a repository exists here with the same types."""
    selection = (
        "nameWithOwner description stargazerCount forkCount isFork primaryLanguage { name } owner { login } "
        "repositoryTopics(first: 20) { nodes { topic { name } } }"
    )
    query = (
        f"query($user: String!) {{ user(login: $user) {{ repositories(first: 100) {{ nodes {{ {selection} }} }} }} }}"
    )
    seen: dict[str, set[str]] = {}
    for exchange in graphql_exchanges(recorded):
        for node in repositories_in(exchange["response"]["body"]):
            for name, types in field_types([node]).items():
                seen.setdefault(name, set()).update(types)
    assert set(seen) >= {"nameWithOwner", "stargazerCount", "repositoryTopics", "primaryLanguage"}
    for login in users(sandbox, "User"):
        answer = signed_in.post("/graphql", json={"query": query, "variables": {"user": login}}).json()
        for node in answer["data"]["user"]["repositories"]["nodes"]:
            assert_same_shape({k: v for k, v in node.items() if k in seen and v is not None}, seen)


def test_recorded_repository_nodes_have_the_sandbox_types(sandbox, signed_in, recorded):
    """Fields shared with 1,156 recorded nodes have the same type."""
    nodes = bulk_records(recorded, "llnl_graphql_repository_nodes")
    selection = (
        "createdAt defaultBranchRef { name } description forks { totalCount } homepageUrl languages(first: 100) "
        "{ totalCount edges { size } nodes { color name } } licenseInfo { name nickname spdxId url } name "
        "nameWithOwner owner { avatarUrl login } parent { name } primaryLanguage { name } "
        "repositoryTopics { totalCount } stargazers { totalCount } url"
    )
    query = (
        f"query($l: String!) {{ organization(login: $l) {{ repositories(first: 100) {{ nodes {{ {selection} }} }} }} }}"
    )
    login = sandbox.world.accounts[0].login
    answer = signed_in.post("/graphql", json={"query": query, "variables": {"l": login}}).json()
    ours = answer["data"]["organization"]["repositories"]["nodes"]
    real = field_types(nodes)
    for node in ours:
        assert_same_shape(node, real)
        for name in ("licenseInfo", "owner", "primaryLanguage", "defaultBranchRef"):
            assert_same_shape(node[name] or {}, field_types([n[name] for n in nodes if n[name]]))
        licence, licences = node["licenseInfo"], [n["licenseInfo"] for n in nodes if n["licenseInfo"]]
        assert not licence or licence["spdxId"] in {each["spdxId"] for each in licences} | {"MPL-2.0"}


def test_an_unknown_node_is_refused_as_recorded(signed_in, recorded):
    expected = next(e for e in graphql_exchanges(recorded) if e["note"].startswith("GraphQL error NOT_FOUND"))
    query = "\n            query Q($id: ID!) {\n              node(id: $id) { __typename }\n            }"
    answer = signed_in.post("/graphql", json={"query": query, "variables": {"id": "D_abcdefgh"}})
    assert (answer.status_code, answer.json()) == (expected["response"]["status"], expected["response"]["body"])


def test_an_exhausted_budget_is_reported_as_recorded(sandbox, signed_in, recorded):
    expected = next(e for e in graphql_exchanges(recorded) if "RATE_LIMITED" in e["note"])
    sandbox.limits.set_remaining(0, resource="graphql")
    answer = signed_in.post("/graphql", json={"query": "{ viewer { login } }"})
    assert answer.status_code == expected["response"]["status"]
    assert shape(answer.json()) == shape(expected["response"]["body"])
    assert answer.json()["errors"][0]["type"] == expected["response"]["body"]["errors"][0]["type"]


def test_graphql_responses_have_the_recorded_headers(signed_in, recorded):
    newest = next(e for e in exchanges(recorded, "graphql") if e["response"]["headers"])
    answer = signed_in.post("/graphql", json={"query": "{ viewer { login } }"})
    assert header_names(newest) - set(answer.headers) == set()
    assert answer.headers["x-github-media-type"] == newest["response"]["headers"]["x-github-media-type"]
    assert answer.headers["x-ratelimit-resource"] == "graphql"


def shape(value: Any) -> Any:
    """Reduce JSON to its keys and types."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def repositories_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a response that has a name with its owner."""
    if isinstance(value, dict):
        if "nameWithOwner" in value:
            yield value
        for inner in value.values():
            yield from repositories_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from repositories_in(inner)
