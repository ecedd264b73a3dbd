"""Detects that a stored account's login now belongs to another account, and finds the account's new login."""

from collections.abc import Callable
from dataclasses import replace

from ingest.github import AccountRequest, AccountResult, GitHub
from ingest.github.errors import AccountNotFound, GitHubError, LoginReused
from ingest.github.http.rate_gate import StopSignal


def is_other_account(result: AccountResult) -> bool:
    """Return whether the response describes another account than the one stored under the requested login."""
    stored_id, snapshot = result.account_request.github_id, result.snapshot
    return stored_id is not None and snapshot is not None and snapshot.account.github_id != stored_id


def fetch_renamed_account(
    github: GitHub,
    result: AccountResult,
    fetch: Callable[[AccountRequest], AccountResult],
    stop: StopSignal | None = None,
) -> AccountResult:
    """Fetch the stored account under its current login.

    The result's error is AccountNotFound if the account no longer exists. *fetch* requests one account by login.
    """
    ask = result.account_request
    assert ask.github_id is not None
    try:
        login = github.account_by_id(ask.github_id, stop=stop).login
    except AccountNotFound:
        return _failed_result(result, AccountNotFound(ask.login))
    except GitHubError as error:
        return _failed_result(result, error)
    if login.lower() == ask.login.lower():
        return _failed_result(result, LoginReused(ask.login))
    again = fetch(replace(ask, login=login))
    if is_other_account(again):
        return _failed_result(result, LoginReused(login))
    return replace(
        again,
        account_request=ask,
        requests=result.requests + 1 + again.requests,
        points=result.points + again.points,
        not_modified=result.not_modified + again.not_modified,
    )


def _failed_result(result: AccountResult, error: GitHubError) -> AccountResult:
    return replace(result, snapshot=None, error=error, requests=result.requests + 1)
