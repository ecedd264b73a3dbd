"""A worker looks up accounts before they are tracked; the result expires after ten minutes."""

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from core.errors import BadInput, NotFound
from core.queue import lookups
from core.queue.lookups import LookupStore
from core.settings import Settings
from ingest import lookups as ingest_lookups
from ingest.github import GitHub
from ingest.sandbox import World, serve

TOKEN = "sandbox-token-1"


def github_client(sandbox, redis, *tokens):
    given = tuple(SecretStr(token) for token in tokens)
    return GitHub.from_settings(Settings(github_api_url=sandbox.url, github_tokens=given), redis)


@pytest.fixture(params=[(TOKEN,), ()], ids=["graphql", "rest"])
def ask(request, sandbox, redis, database):
    """`ask("octocat", …)` returns the lookup that a worker ran, with a token and without."""
    sandbox.limits.anonymous = 5000

    def asked(*logins, members_of=None):
        lookup_id = lookups.request_lookup(database, redis, logins, members_of)
        with github_client(sandbox, redis, *request.param) as github:
            ingest_lookups.run_lookup(github, redis, lookup_id)
        return LookupStore(redis).get(lookup_id)

    return asked


def test_each_login_gets_its_own_result(ask, sandbox):
    login = sandbox.world.logins()[0]
    truth = sandbox.ground_truth(login)["account"]
    lookup = ask(login.upper(), "nobody-is-called-so")
    there, missing = lookup.results
    assert lookup.state == "done"
    assert (there.exists, there.login, there.github_id, there.kind) == (True, login, truth["id"], truth["kind"])
    assert there.public_repositories == truth["public_repositories"]
    assert (missing.exists, missing.error_message) == (False, "There is no such account")


def test_a_former_login_gets_the_account_with_its_present_one(ask, sandbox):
    former = sandbox.world.logins()[0]
    sandbox.world.edit.rename(former, "its-present-name")
    (found,) = ask(former).results
    assert (found.requested_login, found.login, found.exists) == (former, "its-present-name", True)


def test_results_are_in_the_requested_order(ask, sandbox):
    logins = sandbox.world.logins()[::-1]
    assert [one.login for one in ask(*logins).results] == logins


def test_the_members_of_an_organization_are_looked_up(ask, sandbox):
    world = sandbox.world
    organization = next(world.account(login) for login in world.logins() if world.account(login).kind == "Organization")
    lookup = ask(members_of=organization.login)
    assert [one.login for one in lookup.results] == [member.login for member in world.members(organization)]
    assert lookup.progress == 1


def test_a_user_has_no_members(ask, sandbox):
    world = sandbox.world
    user = next(login for login in world.logins() if world.account(login).kind == "User")
    lookup = ask(members_of=user)
    assert (lookup.state, lookup.results) == ("failed", ())
    assert user in lookup.error_message


def test_a_hundred_logins_cost_one_point(redis, database):
    with (
        serve(World(accounts=104, repositories=104, biggest=5, seed=3)) as sandbox,
        github_client(sandbox, redis, TOKEN) as github,
    ):
        logins = sandbox.world.logins()[:100]
        found = dict(github.profiles.of(logins))
        assert (len(found), github.usage.requests, github.usage.points) == (100, 1, 1)


def test_each_unknown_login_costs_one_request_more(sandbox, redis, database):
    """REST redirects from a former login, which GraphQL does not know."""
    with github_client(sandbox, redis, TOKEN) as github:
        list(github.profiles.of(["nobody-1", sandbox.world.logins()[0], "nobody-2"]))
        assert (github.usage.requests, github.usage.points) == (3, 1)


def test_a_login_in_two_spellings_is_looked_up_once(redis, database):
    lookup_id = lookups.request_lookup(database, redis, ["Octo", "octo", "hubot"])
    assert len(LookupStore(redis).get(lookup_id).logins) == 2


@pytest.mark.parametrize("logins", [[], [f"a{n}" for n in range(1001)]], ids=["none", "too many"])
def test_invalid_logins_are_refused_and_nothing_is_queued(redis, database, logins):
    with pytest.raises(BadInput):
        lookups.request_lookup(database, redis, logins)
    assert database.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 0


def test_a_result_expires(redis):
    with pytest.raises(NotFound):
        LookupStore(redis).get("long-ago")
    LookupStore(redis).put(lookups.Lookup("new"))
    assert 590 < redis.ttl("almanac:lookup:new") <= 600


def test_an_expired_lookup_requests_nothing(sandbox, redis):
    with github_client(sandbox, redis, TOKEN) as github:
        ingest_lookups.run_lookup(github, redis, "long-ago")
        assert github.usage.requests == 0


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("bug"), "The lookup ended with an error; start it again"),
        (BadInput("This is refused"), "This is refused"),
    ],
)
def test_a_lookup_without_further_retries_is_recorded_as_failed(redis, database, error, sentence):
    lookup_id = lookups.request_lookup(database, redis, ["octocat"])
    ingest_lookups.record_failure(redis, lookup_id, error)
    lookup = LookupStore(redis).get(lookup_id)
    assert (lookup.state, lookup.error_message, lookup.is_under_way) == ("failed", sentence, False)
