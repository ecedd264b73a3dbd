"""The steps of fetching one account, driven by hand: no threads, no HTTP."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from ingest.github import Account, AccountNotFound, AccountRequest, RateLimited, Repository, ServerError
from ingest.github.api.graphql import PageRequest
from ingest.github.api.graphql_responses import AbsentAccount, AccountPage, LanguagePage
from ingest.github.api.rest import RepositoryPage
from ingest.github.errors import GraphQLUnavailable, InvalidResponse
from ingest.github.fetch.account_fetch import AccountFetch, FetchServices
from ingest.github.fetch.requests import ExtrasRequest, LanguagesRequest, Priority, RestRequest
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.etag_cache import ResponseCache

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACCOUNT = Account(github_id=5, login="octocat", kind="user", public_repositories=2)


def repository(number: int) -> Repository:
    return Repository(
        github_id=number,
        node_id=f"R_{number}",
        owner_login="octocat",
        name=f"r{number}",
        full_name=f"octocat/r{number}",
    )


def page(*numbers: int, total: int = 2, cursor: str | None = None) -> AccountPage:
    return AccountPage(ACCOUNT, tuple(map(repository, numbers)), total, cursor, AT, is_complete=True)


def start(
    request: AccountRequest, *tokens: str, include_extras: bool = False, use_graphql: bool = True
) -> tuple[AccountFetch, Any]:
    """Return the fetch and its generator; all languages are requested."""
    graphql = SimpleNamespace(is_missing=False) if use_graphql else None
    rest = Mock()  # nothing is sent: only the requests themselves are compared
    services = FetchServices(
        cast(Any, graphql),
        cast(Any, rest),
        CredentialPool.from_secrets(tokens or ("a",)),
        ResponseCache(None, "t"),
        lambda _account, _repository: True,
        include_extras,
    )
    fetch = AccountFetch(request, services)
    return fetch, fetch.steps()


def finish(steps: Any, responses: list[Any]) -> Any:
    with pytest.raises(StopIteration) as end:
        steps.send(responses)
    return end.value.value


def test_pages_come_first_then_languages_and_extras_together():
    _, steps = start(AccountRequest("octocat"), include_extras=True)
    assert next(steps) == [PageRequest("octocat")]
    assert steps.send([page(1, cursor="c")]) == [PageRequest("octocat", "c")]
    assert steps.send([page(2)]) == [
        LanguagesRequest("R_1"), LanguagesRequest("R_2"), ExtrasRequest("R_1"), ExtrasRequest("R_2")
    ]  # fmt: skip
    snapshot = finish(steps, [LanguagePage({"C": 1}, None), None, None, ServerError(502)])
    assert snapshot.is_complete
    assert snapshot.languages == {1: {"C": 1}}
    assert snapshot.languages_refused == {2: "not_found"}
    assert snapshot.languages_failed == ()


def test_languages_whose_further_page_fails_are_not_stored_in_part():
    _, steps = start(AccountRequest("octocat"))
    next(steps)
    steps.send([page(1, 2)])
    assert steps.send([LanguagePage({"C": 1}, "more"), LanguagePage({}, None)]) == [LanguagesRequest("R_1", "more")]
    snapshot = finish(steps, [ServerError(502)])
    assert snapshot.languages == {2: {}}
    assert snapshot.languages_failed == (1,)


def test_a_page_that_names_itself_as_the_next_one_ends_the_account():
    """Following it would spend the whole rate budget."""
    _, steps = start(AccountRequest("octocat"))
    next(steps)
    assert steps.send([page(1, cursor="c")]) == [PageRequest("octocat", "c")]
    with pytest.raises(InvalidResponse, match="names itself"):
        steps.send([page(1, cursor="c")])


def test_over_rest_too_a_page_that_names_itself_ends_the_account():
    _, steps = start(AccountRequest("octocat"), use_graphql=False)
    next(steps)
    steps.send([(ACCOUNT, AT)])
    steps.send([RepositoryPage((repository(1),), AT, ("http://2",), has_all_urls=False)])
    with pytest.raises(InvalidResponse, match="names itself"):
        steps.send([RepositoryPage((repository(1),), AT, ("http://2",), has_all_urls=False)])


def test_languages_whose_further_page_names_itself_are_not_stored():
    _, steps = start(AccountRequest("octocat"))
    next(steps)
    steps.send([page(1, 2)])
    assert steps.send([LanguagePage({"C": 1}, "more"), LanguagePage({}, None)]) == [LanguagesRequest("R_1", "more")]
    snapshot = finish(steps, [LanguagePage({"C": 1}, "more")])
    assert (snapshot.languages, snapshot.languages_failed) == ({2: {}}, (1,))


def test_a_list_shorter_than_githubs_count_is_fetched_in_a_second_pass():
    _, steps = start(AccountRequest("octocat"))
    next(steps)
    assert steps.send([page(1)]) == [PageRequest("octocat")]
    assert steps.send([page(2)]) == [LanguagesRequest("R_1"), LanguagesRequest("R_2")]


def test_a_renamed_account_is_found_by_id():
    _, steps = start(AccountRequest("old-name", github_id=5))
    next(steps)
    ((request,), renamed) = steps.send([AbsentAccount()]), (ACCOUNT, AT)
    assert request.priority is Priority.ACCOUNT
    assert steps.send([renamed]) == [PageRequest("octocat")]


def test_an_absent_account_without_id_is_not_found():
    """REST is asked once, because it redirects from a former login, which GraphQL does not know."""
    _, steps = start(AccountRequest("nobody"))
    next(steps)
    (request,) = steps.send([AbsentAccount()])
    assert request.priority is Priority.ACCOUNT
    with pytest.raises(AccountNotFound, match="nobody"):
        steps.send([AccountNotFound("nobody")])


def test_a_rate_limited_credential_is_replaced_and_the_last_error_raised():
    fetch, steps = start(AccountRequest("octocat"), "a", "b")
    next(steps)
    first = fetch.credential
    assert steps.send([RateLimited(AT)]) == [PageRequest("octocat")]
    assert fetch.credential is not first
    with pytest.raises(RateLimited):
        steps.send([RateLimited(AT)])


def test_without_graphql_the_same_credential_uses_rest():
    fetch, steps = start(AccountRequest("octocat"), "a", "b")
    next(steps)
    credential = fetch.credential
    (request,) = steps.send([GraphQLUnavailable("status 404")])
    assert isinstance(request, RestRequest)
    assert request.priority is Priority.ACCOUNT
    assert fetch.credential is credential


def test_rest_pages_are_fetched_together_where_the_first_names_them_all():
    _, steps = start(AccountRequest("octocat"), use_graphql=False)
    next(steps)
    assert [one.priority for one in steps.send([(ACCOUNT, AT)])] == [Priority.PAGE]
    first = RepositoryPage((repository(1),), AT, ("http://2", "http://3"))
    assert [one.priority for one in steps.send([first])] == [Priority.PAGE] * 2
    requests = steps.send([RepositoryPage((repository(2),), AT), RepositoryPage((), AT)])
    assert [one.priority for one in requests] == [Priority.LANGUAGES] * 2
    assert finish(steps, [{"C": 1}, ServerError(502)]).languages_failed == (2,)
