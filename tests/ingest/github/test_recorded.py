"""Exchanges recorded from the real GitHub, replayed over HTTP through the whole client."""

import gzip
import json

import pytest

from ingest.github import (
    AccountNotFound,
    AccountRequest,
    BadCredentials,
    MissingRepository,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from tests.ingest.github.account_results import account_results
from tests.ingest.github.conftest import TOKEN
from tests.ingest.github.fake_server import CannedResponse, fake_server, recorded_exchange, replay, response_of_exchange

NOT_FOUND = CannedResponse(404, {"message": "Not Found"})


def fetch_one(github, request, **how):
    how = {"should_fetch_languages": lambda _account, _repository: False} | how
    (result,) = account_results(github, [request], **how)
    return result


def test_an_organization_of_2204_repositories_is_paged(recorded, client):
    """Links have api.github.com and the organization's id, as behind a proxy; the server gets all requests."""
    with gzip.open(recorded / "bulk" / "jenkinsci_org_repos_pages.jsonl.gz") as lines:
        pages = [json.loads(line) for line in lines]
    account = {"id": 107424, "login": "jenkinsci", "type": "Organization", "public_repos": 2204, "followers": 1}

    def respond(request):
        if request.path == "/users/jenkinsci":
            return CannedResponse(200, account)
        page = pages[int(request.query.get("page", 1)) - 1]
        return CannedResponse(200, page["body"], {"link": page["headers"].get("link", "")})

    with fake_server(respond) as server:
        result = fetch_one(client(server.url), AccountRequest("jenkinsci"))
        assert len(server.received) == 24
        assert server.received[1].path == "/orgs/jenkinsci/repos"
        assert {request.path for request in server.received[2:]} == {"/organizations/107424/repos"}
    assert result.error is None
    assert result.snapshot.is_complete
    truth = {body["id"]: body for page in pages for body in page["body"]}
    assert {one.github_id: one.stars for one in result.snapshot.repositories} == {
        github_id: body["stargazers_count"] for github_id, body in truth.items()
    }


def test_an_account_of_2012_and_its_languages_are_read(recorded, client):
    """Such bodies lack node ids, topics and most later fields."""
    account = recorded_exchange(recorded, "user-13-200")["response"]["body"]
    repositories = recorded_exchange(recorded, "user_repos-04-200")["response"]["body"]
    languages = recorded_exchange(recorded, "languages-03-200")["response"]["body"]

    def respond(request):
        if request.path == "/users/jacquev6":
            return CannedResponse(200, account | {"public_repos": len(repositories)})
        if request.path.endswith("/languages"):
            return CannedResponse(200, languages)
        return CannedResponse(200, repositories)

    with fake_server(respond) as server:
        result = fetch_one(
            client(server.url),
            AccountRequest("jacquev6"),
            should_fetch_languages=lambda _a, one: one.full_name == "jacquev6/PyGithub",
        )
    snapshot = result.snapshot
    assert snapshot.is_complete
    assert len(snapshot.repositories) == 11
    (github_id,) = snapshot.languages
    assert snapshot.languages[github_id] == languages
    assert next(one for one in snapshot.repositories if one.github_id == github_id).full_name == "jacquev6/PyGithub"
    assert all(one.node_id is None and one.topics is None for one in snapshot.repositories)


def test_unchanged_bodies_come_from_the_cache(recorded, client):
    """Recorded 304s have no body and no Link. The token makes them free."""
    fresh, unchanged = recorded_exchange(recorded, "user-13-200"), recorded_exchange(recorded, "not_modified-01-304")
    repositories = response_of_exchange(recorded_exchange(recorded, "user_repos-05-200"))

    def respond(request):
        if "if-none-match" in request.headers:
            return response_of_exchange(unchanged)
        if request.path.endswith("/repos"):
            return CannedResponse(200, repositories.body, {"etag": '"list"'})
        body = fresh["response"]["body"] | {"public_repos": len(repositories.body)}
        return CannedResponse(200, body, {"etag": unchanged["request"]["headers"]["if-none-match"]})

    with fake_server(respond) as server:
        github = client(server.url, TOKEN, use_graphql=False)
        first, second = fetch_one(github, AccountRequest("jacquev6")), fetch_one(github, AccountRequest("jacquev6"))
        assert len(server.received) == 4
    assert first.not_modified == 0
    assert second.not_modified == 2
    assert second.snapshot.repositories == first.snapshot.repositories
    assert second.snapshot.account == first.snapshot.account
    # The time is that of the 304 response.
    assert second.snapshot.captured_at.year == 2013


def test_a_current_account_by_id(recorded, client):
    with fake_server(replay(recorded, "user_by_id-01-200")) as server:
        account = client(server.url).account_by_id(583231)
    assert account.login == recorded_exchange(recorded, "user_by_id-01-200")["response"]["body"]["login"]


def test_an_unknown_user_is_not_found(recorded, client):
    with fake_server(replay(recorded, "not_found-07-404")) as server:
        result = fetch_one(client(server.url), AccountRequest("ThisUserShouldReallyNotExist"))
        assert len(server.received) == 1
    assert isinstance(result.error, AccountNotFound)
    assert "ThisUserShouldReallyNotExist" in str(result.error)


def test_a_renamed_repository_is_found_by_id(recorded, client):
    with fake_server(replay(recorded, "repo_by_id-01-200")) as server:
        found = client(server.url).locate_repositories([(515436299, None)])
    assert found[515436299].full_name.endswith("-newname")


def test_the_redirect_of_a_renamed_repository_is_followed(recorded, client):
    """The recorded redirect points to api.github.com; its target is requested from the server."""
    moved, target = recorded_exchange(recorded, "redirect-01-301"), recorded_exchange(recorded, "repo_by_id-01-200")

    def respond(request):
        return (
            response_of_exchange(target) if request.path == "/repositories/515436299" else response_of_exchange(moved)
        )

    with fake_server(respond) as server:
        found = client(server.url, TOKEN, use_graphql=False).locate_repositories([(1, None)])
        assert server.requested_paths() == ["/repositories/1", "/repositories/515436299"]
        assert server.received[1].headers["authorization"] == f"Bearer {TOKEN}"
    assert found[1].github_id == 515436299


def test_a_redirect_to_github_com_gets_no_token(recorded, client):
    """As recorded: github.com is another host than that of the API."""
    with fake_server(lambda _: response_of_exchange(recorded_exchange(recorded, "redirect-04-301"))) as server:
        github = client(server.url, TOKEN, use_graphql=False)
        assert github.locate_repositories([(1, None)]) == {}
        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("unavailable_legal-02-451", ("dmca", 451)),
        ("blocked-01-403", ("tos", 403)),
        ("not_found-01-404", ("not_found", 404)),
        ("forbidden-03-403", ("permission_denied", 403)),
        ("repo_by_id-07-200", ("private", None)),
    ],
)
def test_a_missing_repository_has_a_reason(recorded, client, name, gone):
    with fake_server(lambda _: response_of_exchange(recorded_exchange(recorded, name))) as server:
        found = client(server.url).locate_repositories([(5, None)])
    assert isinstance(found[5], MissingRepository)
    assert (found[5].reason, found[5].status) == gone


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
def test_a_rejected_token_is_sent_once(recorded, client, number):
    with fake_server(
        lambda _: response_of_exchange(recorded_exchange(recorded, f"unauthorized-0{number}-401"))
    ) as server:
        results = list(
            account_results(
                client(server.url, TOKEN),
                [AccountRequest("a"), AccountRequest("b"), AccountRequest("c")],
                should_fetch_languages=lambda *_: False,
            )
        )
        assert len(server.received) == 1
    assert [type(result.error) for result in results] == [BadCredentials] * 3


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_server_error_with_an_html_body(recorded, client, number):
    with fake_server(
        lambda _: response_of_exchange(
            recorded_exchange(recorded, f"server_error-0{number}-50{3 if number == 1 else 2}")
        )
    ) as server:
        result = fetch_one(client(server.url), AccountRequest("octocat"))
        assert len(server.received) == 5
    assert isinstance(result.error, ServerError)
    assert "50" in str(result.error)


def test_a_permission_error_does_not_wait(recorded, client, time):
    with fake_server(lambda _: response_of_exchange(recorded_exchange(recorded, "forbidden-07-403"))) as server:
        result = fetch_one(client(server.url), AccountRequest("octocat"))
        assert len(server.received) == 1
    assert isinstance(result.error, PermissionDenied)
    assert time.slept_seconds == 0


@pytest.mark.parametrize(
    "name",
    [
        "rate_limited-01-403",
        "rate_limited-02-403",
        *[f"secondary_rate_limit-0{number}-403" for number in (1, 2, 3, 4, 7)],
        *[f"secondary_rate_limit-0{number}-429" for number in (5, 6)],
    ],
)
def test_no_request_is_sent_during_a_recorded_rate_limit(recorded, client, time, name):
    limited, times = response_of_exchange(recorded_exchange(recorded, name)), []

    def respond(request):
        times.append(time.now())
        if len(times) == 1:
            return limited
        return CannedResponse(200, {"id": 1, "login": "octocat", "type": "User"})

    with fake_server(respond) as server:
        assert client(server.url).account_by_id(1).login == "octocat"
    reported = float(limited.headers.get("retry-after", 60))
    assert (times[1] - times[0]).total_seconds() >= reported


def test_a_recorded_graphql_rate_limit_waits(recorded, client, time):
    """HTTP 200, without a header that states how long."""
    limited = response_of_exchange(recorded_exchange(recorded, "graphql-06-200"))
    with fake_server(lambda request: limited if request.path == "/graphql" else NOT_FOUND) as server:
        result = fetch_one(client(server.url, TOKEN), AccountRequest("octocat"))
        assert len(server.received) <= 2
    assert isinstance(result.error, RateLimited)
    assert time.slept_seconds >= 60


def test_a_recorded_graphql_not_found_concerns_its_node_only(recorded, client):
    """`data` and `errors` together; REST then has the reason."""
    error = recorded_exchange(recorded, "graphql-11-200")["response"]["body"]["errors"][0]
    there = {"id": "R_1", "databaseId": 1, "name": "b", "nameWithOwner": "a/b"}

    def respond(request):
        if request.path == "/graphql":
            return CannedResponse(200, {"data": {"n0": [there, None]}, "errors": [error | {"path": ["n0", 1]}]})
        return response_of_exchange(recorded_exchange(recorded, "unavailable_legal-02-451"))

    with fake_server(respond) as server:
        found = client(server.url, TOKEN).locate_repositories([(1, "R_1"), (2, "R_2")])
        assert server.requested_paths() == ["/graphql", "/repositories/2"]
    assert found[1].full_name == "a/b"
    assert found[2].reason == "dmca"
