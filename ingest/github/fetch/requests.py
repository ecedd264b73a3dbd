"""The requests that the generator of an account yields, and what the dispatcher adds to them.

A generator yields a sequence of requests and receives the list of their responses in the same order. A response is
GitHub's value, or the GitHubError that prevented it; `send` and `send_all` raise that error in the generator.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Any, TypeVar

from ingest.github.api.graphql import PageRequest
from ingest.github.errors import GitHubError
from ingest.github.http.transport import RequestContext, Tally

T = TypeVar("T")


@dataclass(frozen=True)
class LanguagesRequest:
    """The languages of a repository by GraphQL: the first page, or the one after a cursor."""

    node_id: str
    cursor: str | None = None


@dataclass(frozen=True)
class ExtrasRequest:
    """Watchers, open issues, open change requests and topics of a repository by GraphQL."""

    node_id: str


class Priority(IntEnum):
    """The order of a credential's REST requests. Pages come first: an account that was started is finished first."""

    PAGE = 0
    ACCOUNT = 1
    ORGANIZATION = 2
    LANGUAGES = 3


@dataclass(frozen=True)
class RestRequest:
    """A call of a REST method; `send` runs in a worker thread."""

    priority: Priority
    send: Callable[[RequestContext], Any]


Request = PageRequest | LanguagesRequest | ExtrasRequest | RestRequest
Steps = Generator[Sequence[Request], list[Any], T]


@dataclass(eq=False)
class PendingRequest:
    """A yielded request on its way: `respond` must be called once, `add_cost` for each attempt's share of the cost."""

    request: Any
    respond: Callable[[Any], None]
    add_cost: Callable[[Tally, float], None]
    failed_attempts: int = 0


def send(request: Request) -> Steps[Any]:
    """Await one response. Raises the GitHubError that prevented it."""
    (response,) = yield from send_all([request])
    return response


def send_all(requests: Sequence[Request]) -> Steps[list[Any]]:
    """Await all responses. Raises the first GitHubError among them."""
    responses = yield requests
    for response in responses:
        if isinstance(response, GitHubError):
            raise response
    return responses


def send_groups(*groups: Sequence[Request]) -> Steps[list[list[Any]]]:
    """Send several groups in one step and await the responses of each, errors included."""
    responses = iter((yield [request for group in groups for request in group]))
    return [list(islice(responses, len(group))) for group in groups]
