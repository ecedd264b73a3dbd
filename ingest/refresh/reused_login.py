"""An account that was asked for by its login and answered by another one: names are reused, ids are not."""

from collections.abc import Callable
from dataclasses import replace

from ingest.github import AccountRequest, AccountResult, GitHub
from ingest.github.errors import AccountNotFound, GitHubError, LoginReused
from ingest.github.http.rate_gate import StopSignal


def is_other_account(outcome: AccountResult) -> bool:
    """Whether the answer is another account's than the one that is held under this login."""
    held, snapshot = outcome.account_request.github_id, outcome.snapshot
    return held is not None and snapshot is not None and snapshot.account.github_id != held


def fetch_renamed_account(
    github: GitHub,
    outcome: AccountResult,
    read: Callable[[AccountRequest], AccountResult],
    stop: StopSignal | None = None,
) -> AccountResult:
    """Read the account that was meant, under the name it has now; AccountNotFound where it has none any more.

    *read* asks for one account by its login.
    """
    ask = outcome.account_request
    assert ask.github_id is not None
    try:
        login = github.account_by_id(ask.github_id, stop=stop).login
    except AccountNotFound:
        return _failed_result(outcome, AccountNotFound(ask.login))
    except GitHubError as error:
        return _failed_result(outcome, error)
    if login.lower() == ask.login.lower():
        return _failed_result(outcome, LoginReused(ask.login))
    again = read(replace(ask, login=login))
    if is_other_account(again):
        return _failed_result(outcome, LoginReused(login))
    return replace(
        again,
        account_request=ask,
        requests=outcome.requests + 1 + again.requests,
        points=outcome.points + again.points,
        not_modified=outcome.not_modified + again.not_modified,
    )


def _failed_result(outcome: AccountResult, error: GitHubError) -> AccountResult:
    return replace(outcome, snapshot=None, error=error, requests=outcome.requests + 1)
