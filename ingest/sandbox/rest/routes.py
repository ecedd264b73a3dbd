"""REST routes: a request in, a response out. No I/O, no limits."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from re import Match

from ingest.sandbox.rest.bodies import OLD_API_VERSION, BodyBuilder, encode_json
from ingest.sandbox.rest.fact_routes import FactHandler, FactRoutes
from ingest.sandbox.rest.paging import Page
from ingest.sandbox.server.faults import Faults
from ingest.sandbox.server.messages import DOCS, ApiRequest, ApiResponse, error_response, moved_permanently, not_found
from ingest.sandbox.world import star_history
from ingest.sandbox.world.accounts import Account
from ingest.sandbox.world.clock import http_date
from ingest.sandbox.world.population import World
from ingest.sandbox.world.repositories import Repository

API_VERSIONS = (OLD_API_VERSION, "2026-03-10")
USER_DOCS = f"{DOCS}/users/users#get-a-user"
ORG_DOCS = f"{DOCS}/orgs/orgs#get-an-organization"
MEMBER_DOCS = f"{DOCS}/orgs/members#list-public-organization-members"
REPO_DOCS = f"{DOCS}/repos/repos#get-a-repository"
LIST_DOCS = f"{DOCS}/repos/repos#list-repositories-for-a-user"
HISTORY_WEEKS = 30

SORT_KEYS: dict[str, Callable[[Repository, int], object]] = {
    "created": lambda repository, _moment: (repository.created_at, repository.id),
    "updated": lambda repository, timestamp: (repository.counts(timestamp).updated_at, repository.id),
    "pushed": lambda repository, timestamp: (
        repository.counts(timestamp).pushed_at or repository.created_at,
        repository.id,
    ),
    "full_name": lambda repository, _moment: repository.full_name.lower(),
}
TYPE_FILTERS: dict[str, Callable[[Repository], bool]] = {
    "forks": lambda repository: repository.fork,
    "sources": lambda repository: not repository.fork,
    "private": lambda _repository: False,
}


class Rest:
    """Handles requests about *world*; *root* is where its URLs begin."""

    def __init__(self, world: World, root: str, faults: Faults) -> None:
        self.world = world
        self.root = root
        self.faults = faults
        self.body_builder = BodyBuilder(root)
        self._disabled_paths: tuple[str, ...] = ()
        self._orders: dict[tuple[int, str], tuple[int, list[Repository]]] = {}
        name, number = r"([^/]+)", r"(\d+)"
        table: dict[str, Callable[[ApiRequest, Match[str]], ApiResponse]] = {
            "/user": self._viewer,
            f"/users/{name}": self._user,
            f"/user/{number}": self._user_by_id,
            f"/orgs/{name}": self._organization,
            f"/organizations/{number}": self._organization_by_id,
            f"/organizations/{number}/public_members": self._members_by_id,
            f"/orgs/{name}/public_members": self._members,
            f"/(users|orgs)/{name}/repos": self._list,
            f"/(user|organizations)/{number}/repos": self._account_repositories_by_id,
            f"/repos/{name}/{name}": self._repository,
            f"/repositories/{number}": self._repository_by_id,
            f"/repos/{name}/{name}/languages": self._languages,
            f"/repositories/{number}/languages": self._languages_by_id,
            f"/repos/{name}/{name}/stargazers/history": self._star_history,
            f"/repositories/{number}/stargazers/history": self._star_history_by_id,
        }
        self.facts = FactRoutes(world, root)
        for end, show in self.facts.shows().items():
            table[f"/repos/{name}/{name}{end}"] = partial(self._fact, end, show)
            table[f"/repositories/{number}{end}"] = partial(self._fact_by_id, show)
        self._routes = [(re.compile(pattern), act) for pattern, act in table.items()]

    def handle(self, request: ApiRequest) -> ApiResponse:
        """Handle a request; unknown paths (a trailing slash included) are 404."""
        if any(request.path.endswith(end) for end in self._disabled_paths):
            return not_found(DOCS)
        for pattern, act in self._routes:
            match = pattern.fullmatch(request.path)
            if match:
                return act(request, match)
        return not_found(DOCS)

    def without(self, *ends: str) -> None:
        """Make URLs with this ending unknown, as some are on Enterprise Server."""
        self._disabled_paths = ends

    def _viewer(self, request: ApiRequest, _match: Match[str]) -> ApiResponse:
        account = self.world.account(request.owner) if request.owner else None
        if account is None:
            return error_response(401, "Requires authentication", f"{DOCS}/users/users#get-the-authenticated-user")
        return self._account_response(request, account)

    def _user(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        if renamed := self.world.renamed(match[1]):
            return moved_permanently(f"{self.root}/user/{renamed.id}")
        return self._account_response(request, self.world.account(match[1]))

    def _user_by_id(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._account_response(request, self.world.account_by_id(int(match[1])))

    def _organization(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._organization_response(request, self.world.account(match[1]))

    def _organization_by_id(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._organization_response(request, self.world.account_by_id(int(match[1])))

    def _account_response(self, request: ApiRequest, account: Account | None) -> ApiResponse:
        refused = self._refused(request, account, USER_DOCS)
        if refused or account is None:
            return refused or not_found(USER_DOCS)
        timestamp = self.world.now()
        body = self.body_builder.account(account, timestamp, len(self.world.owned(account)))
        return ApiResponse.of(200, body, last_modified=http_date(account.updated_at(timestamp)))

    def _organization_response(self, request: ApiRequest, account: Account | None) -> ApiResponse:
        refused = self._refused(request, account, ORG_DOCS)
        if refused or account is None or account.kind != "Organization":
            return refused or not_found(ORG_DOCS)
        timestamp = self.world.now()
        body = self.body_builder.organization(account, timestamp, len(self.world.owned(account)))
        return ApiResponse.of(200, body, last_modified=http_date(account.updated_at(timestamp)))

    def _members(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._public_members(request, self.world.account(match[1]))

    def _members_by_id(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._public_members(request, self.world.account_by_id(int(match[1])))

    def _public_members(self, request: ApiRequest, organization: Account | None) -> ApiResponse:
        refused = self._refused(request, organization, MEMBER_DOCS)
        if refused or organization is None or organization.kind != "Organization":
            return refused or not_found(MEMBER_DOCS)
        members = self.world.members(organization)
        page = Page.of(request.query)
        response = ApiResponse(
            200, encode_json([self.body_builder.simple_account(member) for member in page.cut(members)])
        )
        url = f"{self.root}/organizations/{organization.id}/public_members"
        return self._with_link_header(response, page, url, request.query, len(members))

    def _list(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._repository_list_response(request, self.world.account(match[2]), organization=match[1] == "orgs")

    def _account_repositories_by_id(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        account = self.world.account_by_id(int(match[2]))
        return self._repository_list_response(request, account, organization=match[1] == "organizations")

    def _repository_list_response(
        self, request: ApiRequest, account: Account | None, *, organization: bool
    ) -> ApiResponse:
        refused = self._refused(request, account, LIST_DOCS)
        if refused or account is None or (organization and account.kind != "Organization"):
            return refused or not_found(LIST_DOCS)
        timestamp = self.world.now()
        chosen = self._chosen(account, request.query, timestamp, organization=organization)
        page = Page.of(request.query)
        cut = page.cut(chosen, self.faults.page_shift(account.login))
        version, signed_in = api_version(request), request.owner is not None
        items = [self.body_builder.listed(r, r.counts(timestamp), signed_in=signed_in, version=version) for r in cut]
        response = ApiResponse(200, b"[" + b",".join(items) + b"]")
        form = "organizations" if organization else "user"
        return self._with_link_header(
            response, page, f"{self.root}/{form}/{account.id}/repos", request.query, len(chosen)
        )

    def _chosen(
        self, account: Account, query: Mapping[str, str], timestamp: int, *, organization: bool
    ) -> list[Repository]:
        """Choose and order a list's items. An unknown `sort`, such as `stars`, means the default."""
        kind = query.get("type", "all" if organization else "owner")
        default = "created" if organization else "full_name"
        sort = query["sort"] if query.get("sort") in SORT_KEYS else default
        descending = query.get("direction", "asc" if sort == "full_name" else "desc") == "desc"
        chosen = [] if kind == "member" else self._sorted_repositories(account, sort, timestamp)
        if not organization and kind in ("all", "member"):
            others = self.world.collaborator_repositories(account)
            chosen = sorted([*chosen, *others], key=lambda r: SORT_KEYS[sort](r, timestamp))  # type: ignore[arg-type,return-value]
        if organization and kind in TYPE_FILTERS:
            chosen = [r for r in chosen if TYPE_FILTERS[kind](r)]
        return chosen[::-1] if descending else chosen

    def _sorted_repositories(self, account: Account, sort: str, timestamp: int) -> list[Repository]:
        """Sort by name once until an edit; counts change by themselves and are sorted each time."""
        key = (account.id, sort)
        cached = self._orders.get(key)
        owned = self.world.owned(account)
        if (
            cached
            and cached[0] == self.world.version
            and len(cached[1]) == len(owned)
            and sort in ("created", "full_name")
        ):
            return cached[1]
        ordered = sorted(owned, key=lambda r: SORT_KEYS[sort](r, timestamp))  # type: ignore[arg-type,return-value]
        self._orders[key] = (self.world.version, ordered)
        return ordered

    def _repository(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_name(request, match, "", self._repository_response)

    def _repository_by_id(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_id(request, match, self._repository_response)

    def _languages(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_name(request, match, "/languages", self._languages_response)

    def _languages_by_id(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_id(request, match, self._languages_response)

    def _star_history(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_name(request, match, "/stargazers/history", self._star_history_response)

    def _star_history_by_id(self, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_id(request, match, self._star_history_response)

    def _fact(self, end: str, show: FactHandler, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_name(request, match, end, show)

    def _fact_by_id(self, show: FactHandler, request: ApiRequest, match: Match[str]) -> ApiResponse:
        return self._respond_by_id(request, match, show)

    def _respond_by_name(
        self, request: ApiRequest, match: Match[str], rest: str, show: Callable[[ApiRequest, Repository], ApiResponse]
    ) -> ApiResponse:
        full_name = f"{match[1]}/{match[2]}"
        repository = self.world.repository(full_name)
        moved = None if repository else self.world.moved(full_name)
        if moved:
            return moved_permanently(f"{self.root}/repositories/{moved.id}{rest}")
        return self._refused(request, repository, REPO_DOCS) or (
            show(request, repository) if repository else not_found(REPO_DOCS)
        )

    def _respond_by_id(
        self, request: ApiRequest, match: Match[str], show: Callable[[ApiRequest, Repository], ApiResponse]
    ) -> ApiResponse:
        repository = self.world.repository_by_id(int(match[1]))
        return self._refused(request, repository, REPO_DOCS) or (
            show(request, repository) if repository else not_found(REPO_DOCS)
        )

    def _repository_response(self, request: ApiRequest, repository: Repository) -> ApiResponse:
        timestamp = self.world.now()
        signed_in = request.owner is not None
        body = self.body_builder.full(repository, timestamp, signed_in=signed_in, version=api_version(request))
        return ApiResponse.of(200, body, last_modified=http_date(repository.counts(timestamp).updated_at))

    def _languages_response(self, _question: ApiRequest, repository: Repository) -> ApiResponse:
        counts = repository.counts(self.world.now())
        changed = max(counts.pushed_at or repository.created_at, repository.edited_at)
        return ApiResponse.of(200, counts.languages, last_modified=http_date(changed))

    def _star_history_response(self, request: ApiRequest, repository: Repository) -> ApiResponse:
        timestamp = self.world.now()
        page = Page.of(request.query, default=HISTORY_WEEKS, most=HISTORY_WEEKS)
        weeks = star_history.history_weeks(repository, timestamp)
        response = ApiResponse(
            200, encode_json(star_history.history_rows(repository, timestamp, list(page.cut(weeks))))
        )
        url = f"{self.root}/repositories/{repository.id}/stargazers/history"
        return self._with_link_header(response, page, url, request.query, len(weeks))

    def _refused(self, request: ApiRequest, thing: Account | Repository | None, docs: str) -> ApiResponse | None:
        """Return the response with which a fault refuses *thing*, or None."""
        if thing is None:
            return None
        name = thing.login if isinstance(thing, Account) else thing.full_name
        return self.faults.refusal_response(name, request.token, docs)

    def _with_link_header(
        self, response: ApiResponse, page: Page, url: str, query: Mapping[str, str], total: int
    ) -> ApiResponse:
        link = page.link_header(url, query, total)
        if link:
            response.headers["link"] = link
        return response


def api_version(request: ApiRequest) -> str:
    return request.headers.get("x-github-api-version", OLD_API_VERSION)
