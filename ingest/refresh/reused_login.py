"""An account that was asked for by its login and answered by another one: names are reused, ids are not."""

from collections.abc import Callable
from dataclasses import replace

from ingest.github import Ask, GitHub, Outcome
from ingest.github.http.errors import AccountNotFound, GitHubError
from ingest.github.http.rate_gate import Stop


class NameTaken(GitHubError):
    """An account's names moved while it was looked for."""

    code = "name_taken"

    def __init__(self, login: str) -> None:
        super().__init__(f"Another account answers to {login} now; the next look tells what became of the one we hold")


def is_namesake(outcome: Outcome) -> bool:
    """Whether the answer is another account's than the one that is held under this login."""
    held, answer = outcome.ask.github_id, outcome.answer
    return held is not None and answer is not None and answer.account.github_id != held


def look_up(github: GitHub, outcome: Outcome, read: Callable[[Ask], Outcome], stop: Stop | None = None) -> Outcome:
    """Read the account that was meant, under the name it has now; AccountNotFound where it has none any more.

    *read* asks for one account by its login.
    """
    ask = outcome.ask
    assert ask.github_id is not None
    try:
        login = github.account_by_id(ask.github_id, stop=stop).login
    except AccountNotFound:
        return _refused(outcome, AccountNotFound(ask.login))
    except GitHubError as error:
        return _refused(outcome, error)
    if login.lower() == ask.login.lower():
        return _refused(outcome, NameTaken(ask.login))
    again = read(replace(ask, login=login))
    if is_namesake(again):
        return _refused(outcome, NameTaken(login))
    return replace(
        again,
        ask=ask,
        requests=outcome.requests + 1 + again.requests,
        points=outcome.points + again.points,
        not_modified=outcome.not_modified + again.not_modified,
    )


def _refused(outcome: Outcome, error: GitHubError) -> Outcome:
    return replace(outcome, answer=None, error=error, requests=outcome.requests + 1)
