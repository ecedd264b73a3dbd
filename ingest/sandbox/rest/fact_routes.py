"""The REST routes of what is told of a repository besides itself, with GitHub's refusals. No I/O, no limits."""

from collections.abc import Callable

from ingest.sandbox.rest.bodies import encode_json
from ingest.sandbox.rest.paging import Page
from ingest.sandbox.server.messages import DOCS, ApiRequest, ApiResponse, error_response
from ingest.sandbox.world import repository_facts
from ingest.sandbox.world.population import World
from ingest.sandbox.world.repositories import Repository

TRAFFIC_DOCS = f"{DOCS}/metrics/traffic"
FactHandler = Callable[[ApiRequest, Repository], ApiResponse]


class FactRoutes:
    """Shows facts of a repository. `root` is where addresses begin.

    never_ready   full names whose statistics are computed for ever (202)
    """

    def __init__(self, world: World, root: str) -> None:
        self.never_ready: set[str] = set()
        self._world = world
        self._root = root
        self._computed: set[tuple[int, int]] = set()

    def shows(self) -> dict[str, FactHandler]:
        """What follows a repository's address, and what it shows."""
        return {
            "/contributors": self._contributors,
            "/releases": self._releases,
            "/stats/commit_activity": self._commit_activity,
            "/traffic/views": lambda question, repository: self._traffic(question, repository, "views"),
            "/traffic/clones": lambda question, repository: self._traffic(question, repository, "clones"),
        }

    def _contributors(self, question: ApiRequest, repository: Repository) -> ApiResponse:
        told = repository_facts.contributors(repository, self._world.now())
        return (
            self._paged(question, repository, "contributors", told) if told else ApiResponse(204, b"", content_type="")
        )

    def _releases(self, question: ApiRequest, repository: Repository) -> ApiResponse:
        return self._paged(question, repository, "releases", repository_facts.releases(repository, self._world.now()))

    def _paged(
        self, question: ApiRequest, repository: Repository, name: str, told: list[repository_facts.Body]
    ) -> ApiResponse:
        page = Page.of(question.query)
        answer = ApiResponse(200, encode_json(list(page.cut(told))))
        link = page.link_header(f"{self._root}/repositories/{repository.id}/{name}", question.query, len(told))
        if link:
            answer.headers["link"] = link
        return answer

    def _commit_activity(self, _question: ApiRequest, repository: Repository) -> ApiResponse:
        """Statistics belong to the newest commit: who asks first is told to come again."""
        moment = self._world.now()
        key = (repository.id, repository.counts(moment).pushed_at or 0)
        if repository.full_name in self.never_ready or key not in self._computed:
            self._computed.add(key)
            return ApiResponse.of(202, {})
        return ApiResponse.of(200, repository_facts.commit_activity(repository, moment))

    def _traffic(self, question: ApiRequest, repository: Repository, what: str) -> ApiResponse:
        if question.owner is None or question.owner.lower() != repository.owner.login.lower():
            return error_response(403, "Must have push access to repository", TRAFFIC_DOCS)
        return ApiResponse.of(200, repository_facts.traffic(repository, self._world.now(), what))
