"""Languages and extras of repositories: packed full across accounts, asked by node id as soon as a query is full."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ingest.github.api.graphql import GraphQL
from ingest.github.api.graphql_responses import Bytes, Lost
from ingest.github.fetch.account_fetch import Visit
from ingest.github.fetch.batch_size import Size, halves
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.errors import GitHubError, ServerFailed, UnreadableAnswer
from ingest.github.http.transport import Asking

TRIES = 5
# A hundred ids cost a point, however they are packed: few requests, and still far from GitHub's ten seconds.
LANGUAGES_AT_ONCE = 300
EXTRAS_AT_ONCE = 100


@dataclass(frozen=True)
class Want:
    """Something asked of one repository for one visit."""

    visit: Visit
    github_id: int
    node_id: str
    cursor: str | None = None
    tries: int = 0


class Packer:
    """A queue of wants of one kind. *ask* sends a batch; *take* hears what came for each want."""

    def __init__(
        self,
        most: int,
        asking: Callable[[], Asking],
        ask: Callable[[Sequence[Want], Asking], Sequence[Any]],
        take: Callable[[Want, Any], None],
        settle: Callable[[Visit], None],
    ) -> None:
        self._size = Size(most)
        self._asking = asking
        self._ask = ask
        self._take = take
        self._settle = settle
        self._waiting: deque[Want] = deque()
        self._again: deque[list[Want]] = deque()

    def add(self, want: Want) -> None:
        self._waiting.append(want)

    def next(self, *, flush: bool) -> Task | None:
        """A full batch; when *flush*, whatever there is."""
        if self._again:
            return self._task(self._again.popleft())
        if len(self._waiting) >= self._size.now or (flush and self._waiting):
            return self._task([self._waiting.popleft() for _ in range(min(self._size.now, len(self._waiting)))])
        return None

    def _task(self, wants: list[Want]) -> Task:
        asking = self._asking()
        return Task(
            work=lambda: self._ask(wants, asking),
            done=lambda found: self._heard(wants, asking, found),
            failed=lambda error: self._failed(wants, asking, error),
        )

    def _heard(self, wants: list[Want], asking: Asking, found: Sequence[Any]) -> None:
        self._pay(wants, asking)
        self._size.worked()
        lost = []
        for want, item in zip(wants, found, strict=True):
            if isinstance(item, Lost):
                lost.append((want, item.error))
            else:
                self._take(want, item)
        if any(error.asked_too_much for _, error in lost):
            self._size.too_much(len(wants))
        self._try_again([want for want, _ in lost], {want.github_id: error for want, error in lost})
        self._settle_all(wants)

    def _failed(self, wants: list[Want], asking: Asking, error: GitHubError) -> None:
        self._pay(wants, asking)
        # A batch that failed several times as it was is taken for too large, too.
        if error.asked_too_much or isinstance(error, ServerFailed):
            self._size.too_much(len(wants))
        if error.asked_too_much or isinstance(error, ServerFailed | UnreadableAnswer):
            self._try_again(wants, dict.fromkeys((want.github_id for want in wants), error))
        else:
            for want in wants:
                self._give_up(want, error)
        self._settle_all(wants)

    def _try_again(self, wants: list[Want], why: dict[int, GitHubError]) -> None:
        """Ask in halves, so that one bad repository cannot spoil the others for long."""
        for want in wants:
            if want.tries + 1 >= TRIES:
                self._give_up(want, why[want.github_id])
        left = [replace(want, tries=want.tries + 1) for want in wants if want.tries + 1 < TRIES]
        self._again.extend(halves(left))

    def _give_up(self, want: Want, error: GitHubError) -> None:
        want.visit.unread[want.github_id] = error
        want.visit.under_way -= 1

    def _settle_all(self, wants: list[Want]) -> None:
        for visit in {id(want.visit): want.visit for want in wants}.values():
            self._settle(visit)

    def _pay(self, wants: list[Want], asking: Asking) -> None:
        for want in wants:
            want.visit.share(asking.tally, 1 / len(wants))


def languages(graphql: GraphQL, asking: Callable[[], Asking], settle: Callable[[Visit], None]) -> tuple[Packer, Packer]:
    """Make the queue for first pages of languages, and the one for further pages, which hardly anybody has."""

    def take(want: Want, found: Bytes | None) -> None:
        visit = want.visit
        if found is None:
            visit.refused[want.github_id] = "not_found"
        else:
            visit.languages.setdefault(want.github_id, {}).update(found.sizes)
            if found.cursor:
                further.add(replace(want, cursor=found.cursor, tries=0))
                return
        visit.under_way -= 1

    first = Packer(
        LANGUAGES_AT_ONCE,
        asking,
        lambda wants, by: graphql.languages([want.node_id for want in wants], by),
        take,
        settle,
    )
    further = Packer(
        LANGUAGES_AT_ONCE,
        asking,
        lambda wants, by: graphql.more_languages([(want.node_id, want.cursor or "") for want in wants], by),
        take,
        settle,
    )
    return first, further


def extras(graphql: GraphQL, asking: Callable[[], Asking], settle: Callable[[Visit], None]) -> Packer:
    """Make the queue for watchers, open issues, open change requests and topics."""

    def take(want: Want, found: Any) -> None:
        if found is not None:
            want.visit.extras[want.github_id] = found
        want.visit.under_way -= 1

    return Packer(
        EXTRAS_AT_ONCE, asking, lambda wants, by: graphql.extras([want.node_id for want in wants], by), take, settle
    )
