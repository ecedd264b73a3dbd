"""What an account's policy denies one token, another one or nobody is asked for, and a denial is not repeated."""

from collections import Counter
from contextlib import contextmanager
from itertools import combinations

import pytest

from ingest.github import AccountNotFound, AccountRequest, GitHub, MissingRepository, PermissionDenied
from ingest.github.api.facts import FactSubject
from ingest.github.errors import GitHubError, RateLimited
from ingest.github.http.credentials import CredentialPool, Token
from ingest.sandbox import World, serve
from tests.ingest.github.account_results import account_results
from tests.ingest.github.fake_server import CannedResponse, fake_server

TOKENS = ("sandbox-token-1", "sandbox-token-2")
OWN_FINGERPRINT = Token(TOKENS[0]).fingerprint
OWNERS = {"sandbox-token-1": "sandbox-owner-1", "sandbox-token-2": "sandbox-owner-2", "": None}
DATE = {"date": "Mon, 23 Nov 2026 12:00:00 GMT"}


@pytest.fixture
def sandbox():
    with serve(World(accounts=8, repositories=90, biggest=40, seed=3)) as sandbox:
        sandbox.limits.anonymous = 5000
        sandbox.world.freeze()
        yield sandbox


@contextmanager
def github_client(sandbox, *tokens, **how):
    with GitHub(api_url=sandbox.url, pool=CredentialPool.from_secrets(tokens), **how) as github:
        yield github


def login_of(sandbox, kind):
    """Return the login of the largest account of *kind*."""
    world = sandbox.world
    found = [world.account(login) for login in world.logins() if world.account(login).kind == kind]
    return max(found, key=lambda account: len(world.owned(account))).login


def fetch(github, *requests, **how):
    how = {"should_fetch_languages": lambda _account, repository: repository.pushed_at is not None} | how
    return {result.account_request.login: result for result in account_results(github, requests, **how)}


def requests_by(sandbox):
    """Count the requests of each token owner since the last call; None sent them without a token."""
    counted = Counter(entry.owner for entry in sandbox.log)
    sandbox.log.clear()
    return counted


@pytest.mark.parametrize("kind", ["User", "Organization"])
@pytest.mark.parametrize("denied", [set(tokens) for count in range(4) for tokens in combinations(OWNERS, count)])
def test_an_account_is_fetched_by_any_credential_that_may_and_stays_with_it(sandbox, kind, denied):
    """Slow and obvious: whoever is denied is asked once, somebody who is not gets everything."""
    login = login_of(sandbox, kind)
    for token in denied:
        sandbox.faults.deny(token, login)
    # Both tokens get a GraphQL query, then anybody REST.
    allowed = [OWNERS[token] for token in TOKENS if token not in denied] or [OWNERS[token] for token in {""} - denied]
    with github_client(sandbox, *TOKENS) as github:
        result = fetch(github, AccountRequest(login))[login]
        first = requests_by(sandbox)
        assert all(first[OWNERS[token]] <= 1 for token in denied)
        if not allowed:
            assert isinstance(result.error, PermissionDenied)
            assert "forbids access via this kind of personal access token" in str(result.error)
            assert set(first) == set(OWNERS.values())
        else:
            truth = sandbox.ground_truth(login)
            assert result.snapshot.is_complete
            assert len(result.snapshot.repositories) == len(truth["repositories"])
            assert result.snapshot.account.followers == truth["account"]["followers"]
        pinned = result.snapshot.token if result.snapshot else None
        again = fetch(github, AccountRequest(login, token=pinned))[login]
        second = requests_by(sandbox)
        assert not set(second) & {OWNERS[token] for token in denied}
        assert set(second) <= set(allowed)
        assert isinstance(again.error, PermissionDenied) if not allowed else again.snapshot.token == pinned


def test_one_denied_account_of_a_query_costs_the_others_nothing(sandbox):
    organization, *others = login_of(sandbox, "Organization"), *sandbox.world.logins()[:3]
    sandbox.faults.deny(TOKENS[0], organization)
    with github_client(sandbox, TOKENS[0]) as github:
        found = fetch(github, *(AccountRequest(login) for login in {organization, *others}))
        assert {login: result.error for login, result in found.items() if result.error} == {}
        assert {login: result.snapshot.token for login, result in found.items()} == {
            login: None if login == organization else OWN_FINGERPRINT for login in found
        }


def test_denials_are_shared_by_processes_and_forgotten_after_a_day(sandbox, redis):
    login = login_of(sandbox, "Organization")
    sandbox.faults.deny(TOKENS[0], login)
    with github_client(sandbox, TOKENS[0], redis=redis) as github:
        fetch(github, AccountRequest(login))
    (key,) = [key for key in redis.scan_iter() if b":denial:" in key]
    assert 86_000 < redis.ttl(key) <= 86_400
    requests_by(sandbox)
    with github_client(sandbox, TOKENS[0], redis=redis) as github:
        fetch(github, AccountRequest(login))
        assert OWNERS[TOKENS[0]] not in requests_by(sandbox)
        redis.delete(key)
        sandbox.faults.clear()
        assert fetch(github, AccountRequest(login))[login].snapshot.token == OWN_FINGERPRINT


def test_followers_that_one_token_is_denied_are_asked_of_another(sandbox):
    """GraphQL answers token 1, REST refuses it: the repositories stay with it, the followers come from elsewhere."""
    login = login_of(sandbox, "Organization")
    with github_client(sandbox, *TOKENS) as github:
        pinned = next(c.fingerprint for c in CredentialPool.from_secrets(TOKENS).credentials if c.position == 1)
        sandbox.faults.forbidden(path=f"/orgs/{login}", times=1)
        result = fetch(github, AccountRequest(login, token=pinned))[login]
        assert result.snapshot.account.followers == sandbox.ground_truth(login)["account"]["followers"]
        assert result.snapshot.token == pinned
        assert [entry.owner for entry in sandbox.log if entry.path == f"/orgs/{login}"] == list(OWNERS.values())[:2]
        requests_by(sandbox)
        fetch(github, AccountRequest(login, token=pinned))
        assert [entry.owner for entry in sandbox.log if entry.path == f"/orgs/{login}"] == [OWNERS[TOKENS[1]]]


FACT_NAMES = ("star_weeks", "releases", "contributors")


def subject_of(sandbox, login, token=None):
    repository = max(
        sandbox.world.owned(sandbox.world.account(login)), key=lambda r: r.counts(sandbox.world.now()).stars
    )
    return FactSubject(repository.id, repository.full_name, token, node_id=repository.node_id)


def test_facts_are_asked_of_those_who_may_and_a_denied_token_once(sandbox):
    login = login_of(sandbox, "Organization")
    sandbox.faults.deny(TOKENS[0], login)
    with github_client(sandbox, TOKENS[0]) as github:
        subject = subject_of(sandbox, login, OWN_FINGERPRINT)
        for name in FACT_NAMES:
            assert getattr(github.facts, name)(subject).captured_at
    counted = requests_by(sandbox)
    assert counted[OWNERS[TOKENS[0]]] == 1
    assert counted[None] == sum(counted.values()) - 1


def test_facts_denied_to_all_cost_each_credential_one_request_per_kind(sandbox):
    login = login_of(sandbox, "Organization")
    for token in OWNERS:
        sandbox.faults.deny(token, login)
    with github_client(sandbox, *TOKENS) as github:
        for _ in range(3):
            for name in FACT_NAMES:
                with pytest.raises(PermissionDenied, match="forbids access"):
                    getattr(github.facts, name)(subject_of(sandbox, login))
        assert requests_by(sandbox) == dict.fromkeys(OWNERS.values(), len(FACT_NAMES))
        # Nobody was granted them: that says nothing about the account itself.
        sandbox.faults.clear()
        assert fetch(github, AccountRequest(login))[login].snapshot is not None


def test_extras_of_a_denied_account_come_from_another_token_with_the_batch_intact(sandbox):
    organization, user = login_of(sandbox, "Organization"), login_of(sandbox, "User")
    sandbox.faults.deny(TOKENS[0], organization)
    with github_client(sandbox, *TOKENS) as github:
        pinned = next(c.fingerprint for c in CredentialPool.from_secrets(TOKENS).credentials if c.position == 1)
        subjects = [subject_of(sandbox, login, pinned) for login in (organization, user)]
        found = github.facts.extras(subjects)
        assert [extras.watchers is not None for extras in found.value] == [True, True]
        assert requests_by(sandbox) == {OWNERS[TOKENS[0]]: 1, OWNERS[TOKENS[1]]: 1}
        sandbox.faults.deny(TOKENS[1], organization)
        denied, granted = github.facts.extras(subjects).value
        assert isinstance(denied.error, PermissionDenied)
        assert granted.watchers is not None
        assert None not in requests_by(sandbox), "GraphQL needs a token"


def test_traffic_needs_push_access_and_is_never_asked_without_a_token(sandbox):
    login = login_of(sandbox, "Organization")
    with github_client(sandbox, TOKENS[0]) as github:
        for _ in range(2):
            with pytest.raises(PermissionDenied, match="push access"):
                github.facts.traffic(subject_of(sandbox, login))
        assert set(requests_by(sandbox)) == {OWNERS[TOKENS[0]]}
        assert fetch(github, AccountRequest(login))[login].snapshot.token is not None


def test_traffic_is_asked_of_the_token_that_may_push_and_the_others_once(sandbox):
    """Token 1 sees what is public and nothing else: it asks once for one repository, its owner's token for all."""
    login = login_of(sandbox, "Organization")
    sandbox.limits.tokens[TOKENS[1]] = login
    with github_client(sandbox, *TOKENS) as github:
        pinned = next(c.fingerprint for c in CredentialPool.from_secrets(TOKENS).credentials if c.position == 1)
        repositories = sandbox.world.owned(sandbox.world.account(login))[:3]
        first, *others = (FactSubject(each.id, each.full_name, pinned) for each in repositories)
        assert github.facts.traffic(first).value
        assert requests_by(sandbox) == {OWNERS[TOKENS[0]]: 1, login: 2}  # views are denied once; views and clones
        for subject in others:
            github.facts.traffic(subject)
        assert requests_by(sandbox) == {login: 2 * len(others)}
        github.facts.releases(first)
        assert requests_by(sandbox) == {OWNERS[TOKENS[0]]: 1}, "its public data are not denied to it"


def test_a_right_that_moves_to_another_token_is_found_there(sandbox):
    login = login_of(sandbox, "Organization")
    sandbox.limits.tokens[TOKENS[1]] = login
    with github_client(sandbox, *TOKENS) as github:
        one, other = (
            FactSubject(each.id, each.full_name) for each in sandbox.world.owned(sandbox.world.account(login))[:2]
        )
        github.facts.traffic(one)
        sandbox.limits.tokens = {TOKENS[0]: login, TOKENS[1]: "sandbox-owner-2"}
        requests_by(sandbox)
        assert github.facts.traffic(other).value
        assert requests_by(sandbox) == {"sandbox-owner-2": 1, login: 2}


def test_a_list_that_is_too_large_for_everybody_is_asked_once(sandbox):
    message = "The history or contributor list is too large to list contributors for this repository via the API."
    with (
        fake_server(lambda _: CannedResponse(403, {"message": message}, DATE)) as server,
        GitHub(api_url=server.url, pool=CredentialPool.from_secrets(TOKENS)) as github,
    ):
        with pytest.raises(PermissionDenied, match="too large"):
            github.facts.contributors(FactSubject(1, "octo/cat"))
        assert len(server.received) == 1


def test_a_refusal_that_is_not_githubs_is_not_remembered(sandbox):
    """A proxy's 403 comes as HTML: it says nothing about tokens, and the next refresh asks again."""
    login = login_of(sandbox, "User")
    with github_client(sandbox, *TOKENS, use_graphql=False) as github:
        sandbox.faults.html(403, times=1)
        assert isinstance(fetch(github, AccountRequest(login))[login].error, PermissionDenied)
        assert sum(requests_by(sandbox).values()) == 1
        assert fetch(github, AccountRequest(login))[login].snapshot is not None


def test_a_rate_limit_of_a_substitute_is_marked_as_such(sandbox):
    login = login_of(sandbox, "Organization")
    sandbox.faults.deny(TOKENS[0], login)
    sandbox.limits.anonymous = 0
    with github_client(sandbox, TOKENS[0]) as github:
        with pytest.raises(RateLimited) as limited:
            github.facts.releases(subject_of(sandbox, login, OWN_FINGERPRINT))
        assert limited.value.is_of_fallback
        with pytest.raises(RateLimited) as limited:
            github.facts.releases(subject_of(sandbox, login))
        assert not limited.value.is_of_fallback


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS[:1]])
def test_profiles_and_members_are_looked_up_by_those_who_may(sandbox, tokens):
    organization, logins = login_of(sandbox, "Organization"), sandbox.world.logins()
    sandbox.faults.deny(tokens[0], organization)
    with github_client(sandbox, *tokens) as github:
        for _ in range(2):
            found = dict(github.profiles.of([*logins, "nobody-is-called-so"]))
            assert list(found) == [*logins, "nobody-is-called-so"]
            assert isinstance(found.pop("nobody-is-called-so"), AccountNotFound)
            assert {login: one.login for login, one in found.items()} == {login: login for login in logins}
        members = sandbox.world.members(sandbox.world.account(organization))
        assert github.profiles.members(organization) == [member.login for member in members]
    refused = [entry for entry in sandbox.log if entry.status == 403]
    assert len(refused) <= 1


def test_a_missing_repository_is_located_by_those_who_may(sandbox):
    login = login_of(sandbox, "Organization")
    repository = sandbox.world.owned(sandbox.world.account(login))[0]
    sandbox.faults.deny(TOKENS[0], login)
    with github_client(sandbox, TOKENS[0]) as github:
        (found,) = github.locate_repositories([(repository.id, repository.node_id)]).values()
        assert found.full_name == repository.full_name
        sandbox.faults.deny("", login)
        other = sandbox.world.owned(sandbox.world.account(login))[1]
        assert github.locate_repositories([(other.id, None)]) == {
            other.id: MissingRepository(other.id, "permission_denied", 403)
        }


def test_an_unknown_account_after_a_denial_counts_as_denied():
    """A denial shows that the account exists, so it must not be taken for deleted."""

    def respond(asked):
        with_token = "authorization" in {name.lower() for name in asked.headers}
        return CannedResponse(403 if with_token else 404, {"message": "policy" if with_token else "Not Found"}, DATE)

    with fake_server(respond) as server, GitHub(
        api_url=server.url, pool=CredentialPool.from_secrets(TOKENS[:1]), use_graphql=False
    ) as github:  # fmt: skip
        error = fetch(github, AccountRequest("octo", github_id=1))["octo"].error
        assert isinstance(error, PermissionDenied)
        (profile,) = [found for _, found in github.profiles.of(["octo"])]
        assert isinstance(profile, GitHubError)
