"""Lists over REST whose Link headers are not as GitHub documents them."""

from ingest.github import AccountRequest
from tests.ingest.github.account_results import account_results
from tests.ingest.github.fake_server import CannedResponse, fake_server

ACCOUNT = {"id": 5, "login": "octocat", "type": "User", "public_repos": 2}


def repository(number):
    return {"id": number, "name": f"r{number}", "full_name": f"octocat/r{number}", "owner": {"login": "octocat"}}


def test_a_last_page_that_no_account_has_is_not_believed(client):
    def respond(request):
        if request.path == "/users/octocat":
            return CannedResponse(200, ACCOUNT)
        if "page" in request.query:
            return CannedResponse(200, [repository(2)])
        url = f"{server.url}/users/octocat/repos?page="
        return CannedResponse(200, [repository(1)], {"link": f'<{url}2>; rel="next", <{url}1200>; rel="last"'})

    with fake_server(respond) as server:
        requests = [AccountRequest("octocat")]
        (result,) = account_results(client(server.url), requests, should_fetch_languages=lambda *_: False)
        assert [one.github_id for one in result.snapshot.repositories] == [1, 2]
        assert len(server.received) == 3


def test_members_beyond_a_full_page_that_did_not_change_are_read(client):
    pages = {"1": [{"login": f"a{n}"} for n in range(100)], "2": [{"login": "a100"}]}

    def respond(request):
        if request.path == "/orgs/octo":
            return CannedResponse(200, ACCOUNT | {"login": "octo", "type": "Organization"})
        return CannedResponse(200, pages[request.query.get("page", "1")])

    with fake_server(respond) as server:
        assert len(client(server.url).profiles.members("octo")) == 101


def test_an_empty_page_is_the_last_one_of_members(client):
    def respond(request):
        if request.path == "/orgs/octo":
            return CannedResponse(200, ACCOUNT | {"login": "octo", "type": "Organization"})
        following = {"link": f'<{server.url}/orgs/octo/public_members?page=2>; rel="next"'}
        return CannedResponse(200, [] if "page" in request.query else [{"login": "octocat"}], following)

    with fake_server(respond) as server:
        assert client(server.url).profiles.members("octo") == ["octocat"]
        assert len(server.received) == 3
