"""REST routes of a repository's facts (contributors, releases, traffic …), with GitHub's errors. No I/O, no limits."""

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
    """Serves facts of a repository. `root` is where URLs begin.

    never_ready   full names whose statistics are never ready (202)
    """

    def __init__(self, world: World, root: str) -> None:
        self.never_ready: set[str] = set()
        self._world = world
        self._root = root
        self._computed: set[tuple[int, int]] = set()

    def shows(self) -> dict[str, FactHandler]:
        """Return the routes below a repository's URL and their handlers."""
        return {
            "/contributors": self._contributors,
            "/releases": self._releases,
            "/stats/commit_activity": self._commit_activity,
            "/traffic/views": lambda request, repository: self._traffic(request, repository, "views"),
            "/traffic/clones": lambda request, repository: self._traffic(request, repository, "clones"),
        }

    def _contributors(self, request: ApiRequest, repository: Repository) -> ApiResponse:
        items = repository_facts.contributors(repository, self._world.now())
        return (
            self._paged(request, repository, "contributors", items) if items else ApiResponse(204, b"", content_type="")
        )

    def _releases(self, request: ApiRequest, repository: Repository) -> ApiResponse:
        return self._paged(request, repository, "releases", repository_facts.releases(repository, self._world.now()))

    def _paged(
        self, request: ApiRequest, repository: Repository, name: str, items: list[repository_facts.Body]
    ) -> ApiResponse:
        page = Page.of(request.query)
        response = ApiResponse(200, encode_json(list(page.cut(items))))
        link = page.link_header(f"{self._root}/repositories/{repository.id}/{name}", request.query, len(items))
        if link:
            response.headers["link"] = link
        return response

    def _commit_activity(self, _question: ApiRequest, repository: Repository) -> ApiResponse:
        """Return statistics of the newest commit; the first request gets 202."""
        timestamp = self._world.now()
        key = (repository.id, repository.counts(timestamp).pushed_at or 0)
        if repository.full_name in self.never_ready or key not in self._computed:
            self._computed.add(key)
            return ApiResponse.of(202, {})
        return ApiResponse.of(200, repository_facts.commit_activity(repository, timestamp))

    def _traffic(self, request: ApiRequest, repository: Repository, what: str) -> ApiResponse:
        if request.owner is None or request.owner.lower() != repository.owner.login.lower():
            return error_response(403, "Must have push access to repository", TRAFFIC_DOCS)
        return ApiResponse.of(200, repository_facts.traffic(repository, self._world.now(), what))
