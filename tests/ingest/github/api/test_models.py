"""Accounts and repositories parsed from every recording."""

import contextlib
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.github import Account, Repository
from ingest.github.api.models import PARSE_ERRORS, clean_text

ACCOUNT_CATEGORIES = {"user", "user_by_id", "user_self", "org"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def recorded_bodies(recorded, wanted):
    for path in sorted((recorded / "exchanges").glob("*.json")):
        exchange = json.loads(path.read_text())
        if exchange["response"]["status"] != 200:
            continue
        body = exchange["response"]["body"]
        for item in body if isinstance(body, list) else [body]:
            if isinstance(item, dict) and wanted(exchange, item):
                yield exchange["id"], item


def test_every_recorded_account_is_parsed(recorded):
    """From 2012 to 2026, users and organizations."""
    seen = 0
    for name, body in recorded_bodies(recorded, lambda exchange, _: exchange["category"] in ACCOUNT_CATEGORIES):
        account = Account.from_rest(body)
        reported = (body["id"], body["login"], body["public_repos"], body["followers"], body["following"])
        assert reported == (
            account.github_id,
            account.login,
            account.public_repositories,
            account.followers,
            account.following,
        ), name
        assert account.kind == ("organization" if body.get("type") == "Organization" else "user"), name
        assert account.created_at is not None
        assert account.created_at.tzinfo is not None
        seen += 1
    assert seen >= 25


def test_every_recorded_repository_is_parsed(recorded):
    seen = 0
    for name, body in recorded_bodies(recorded, lambda _held, item: "full_name" in item and "pushed_at" in item):
        repository = Repository.from_rest(body)
        assert repository.github_id == body["id"], name
        assert repository.full_name == body["full_name"], name
        assert repository.stars == body.get("stargazers_count", body.get("watchers")), name
        assert repository.forks == body["forks"], name
        assert repository.size_kb == body["size"], name
        assert repository.open_issues is None
        assert repository.open_issues_and_change_requests == body["open_issues"], name
        assert repository.watchers == body.get("subscribers_count"), name
        assert (repository.topics is None) == ("topics" not in body), name
        seen += 1
    assert seen > 250


def test_the_recorded_list_of_an_organization_is_parsed(recorded):
    with gzip.open(recorded / "bulk" / "jenkinsci_org_repos_pages.jsonl.gz") as lines:
        repositories = [Repository.from_rest(body) for line in lines for body in json.loads(line)["body"]]
    assert len({repository.github_id for repository in repositories}) == 22 * 100 + 4
    assert {repository.owner_login for repository in repositories} == {"jenkinsci"}


def test_recorded_graphql_nodes_are_normalised_like_rest(recorded):
    """Licences are SPDX ids, and "" becomes None as in REST."""
    with gzip.open(recorded / "bulk" / "llnl_graphql_repository_nodes.jsonl.gz") as lines:
        nodes = [json.loads(line) for line in lines]
    repositories = [Repository.from_graphql(node | {"databaseId": i}) for i, node in enumerate(nodes)]
    assert {repository.license for repository in repositories} >= {None, "NOASSERTION", "MIT"}
    assert all(repository.homepage != "" for repository in repositories)
    assert all(repository.pushed_at is None for repository in repositories)  # not requested in that recording
    assert sum(repository.default_branch is None for repository in repositories) == 6


def test_an_empty_repository_is_equal_by_rest_and_graphql(recorded):
    """REST reports the creation time as the last push, and a default branch; GraphQL reports null for both."""
    exchange = json.loads((recorded / "exchanges" / "repo-17-200.json").read_text())["response"]["body"]
    by_rest = Repository.from_rest(exchange)
    assert by_rest.pushed_at is None
    assert by_rest.default_branch is None
    by_graphql = Repository.from_graphql(
        {
            "databaseId": exchange["id"],
            "id": exchange["node_id"],
            "name": exchange["name"],
            "nameWithOwner": exchange["full_name"],
            "owner": {"login": exchange["owner"]["login"], "databaseId": exchange["owner"]["id"]},
            "createdAt": exchange["created_at"],
            "pushedAt": None,
            "defaultBranchRef": None,
            "homepageUrl": "",
            "description": exchange["description"] or "",
            "stargazerCount": exchange["stargazers_count"],
            "forkCount": exchange["forks_count"],
            "diskUsage": exchange["size"],
            "isFork": exchange["fork"],
            "isPrivate": exchange["private"],
        }
    )
    counted = {"topics", "watchers", "open_issues_and_change_requests"}
    assert by_rest.model_dump(exclude=counted) == by_graphql.model_dump(exclude=counted)


def test_a_first_push_within_the_second_of_creation_is_not_empty():
    """A fork, or a repository with a size, was pushed to whatever its timestamps."""
    at = "2024-02-01T18:02:27Z"
    body = {"id": 1, "name": "b", "full_name": "a/b", "created_at": at, "pushed_at": at, "default_branch": "main"}
    assert Repository.from_rest(body | {"size": 3}).pushed_at is not None
    assert Repository.from_rest(body | {"size": 0, "fork": True}).default_branch == "main"


def test_an_avatar_url_is_equal_by_rest_and_graphql():
    plain = {"id": 5, "login": "a", "type": "User", "avatar_url": "https://avatars.githubusercontent.com/u/5?v=4"}
    reported = {"databaseId": 5, "login": "a", "avatarUrl": "https://avatars.githubusercontent.com/u/5?u=abc&v=4"}
    assert Account.from_rest(plain).avatar_url == Account.from_graphql(reported).avatar_url


def test_texts_are_cleaned_for_postgres():
    repository = Repository.from_rest(
        {"id": 1, "name": "b", "full_name": "a/b", "description": "nul\x00 half \ud83d cat 🐈", "topics": ["x\x00"]}
    )
    assert repository.description == "nul half \ufffd cat 🐈"
    assert repository.topics == ("x",)


@given(st.text())
def test_any_text_can_be_stored(text):
    cleaned = clean_text(text)
    assert "\x00" not in cleaned
    cleaned.encode()


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4), JSON, JSON, JSON)
def test_any_body_is_parsed_or_raises_a_parse_error(body, some_id, name, other):
    body |= {"id": some_id, "databaseId": some_id, "login": name, "full_name": name, "nameWithOwner": name}
    body |= {"name": other, "owner": other, "license": other, "topics": other, "licenseInfo": other, "type": other}
    for read in (Account.from_rest, Account.from_graphql, Repository.from_rest, Repository.from_graphql):
        with contextlib.suppress(PARSE_ERRORS):
            read(dict(body))


@pytest.mark.parametrize("read", [Account.from_rest, Repository.from_rest, Account.from_graphql])
def test_an_id_is_required(read):
    with pytest.raises(PARSE_ERRORS):
        read({"login": "a", "name": "b", "full_name": "a/b"})
