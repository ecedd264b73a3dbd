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
from tests.ingest.github.conftest import TOKEN
from tests.ingest.github.fake_server import CannedResponse, fake_server, recorded_exchange, replay, response_of_exchange

NOT_FOUND = CannedResponse(404, {"message": "Not Found"})


def fetch_one(github, ask, **how):
    how = {"should_fetch_languages": lambda _account, _repository: False} | how
    (result,) = github.accounts([ask], **how)
    return result


def test_an_organization_of_2204_repositories_comes_page_by_page(recorded, client):
    """Links point to api.github.com by the organization's number, as behind a proxy; all of them are asked here."""
    with gzip.open(recorded / "bulk" / "jenkinsci_org_repos_pages.jsonl.gz") as lines:
        pages = [json.loads(line) for line in lines]
    account = {"id": 107424, "login": "jenkinsci", "type": "Organization", "public_repos": 2204, "followers": 1}

    def say(asked):
        if asked.path == "/users/jenkinsci":
            return CannedResponse(200, account)
        page = pages[int(asked.query.get("page", 1)) - 1]
        return CannedResponse(200, page["body"], {"link": page["headers"].get("link", "")})

    with fake_server(say) as server:
        result = fetch_one(client(server.url), AccountRequest("jenkinsci"))
        assert len(server.asked) == 24
        assert server.asked[1].path == "/orgs/jenkinsci/repos"
        assert {asked.path for asked in server.asked[2:]} == {"/organizations/107424/repos"}
    assert result.error is None
    assert result.snapshot.is_complete
    truth = {body["id"]: body for page in pages for body in page["body"]}
    assert {one.github_id: one.stars for one in result.snapshot.repositories} == {
        github_id: body["stargazers_count"] for github_id, body in truth.items()
    }


def test_an_account_of_2012_and_its_languages_are_read(recorded, client):
    """Bodies of then lack node ids, topics and most of what came later."""
    account = recorded_exchange(recorded, "user-13-200")["response"]["body"]
    repositories = recorded_exchange(recorded, "user_repos-04-200")["response"]["body"]
    languages = recorded_exchange(recorded, "languages-03-200")["response"]["body"]

    def say(asked):
        if asked.path == "/users/jacquev6":
            return CannedResponse(200, account | {"public_repos": len(repositories)})
        if asked.path.endswith("/languages"):
            return CannedResponse(200, languages)
        return CannedResponse(200, repositories)

    with fake_server(say) as server:
        result = fetch_one(
            client(server.url),
            AccountRequest("jacquev6"),
            should_fetch_languages=lambda _a, one: one.full_name == "jacquev6/PyGithub",
        )
    answer = result.snapshot
    assert answer.is_complete
    assert len(answer.repositories) == 11
    (github_id,) = answer.languages
    assert answer.languages[github_id] == languages
    assert next(one for one in answer.repositories if one.github_id == github_id).full_name == "jacquev6/PyGithub"
    assert all(one.node_id is None and one.topics is None for one in answer.repositories)


def test_what_did_not_change_is_taken_from_what_is_kept(recorded, client):
    """Recorded 304s have no body and no Link. The token makes them free."""
    fresh, unchanged = recorded_exchange(recorded, "user-13-200"), recorded_exchange(recorded, "not_modified-01-304")
    repositories = response_of_exchange(recorded_exchange(recorded, "user_repos-05-200"))

    def say(asked):
        if "if-none-match" in asked.headers:
            return response_of_exchange(unchanged)
        if asked.path.endswith("/repos"):
            return CannedResponse(200, repositories.body, {"etag": '"list"'})
        body = fresh["response"]["body"] | {"public_repos": len(repositories.body)}
        return CannedResponse(200, body, {"etag": unchanged["request"]["headers"]["if-none-match"]})

    with fake_server(say) as server:
        github = client(server.url, TOKEN, use_graphql=False)
        first, second = fetch_one(github, AccountRequest("jacquev6")), fetch_one(github, AccountRequest("jacquev6"))
        assert len(server.asked) == 4
    assert first.not_modified == 0
    assert second.not_modified == 2
    assert second.snapshot.repositories == first.snapshot.repositories
    assert second.snapshot.account == first.snapshot.account
    # The moment is that of the answer which said so.
    assert second.snapshot.captured_at.year == 2013


def test_an_account_of_today_by_id(recorded, client):
    with fake_server(replay(recorded, "user_by_id-01-200")) as server:
        account = client(server.url).account_by_id(583231)
    assert account.login == recorded_exchange(recorded, "user_by_id-01-200")["response"]["body"]["login"]


def test_a_user_who_does_not_exist(recorded, client):
    with fake_server(replay(recorded, "not_found-07-404")) as server:
        result = fetch_one(client(server.url), AccountRequest("ThisUserShouldReallyNotExist"))
        assert len(server.asked) == 1
    assert isinstance(result.error, AccountNotFound)
    assert "ThisUserShouldReallyNotExist" in str(result.error)


def test_a_renamed_repository_is_found_by_its_number(recorded, client):
    with fake_server(replay(recorded, "repo_by_id-01-200")) as server:
        found = client(server.url).locate_repositories([(515436299, None)])
    assert found[515436299].full_name.endswith("-newname")


def test_a_rename_answers_301_and_is_followed_to_the_new_record(recorded, client):
    """The recorded redirect points to api.github.com; its target is asked here."""
    moved, target = recorded_exchange(recorded, "redirect-01-301"), recorded_exchange(recorded, "repo_by_id-01-200")

    def say(asked):
        return response_of_exchange(target) if asked.path == "/repositories/515436299" else response_of_exchange(moved)

    with fake_server(say) as server:
        found = client(server.url, TOKEN, use_graphql=False).locate_repositories([(1, None)])
        assert server.requested_paths() == ["/repositories/1", "/repositories/515436299"]
        assert server.asked[1].headers["authorization"] == f"Bearer {TOKEN}"
    assert found[1].github_id == 515436299


def test_a_redirect_to_github_com_gets_no_token(recorded, client):
    """As recorded: https://github.com is another host than the API's."""
    with fake_server(lambda _: response_of_exchange(recorded_exchange(recorded, "redirect-04-301"))) as server:
        github = client(server.url, TOKEN, use_graphql=False)
        assert github.locate_repositories([(1, None)]) == {}
        assert len(server.asked) == 1


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
def test_why_a_repository_is_gone(recorded, client, name, gone):
    with fake_server(lambda _: response_of_exchange(recorded_exchange(recorded, name))) as server:
        found = client(server.url).locate_repositories([(5, None)])
    assert isinstance(found[5], MissingRepository)
    assert (found[5].reason, found[5].status) == gone


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
def test_a_refused_token_is_said_once(recorded, client, number):
    with fake_server(
        lambda _: response_of_exchange(recorded_exchange(recorded, f"unauthorized-0{number}-401"))
    ) as server:
        results = list(
            client(server.url, TOKEN).accounts(
                [AccountRequest("a"), AccountRequest("b"), AccountRequest("c")], should_fetch_languages=lambda *_: False
            )
        )
        assert len(server.asked) == 1
    assert [type(result.error) for result in results] == [BadCredentials] * 3


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_server_error_with_a_page_for_people(recorded, client, number):
    with fake_server(
        lambda _: response_of_exchange(
            recorded_exchange(recorded, f"server_error-0{number}-50{3 if number == 1 else 2}")
        )
    ) as server:
        result = fetch_one(client(server.url), AccountRequest("octocat"))
        assert len(server.asked) == 5
    assert isinstance(result.error, ServerError)
    assert "50" in str(result.error)


def test_a_403_for_want_of_permission_is_not_waited_for(recorded, client, time):
    with fake_server(lambda _: response_of_exchange(recorded_exchange(recorded, "forbidden-07-403"))) as server:
        result = fetch_one(client(server.url), AccountRequest("octocat"))
        assert len(server.asked) == 1
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
def test_every_recorded_limit_is_waited_for_and_no_request_is_sent_meanwhile(recorded, client, time, name):
    limited, moments = response_of_exchange(recorded_exchange(recorded, name)), []

    def say(asked):
        moments.append(time.now())
        if len(moments) == 1:
            return limited
        return CannedResponse(200, {"id": 1, "login": "octocat", "type": "User"})

    with fake_server(say) as server:
        assert client(server.url).account_by_id(1).login == "octocat"
    told = float(limited.headers.get("retry-after", 60))
    assert (moments[1] - moments[0]).total_seconds() >= told


def test_a_recorded_limit_of_graphql_is_waited_for(recorded, client, time):
    """HTTP 200, no header that tells how long."""
    limited = response_of_exchange(recorded_exchange(recorded, "graphql-06-200"))
    with fake_server(lambda asked: limited if asked.path == "/graphql" else NOT_FOUND) as server:
        result = fetch_one(client(server.url, TOKEN), AccountRequest("octocat"))
        assert len(server.asked) <= 2
    assert isinstance(result.error, RateLimited)
    assert time.slept_seconds >= 60


def test_a_recorded_not_found_of_graphql_is_gone_for_that_one_alone(recorded, client):
    """`data` and `errors` together; REST then says why."""
    error = recorded_exchange(recorded, "graphql-11-200")["response"]["body"]["errors"][0]
    there = {"id": "R_1", "databaseId": 1, "name": "b", "nameWithOwner": "a/b"}

    def say(asked):
        if asked.path == "/graphql":
            return CannedResponse(200, {"data": {"n0": [there, None]}, "errors": [error | {"path": ["n0", 1]}]})
        return response_of_exchange(recorded_exchange(recorded, "unavailable_legal-02-451"))

    with fake_server(say) as server:
        found = client(server.url, TOKEN).locate_repositories([(1, "R_1"), (2, "R_2")])
        assert server.requested_paths() == ["/graphql", "/repositories/2"]
    assert found[1].full_name == "a/b"
    assert found[2].reason == "dmca"
