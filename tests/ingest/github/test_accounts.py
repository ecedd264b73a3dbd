"""Accounts fetched from the sandbox over real HTTP, by GraphQL and REST, compared field by field with its data."""

import threading
from collections import Counter
from contextlib import contextmanager
from datetime import datetime

import pytest

from ingest.github import (
    AccountNotFound,
    AccountRequest,
    BadCredentials,
    GitHub,
    MissingRepository,
    RateLimited,
    ServerError,
    Stopped,
)
from ingest.github.fetch import fetcher
from ingest.github.http.credentials import CredentialPool, Token
from ingest.sandbox import World, serve
from tests.ingest.github.account_results import account_results

TOKENS = ("sandbox-token-1",)
OTHER_TOKEN = "sandbox-token-2"
LISTED_FIELDS = ("full_name", "stars", "forks", "size_kb", "primary_language", "is_fork", "is_archived", "is_template")
DETAIL_FIELDS = ("license", "description", "default_branch", "node_id", "name")
EXTRA_FIELDS = ("watchers", "open_issues", "open_change_requests")


@pytest.fixture
def sandbox():
    """Fourteen accounts, one with 230 repositories; the clock runs."""
    with serve(World(accounts=14, repositories=420, biggest=230, seed=5)) as sandbox:
        sandbox.limits.anonymous = 5000
        yield sandbox


@contextmanager
def github_client(sandbox, *tokens, redis=None, **how):
    with GitHub(api_url=sandbox.url, pool=CredentialPool.from_secrets(tokens), redis=redis, **how) as github:
        yield github


def no_languages(_account, _repository):
    return False


def has_pushes(_account, repository):
    return repository.pushed_at is not None


def fetch_all(github, sandbox, *, should_fetch_languages=has_pushes, **how):
    requests = [AccountRequest(login) for login in sandbox.world.logins()]
    results = {
        result.account_request.login: result
        for result in account_results(github, requests, should_fetch_languages=should_fetch_languages, **how)
    }
    assert len(results) == len(requests)
    return results


def assert_matches_truth(result, truth, *, extras=False, languages=True):
    """Compare a snapshot with the sandbox's data, field by field."""
    assert result.error is None, result.error
    snapshot = result.snapshot
    account = snapshot.account
    reported = truth["account"]
    assert (account.github_id, account.node_id, account.login) == (
        reported["id"],
        reported["node_id"],
        reported["login"],
    )
    assert account.kind == reported["kind"].lower()
    assert account.name == reported["name"]
    assert (account.followers, account.following) == (reported["followers"], reported["following"])
    assert (account.public_repositories, account.public_gists) == (reported["public_repositories"], reported["gists"])
    assert account.created_at == datetime.fromisoformat(reported["created_at"])
    assert snapshot.is_complete
    assert not snapshot.languages_failed
    repositories = {repository.github_id: repository for repository in snapshot.repositories}
    assert set(repositories) == {expected["id"] for expected in truth["repositories"]}
    for expected in truth["repositories"]:
        repository = repositories[expected["id"]]
        for field in (*LISTED_FIELDS, *DETAIL_FIELDS, *(EXTRA_FIELDS if extras else ())):
            assert getattr(repository, field) == expected[field], (expected["full_name"], field)
        for field in ("pushed_at", "created_at"):
            timestamp = datetime.fromisoformat(expected[field]) if expected[field] else None
            assert getattr(repository, field) == timestamp, (expected["full_name"], field)
        if extras:
            assert repository.topics == tuple(sorted(expected["topics"]))
        if languages and expected["pushed_at"]:
            assert snapshot.languages[expected["id"]] == expected["languages"], expected["full_name"]


@pytest.mark.parametrize("extras", [False, True])
def test_graphql_fetches_every_field(sandbox, extras):
    sandbox.world.freeze()
    with github_client(sandbox, *TOKENS) as github:
        for login, result in fetch_all(github, sandbox, extras=extras).items():
            assert_matches_truth(result, sandbox.ground_truth(login), extras=extras)


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_rest_fetches_every_field(sandbox, tokens):
    sandbox.world.freeze()
    with github_client(sandbox, *tokens, use_graphql=False) as github:
        for login, result in fetch_all(github, sandbox).items():
            assert_matches_truth(result, sandbox.ground_truth(login))


def test_graphql_and_rest_return_the_same_data(sandbox):
    """So adding or removing a token is never taken for a change of data."""
    sandbox.world.freeze()
    with github_client(sandbox, *TOKENS) as one, github_client(sandbox) as other:
        by_graphql = fetch_all(one, sandbox, extras=True, should_fetch_languages=no_languages)
        by_rest = fetch_all(other, sandbox, should_fetch_languages=no_languages)
    not_in_lists = {"watchers", "open_issues", "open_change_requests"}
    for login, result in by_graphql.items():
        assert result.snapshot.account == by_rest[login].snapshot.account
        for one, other in zip(
            *(sorted(o.snapshot.repositories, key=lambda r: r.github_id) for o in (result, by_rest[login])), strict=True
        ):
            assert one.model_dump(exclude=not_in_lists) == other.model_dump(exclude=not_in_lists)


def test_costs_are_shared_among_accounts_and_add_up(sandbox):
    with github_client(sandbox, *TOKENS) as github:
        results = fetch_all(github, sandbox).values()
        assert sum(result.requests for result in results) == pytest.approx(github.usage.requests)
        assert sum(result.points for result in results) == pytest.approx(github.usage.points)
        assert github.usage.requests == len(sandbox.log)
        assert github.usage.points == sandbox.log.points()
        states = {(state.owner, state.resource): state.remaining for state in github.rate_budgets()}
    assert states == {
        ("sandbox-owner-1", "graphql"): 5000 - sandbox.log.points(),
        ("sandbox-owner-1", "core"): 5000 - sandbox.log.points("core"),
    }


def test_only_requested_languages_cost_points(sandbox):
    with github_client(sandbox, *TOKENS) as github:
        fetch_all(github, sandbox, should_fetch_languages=no_languages)
        pulse_alone = github.usage.points
        wanted = {
            repository["id"] for repository in sandbox.ground_truth(sandbox.world.logins()[0])["repositories"][:5]
        }
        results = fetch_all(github, sandbox, should_fetch_languages=lambda _a, one: one.github_id in wanted)
        assert github.usage.points == 2 * pulse_alone + 1
    assert {github_id for result in results.values() for github_id in result.snapshot.languages} == wanted


def test_captured_at_is_githubs_own_time(sandbox):
    sandbox.world.freeze(datetime.fromisoformat("2026-05-01T12:00:00Z"))
    for tokens in ((), TOKENS):
        with github_client(sandbox, *tokens) as github:
            for result in fetch_all(github, sandbox, should_fetch_languages=no_languages).values():
                assert result.snapshot.captured_at == datetime.fromisoformat("2026-05-01T12:00:00Z")


def test_an_unchanged_account_costs_only_304_responses(sandbox, redis):
    sandbox.world.freeze()
    known = dict.fromkeys(sandbox.world.logins()[:4])

    def some(account, repository):
        return account.login in known and repository.pushed_at is not None and repository.github_id % 5 == 0

    with github_client(sandbox, redis=redis) as github:
        first = fetch_all(github, sandbox, should_fetch_languages=some)
    sandbox.log.clear()
    with github_client(sandbox, redis=redis) as github:  # another process
        second = fetch_all(github, sandbox, should_fetch_languages=some)
        assert github.usage.not_modified == github.usage.requests > 30
    assert Counter(entry.status for entry in sandbox.log) == {304: len(sandbox.log)}
    for login, result in second.items():
        assert result.snapshot.repositories == first[login].snapshot.repositories
        assert result.snapshot.languages == first[login].snapshot.languages


def test_a_changed_repository_refetches_only_its_page(sandbox, redis):
    sandbox.world.freeze()
    big = max(sandbox.world.logins(), key=lambda login: len(sandbox.ground_truth(login)["repositories"]))
    with github_client(sandbox, redis=redis) as github:
        list(account_results(github, [AccountRequest(big)], should_fetch_languages=no_languages))
        sandbox.world.edit.star(sandbox.ground_truth(big)["repositories"][150]["full_name"])
        sandbox.log.clear()
        (result,) = account_results(github, [AccountRequest(big)], should_fetch_languages=no_languages)
    assert_matches_truth(result, sandbox.ground_truth(big), languages=False)
    assert Counter(entry.status for entry in sandbox.log if entry.path.endswith("/repos")) == {304: 2, 200: 1}


def test_languages_are_fetched_last_while_the_rate_budget_lasts(sandbox):
    """Of sixty requests all lists come first; the rest, except a reserve, goes to languages of the most starred."""
    sandbox.limits.anonymous = 60
    logins = sandbox.world.logins()[1:6]
    with github_client(sandbox) as github:
        results = list(
            account_results(github, [AccountRequest(login) for login in logins], should_fetch_languages=has_pushes)
        )
        (state,) = github.rate_budgets()
    assert all(result.error is None and result.snapshot.is_complete for result in results)
    kinds = ["languages" if entry.path.endswith("/languages") else "list" for entry in sandbox.log]
    assert kinds == sorted(kinds, reverse=True)
    assert state.remaining == 12
    unread = [result for result in results if result.snapshot.languages_failed]
    assert unread
    assert all(isinstance(result.snapshot.languages_error, RateLimited) for result in unread)
    assert all(entry.status == 200 for entry in sandbox.log)


def test_a_refusal_is_not_requested_again_for_a_day(sandbox, redis):
    login = sandbox.world.logins()[2]
    repository = next(one for one in sandbox.ground_truth(login)["repositories"] if one["pushed_at"])
    sandbox.faults.refuse(repository["full_name"], 451)
    for expected in (1, 0):
        sandbox.log.clear()
        with github_client(sandbox, redis=redis) as github:
            (result,) = account_results(github, [AccountRequest(login)], should_fetch_languages=has_pushes)
        assert result.snapshot.languages_refused[repository["id"]] == "dmca"
        assert repository["id"] not in result.snapshot.languages_failed
        assert sum(entry.status == 451 for entry in sandbox.log) == expected


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_a_missing_account_does_not_fail_its_batch(sandbox, tokens):
    logins = sandbox.world.logins()[1:5]
    requests = [AccountRequest(logins[0]), AccountRequest("no-such-account"), *map(AccountRequest, logins[1:])]
    with github_client(sandbox, *tokens) as github:
        results = {
            result.account_request.login: result
            for result in account_results(github, requests, should_fetch_languages=no_languages)
        }
    assert isinstance(results["no-such-account"].error, AccountNotFound)
    assert all(results[login].snapshot.is_complete for login in logins)


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_a_renamed_account_is_found_by_id_and_by_its_former_login(sandbox, tokens):
    login = sandbox.world.logins()[2]
    before = sandbox.ground_truth(login)["account"]
    sandbox.world.edit.rename(login, "another-name")
    with github_client(sandbox, *tokens) as github:
        (known,) = account_results(
            github, [AccountRequest(login, github_id=before["id"])], should_fetch_languages=no_languages
        )
        (former,) = account_results(github, [AccountRequest(login)], should_fetch_languages=no_languages)
    for found in (known, former):
        assert found.snapshot.account.login == "another-name"
        assert_matches_truth(found, sandbox.ground_truth("another-name"), languages=False)


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_a_deleted_account_is_not_found_by_id_either(sandbox, tokens):
    login = sandbox.world.logins()[2]
    github_id = sandbox.ground_truth(login)["account"]["id"]
    sandbox.world.edit.delete(login)
    with github_client(sandbox, *tokens) as github:
        (result,) = account_results(
            github, [AccountRequest(login, github_id=github_id)], should_fetch_languages=no_languages
        )
    assert isinstance(result.error, AccountNotFound)
    assert login in str(result.error)


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_a_reused_login_returns_the_account_that_has_it_now(sandbox, tokens):
    one, other = sandbox.world.logins()[2:4]
    old_id = sandbox.ground_truth(one)["account"]["id"]
    sandbox.world.edit.rename(one, "moved-away")
    sandbox.world.edit.rename(other, one)
    with github_client(sandbox, *tokens) as github:
        (result,) = account_results(
            github, [AccountRequest(one, github_id=old_id)], should_fetch_languages=no_languages
        )
    assert result.snapshot.account.github_id != old_id
    assert result.snapshot.account.login == one


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_missing_repositories_are_located(sandbox, tokens):
    giver, taker = sandbox.world.logins()[1:3]
    moved, deleted, blocked = sandbox.ground_truth(giver)["repositories"][:3]
    sandbox.world.edit.transfer(moved["full_name"], taker)
    sandbox.world.edit.delete(deleted["full_name"])
    sandbox.faults.refuse(blocked["full_name"], "tos")
    with github_client(sandbox, *tokens) as github:
        found = github.locate_repositories([(one["id"], one["node_id"]) for one in (moved, deleted, blocked)])
    assert found[moved["id"]].owner_login == taker
    assert found[moved["id"]].stars is not None
    assert found[deleted["id"]] == MissingRepository(deleted["id"], "not_found", 404)
    assert (found[blocked["id"]].reason, found[blocked["id"]].status) == ("tos", 403)


@pytest.mark.parametrize("by", [-1, 1])
def test_a_list_that_changes_while_paging_is_fetched_twice_then_incomplete(sandbox, by):
    sandbox.world.freeze()
    big = max(sandbox.world.logins(), key=lambda login: len(sandbox.ground_truth(login)["repositories"]))
    sandbox.faults.shift(big, by)
    with github_client(sandbox) as github:
        (result,) = account_results(github, [AccountRequest(big)], should_fetch_languages=no_languages)
    assert len(result.snapshot.repositories) == len({one.github_id for one in result.snapshot.repositories})
    truth = {expected["id"] for expected in sandbox.ground_truth(big)["repositories"]}
    missing = truth - {one.github_id for one in result.snapshot.repositories}
    assert result.snapshot.is_complete is (not missing)
    if missing:
        assert len([entry for entry in sandbox.log if entry.path.endswith("/repos")]) == 6


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_occasional_failures_lose_no_data(sandbox, tokens):
    sandbox.world.freeze()
    sandbox.faults.errors(share=0.08, statuses=(500, 502, 503))
    sandbox.faults.cut(share=0.03, times=None)
    with github_client(sandbox, *tokens, sleep=lambda seconds: None) as github:
        for login, result in fetch_all(github, sandbox, should_fetch_languages=no_languages).items():
            assert_matches_truth(result, sandbox.ground_truth(login), languages=False)
        assert github.usage.retries > 0


def test_an_account_that_fails_in_graphql_does_not_fail_the_others(sandbox):
    logins = sandbox.world.logins()
    sandbox.faults.refuse(logins[3], "partial")
    with github_client(sandbox, *TOKENS) as github:
        results = fetch_all(github, sandbox, should_fetch_languages=no_languages)
    assert isinstance(results[logins[3]].error, ServerError)
    assert all(result.error is None for login, result in results.items() if login != logins[3])
    assert len([entry for entry in sandbox.log if entry.path == "/graphql"]) < 8


def test_queries_that_are_too_large_are_halved_until_they_fit(sandbox):
    sandbox.world.freeze()
    sandbox.faults.too_big(900)
    with github_client(sandbox, *TOKENS, sleep=lambda seconds: None) as github:
        results = fetch_all(github, sandbox, should_fetch_languages=no_languages)
    for login, result in results.items():
        assert_matches_truth(result, sandbox.ground_truth(login), languages=False)


def test_accounts_of_a_rejected_token_are_fetched_with_another(sandbox):
    sandbox.faults.refuse_token(OTHER_TOKEN)
    with github_client(sandbox, *TOKENS, OTHER_TOKEN) as github:
        results = fetch_all(github, sandbox, should_fetch_languages=no_languages)
    assert {result.snapshot.token for result in results.values()} == {Token(TOKENS[0]).fingerprint}
    assert sum(entry.status == 401 for entry in sandbox.log) == 1


def test_with_all_tokens_rejected_each_account_fails_without_more_requests(sandbox):
    sandbox.faults.refuse_token(TOKENS[0])
    with github_client(sandbox, *TOKENS) as github:
        results = fetch_all(github, sandbox)
        again = fetch_all(github, sandbox)
    assert all(isinstance(o.error, BadCredentials) for o in (*results.values(), *again.values()))
    assert len(sandbox.log) == 1


def test_accounts_of_an_exhausted_owner_are_fetched_with_another(sandbox):
    sandbox.limits.set_remaining(0, who="sandbox-owner-2", resource="graphql")
    with github_client(sandbox, *TOKENS, OTHER_TOKEN) as github:
        results = fetch_all(github, sandbox, should_fetch_languages=no_languages)
    assert all(result.error is None for result in results.values())


def test_an_exhausted_budget_fails_all_accounts_with_one_request(sandbox):
    sandbox.limits.set_remaining(0, resource="graphql")
    with github_client(sandbox, *TOKENS) as github:
        results = fetch_all(github, sandbox)
        again = fetch_all(github, sandbox)
    for result in (*results.values(), *again.values()):
        assert isinstance(result.error, RateLimited)
    assert len(sandbox.log) == 1


@pytest.mark.parametrize("tokens", [(), TOKENS])
def test_a_stop_ends_every_request_with_a_result(sandbox, tokens):
    sandbox.latency_ms = 300
    stop = threading.Event()
    with github_client(sandbox, *tokens) as github:
        results = account_results(
            github,
            [AccountRequest(login) for login in sandbox.world.logins()],
            should_fetch_languages=has_pushes,
            stop=stop,
        )
        stop.set()
        stopped = list(results)
    assert len(stopped) == len(sandbox.world.logins())
    assert any(isinstance(result.error, Stopped) for result in stopped)


def test_closing_the_iterator_stops_sending(sandbox):
    with github_client(sandbox) as github:
        results = account_results(
            github, [AccountRequest(login) for login in sandbox.world.logins()], should_fetch_languages=has_pushes
        )
        next(results)
        results.close()
        threading.Event().wait(0.5)
        sent = len(sandbox.log)
        threading.Event().wait(0.5)
        assert len(sandbox.log) == sent


def test_accounts_that_are_complete_at_the_same_time_come_together(sandbox, monkeypatch):
    """As many as may, in any order, each of them once."""
    monkeypatch.setattr(fetcher, "GROUP_SECONDS", 60)
    monkeypatch.setattr(fetcher, "MAX_RESULTS_TOGETHER", 5)
    logins = sandbox.world.logins()
    with github_client(sandbox, *TOKENS) as github:
        requests = [AccountRequest(login) for login in logins]
        groups = list(github.account_groups(requests, should_fetch_languages=no_languages))
    assert [len(group) for group in groups] == [5, 5, 4]
    assert sorted(one.account_request.login for group in groups for one in group) == sorted(logins)


def test_accounts_that_were_complete_before_an_error_are_not_lost(sandbox, monkeypatch):
    monkeypatch.setattr(fetcher, "GROUP_SECONDS", 60)
    world = sandbox.world
    small, *_, big = sorted(world.logins(), key=lambda login: len(world.owned(world.account(login))))

    def wrong(account, _repository):
        if account.login == big:
            raise LookupError
        return False

    with github_client(sandbox, *TOKENS) as github:
        groups = github.account_groups([AccountRequest(small), AccountRequest(big)], should_fetch_languages=wrong)
        assert [one.account_request.login for one in next(groups)] == [small]
        with pytest.raises(LookupError):
            next(groups)


def test_without_accounts_nothing_is_sent(sandbox):
    with github_client(sandbox, *TOKENS) as github:
        assert list(account_results(github, [], should_fetch_languages=no_languages)) == []
    assert len(sandbox.log) == 0


def test_an_error_of_the_callback_reaches_the_caller(sandbox):
    def wrong(_account, _repository):
        raise KeyError("mine")

    with github_client(sandbox, *TOKENS) as github, pytest.raises(KeyError, match="mine"):
        fetch_all(github, sandbox, should_fetch_languages=wrong)
