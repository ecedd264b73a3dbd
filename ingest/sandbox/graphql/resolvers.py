"""Resolvers: where each field of an account or repository leads."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from ingest.sandbox.graphql.connections import ConnectionPage, count_connection, encode_cursor, paginate, require_bounds
from ingest.sandbox.graphql.rows import Row, account_row, repository_row
from ingest.sandbox.graphql.selections import FieldRefused, GraphObject, Resolvers
from ingest.sandbox.server.faults import QUERY_TIMED_OUT, Faults, policy_message
from ingest.sandbox.server.messages import ApiRequest
from ingest.sandbox.world import contributions
from ingest.sandbox.world.accounts import Account
from ingest.sandbox.world.population import World
from ingest.sandbox.world.repositories import Repository
from ingest.sandbox.world.vocabulary import LANGUAGES, LICENSES

Arguments = Mapping[str, Any]

SORT_KEYS: dict[str, Callable[[Repository, int], Any]] = {
    "CREATED_AT": lambda repository, _moment: repository.created_at,
    "NAME": lambda repository, _moment: repository.name.lower(),
    "PUSHED_AT": lambda repository, timestamp: repository.counts(timestamp).pushed_at or 0,
    "STARGAZERS": lambda repository, timestamp: repository.counts(timestamp).stars,
    "UPDATED_AT": lambda repository, timestamp: repository.counts(timestamp).updated_at,
}
NOT_PERMITTED = "Resource not accessible by personal access token"


class Graph:
    """The resolvers for one time and one viewer. Rows are cached while nothing changed."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self._rows: dict[int, tuple[object, int, Row]] = {}

    def resolvers(self, timestamp: int, request: ApiRequest, rate: Row) -> Resolvers:
        """Return the resolver of each field that is not a plain scalar."""
        view = GraphView(self, timestamp, request)
        owners = {
            (kind, name): resolve
            for kind in ("User", "Organization")
            for name, resolve in {"repositories": view.repositories, "repository": view.owned_repository}.items()
        }
        return {
            ("Query", "repositoryOwner"): view.repository_owner,
            ("Query", "user"): view.user,
            ("Query", "organization"): view.organization,
            ("Query", "repository"): view.repository,
            ("Query", "node"): view.node,
            ("Query", "nodes"): view.nodes,
            ("Query", "viewer"): view.viewer,
            ("Query", "relay"): lambda _source, _values: GraphObject("Query", {"__typename": "Query"}),
            ("Query", "rateLimit"): lambda _source, _values: GraphObject("RateLimit", rate),
            ("User", "followers"): lambda a, _values: count_connection("FollowerConnection", a.followers_at(timestamp)),
            ("User", "following"): lambda a, _values: count_connection("FollowingConnection", a.following),
            ("User", "gists"): lambda a, _values: count_connection("GistConnection", a.gists),
            ("User", "contributionsCollection"): lambda a, values: contributions.contributions_collection(
                a, dict(values), timestamp
            ),
            ("ContributionsCollection", "contributionCalendar"): lambda counted, _values: (
                contributions.contribution_calendar(counted)
            ),
            ("ContributionCalendar", "weeks"): lambda counted, _values: contributions.contribution_weeks(counted),
            ("ContributionCalendarWeek", "contributionDays"): lambda items, _values: contributions.contribution_days(
                items
            ),
            **owners,
            **_repository_fields(view),
            **_connection_resolvers("Repository", "repositories", view.listed),
            **_connection_resolvers("RepositoryTopic", "repositoryTopics", _topic),
            **_connection_resolvers("Language", "languages", _listed_language, node_required=True),
            ("LanguageEdge", "size"): lambda edge, _values: edge[1][1],
            ("RepositoryTopic", "topic"): lambda name, _values: _named_object("Topic", name),
        }

    def cached_row(self, repository: Repository, timestamp: int) -> Row:
        counts = repository.counts(timestamp)
        edits = repository.version + repository.owner.version
        cached = self._rows.get(repository.id)
        if cached is None or cached[0] is not counts or cached[1] != edits:
            cached = self._rows[repository.id] = (counts, edits, repository_row(repository, counts))
        return cached[2]


class GraphView:
    """The graph as one viewer sees it at one time."""

    def __init__(self, graph: Graph, timestamp: int, request: ApiRequest) -> None:
        self.graph = graph
        self.world = graph.world
        self.faults = graph.faults
        self.timestamp = timestamp
        self.viewer_login = request.owner
        self.token = request.token

    def repository_owner(self, _source: object, values: Arguments) -> GraphObject | None:
        """Find an account. An unknown login is a plain null, without an error."""
        account = self.world.account(values["login"])
        return self.account_object(account) if account else None

    def user(self, _source: object, values: Arguments) -> GraphObject:
        return self._find_account("User", "a User", values["login"])

    def organization(self, _source: object, values: Arguments) -> GraphObject:
        return self._find_account("Organization", "an Organization", values["login"])

    def viewer(self, _source: object, _values: Arguments) -> GraphObject | None:
        account = self.world.account(self.viewer_login or "")
        return self.account_object(account) if account else None

    def repository(self, _source: object, values: Arguments) -> GraphObject:
        return self._find_repository(f"{values['owner']}/{values['name']}", follow=values["followRenames"])

    def owned_repository(self, account: Account, values: Arguments) -> GraphObject:
        return self._find_repository(f"{account.login}/{values['name']}", follow=values["followRenames"])

    def node(self, _source: object, values: Arguments) -> GraphObject:
        found = self.world.node(values["id"])
        if found is None:
            raise FieldRefused("NOT_FOUND", f"Could not resolve to a node with the global id of '{values['id']}'")
        return self.account_object(found) if isinstance(found, Account) else self.repository_object(found)

    def nodes(self, _source: object, values: Arguments) -> list[GraphObject | FieldRefused]:
        return [object_or_refusal(partial(self.node, None, {"id": each})) for each in values["ids"]]

    def repositories(self, account: Account, values: Arguments) -> GraphObject:
        order = values.get("orderBy")
        ordered, key = self._sorted_repositories(account, values, order["field"] if order else None)
        descending = order is not None and order["direction"] == "DESC"
        shift = self.faults.page_shift(account.login)
        page = paginate("repositories", ordered, values, key, descending=descending, shift=shift)
        return GraphObject(
            "RepositoryConnection", {"__typename": "RepositoryConnection", "totalCount": page.total}, page
        )

    def listed(self, repository: Repository) -> GraphObject | FieldRefused:
        return object_or_refusal(partial(self.repository_object, repository))

    def account_object(self, account: Account) -> GraphObject:
        self._check_refusal(account.login, f"Could not resolve to a User with the login of '{account.login}'.")
        return GraphObject(account.kind, account_row(account, self.timestamp), account)

    def repository_object(self, repository: Repository) -> GraphObject:
        if self.faults.refused or self.faults.denied_tokens:
            message = f"Could not resolve to a Repository with the name '{repository.full_name}'."
            self._check_refusal(repository.full_name, message)
        return GraphObject("Repository", self.graph.cached_row(repository, self.timestamp), repository)

    def owner(self, repository: Repository, _values: Arguments) -> GraphObject:
        owner = repository.owner
        return GraphObject(owner.kind, account_row(owner, self.timestamp), owner)

    def languages(self, repository: Repository, values: Arguments) -> GraphObject:
        sizes = repository.counts(self.timestamp).languages
        order = values.get("orderBy")
        descending = not order or order["direction"] == "DESC"
        hidden = {name for full_name, name in self.faults.hidden_languages if full_name == repository.full_name.lower()}
        items = sorted(((name, size, name in hidden) for name, size in sizes.items()), key=_size_key)
        page = paginate("languages", items, values, _size_key, descending=descending)
        row = {"__typename": "LanguageConnection", "totalCount": page.total, "totalSize": sum(sizes.values())}
        return GraphObject("LanguageConnection", row, page)

    def _find_account(self, kind: str, words: str, login: str) -> GraphObject:
        account = self.world.account(login)
        if account is None or account.kind != kind:
            raise FieldRefused("NOT_FOUND", f"Could not resolve to {words} with the login of '{login}'.")
        return self.account_object(account)

    def _find_repository(self, full_name: str, *, follow: bool) -> GraphObject:
        found = self.world.repository(full_name) or (self.world.moved(full_name) if follow else None)
        if found is None:
            raise FieldRefused("NOT_FOUND", f"Could not resolve to a Repository with the name '{full_name}'.")
        return self.repository_object(found)

    def _sorted_repositories(
        self, account: Account, values: Arguments, field: str | None
    ) -> tuple[Sequence[Repository], Callable[[Any], tuple[Any, ...]]]:
        """Return the visible repositories of *account*, ascending by *field*, and the sort key."""
        order, timestamp = SORT_KEYS.get(field or "CREATED_AT", SORT_KEYS["CREATED_AT"]), self.timestamp

        def key(repository: Repository) -> tuple[Any, int]:
            return order(repository, timestamp), repository.id

        chosen = [r for r in self._affiliated_repositories(account, values) if self._chosen(r, values)]
        chosen.sort(key=key)
        return chosen, key

    def _affiliated_repositories(self, account: Account, values: Arguments) -> list[Repository]:
        affiliations = values.get("ownerAffiliations") or values.get("affiliations") or ["OWNER", "COLLABORATOR"]
        own = self.world.owned(account) if "OWNER" in affiliations else []
        # Without OWNER alone, others' repositories slip in.
        return own + (self.world.collaborator_repositories(account) if "COLLABORATOR" in affiliations else [])

    def _chosen(self, repository: Repository, values: Arguments) -> bool:
        hidden = "PRIVATE" in (values.get("privacy"), values.get("visibility"))
        fork, archived = values.get("isFork"), values.get("isArchived")
        return (
            not hidden
            and (fork is None or repository.fork is fork)
            and (archived is None or repository.counts(self.timestamp).archived is archived)
        )

    def _check_refusal(self, name: str, message: str) -> None:
        """Raise the refusal of *name* if a fault sets one."""
        login = name.split("/", maxsplit=1)[0]
        if self.faults.is_denied(self.token, login):
            raise FieldRefused("FORBIDDEN", policy_message(login))
        reason = self.faults.refusal_reason(name)
        if reason in (404, 410):
            raise FieldRefused("NOT_FOUND", message)
        if reason == "partial":
            raise FieldRefused(None, QUERY_TIMED_OUT)
        if reason in (403, 451, "tos"):
            raise FieldRefused("FORBIDDEN", NOT_PERMITTED if reason == 403 else "Repository access blocked")


def _repository_fields(view: GraphView) -> dict[tuple[str, str], Callable[[Any, Any], Any]]:
    timestamp = view.timestamp
    fields: dict[str, Callable[[Repository, Arguments], Any]] = {
        "owner": view.owner,
        "parent": lambda r, _values: (
            view.repository_object(r.parent) if r.parent and view.world.shows(r.parent) else None
        ),
        "licenseInfo": lambda r, _values: _license(r.license),
        "primaryLanguage": lambda r, _values: _language(r.counts(timestamp).language),
        "defaultBranchRef": lambda r, _values: (
            None if r.empty else _named_object("Ref", r.default_branch, prefix="refs/heads/")
        ),
        "languages": view.languages,
        "repositoryTopics": _topics_connection,
        "stargazers": lambda r, _values: count_connection("StargazerConnection", r.counts(timestamp).stars),
        "watchers": lambda r, _values: count_connection("WatcherConnection", r.counts(timestamp).watchers),
        "forks": lambda r, _values: count_connection("RepositoryConnection", r.counts(timestamp).forks),
        "issues": lambda r, values: count_connection("IssueConnection", _issue_count(r, timestamp, values)),
        "pullRequests": lambda r, values: count_connection(
            "PullRequestConnection", _pull_request_count(r, timestamp, values)
        ),
    }
    return {("Repository", name): resolve for name, resolve in fields.items()}


def _connection_resolvers(
    type_name: str,
    field: str,
    show: Callable[[Any], GraphObject | FieldRefused | None],
    *,
    node_required: bool = False,
) -> dict[tuple[str, str], Callable[[Any, Any], Any]]:
    """Resolve what every connection has: nodes, edges, pageInfo. A required node that is null makes its edge null."""

    def edge(page: ConnectionPage, item: Any) -> GraphObject | FieldRefused:
        if node_required and isinstance(refused := show(item), FieldRefused):
            return refused
        return GraphObject(f"{type_name}Edge", {"__typename": f"{type_name}Edge"}, (page, item))

    return {
        (f"{type_name}Connection", "nodes"): lambda page, _values: [show(i) for i in require_bounds(field, page).items],
        (f"{type_name}Connection", "edges"): lambda page, _values: [
            edge(page, i) for i in require_bounds(field, page).items
        ],
        (f"{type_name}Connection", "pageInfo"): lambda page, _values: require_bounds(field, page).page_info(),
        (f"{type_name}Edge", "node"): lambda edge, _values: show(edge[1]),
        # Cursors are written only where they are asked for.
        (f"{type_name}Edge", "cursor"): lambda edge, _values: encode_cursor(edge[0].key(edge[1])),
        ("PageInfo", "startCursor"): lambda page, _values: page.cursor(0),
        ("PageInfo", "endCursor"): lambda page, _values: page.cursor(-1),
    }


def object_or_refusal(show: Callable[[], GraphObject]) -> GraphObject | FieldRefused:
    """Return the object of *show*, or the error that refuses it: one item of a list never voids the others."""
    try:
        return show()
    except FieldRefused as refused:
        return refused


LanguageItem = tuple[str, int, bool]
"""A language's name, its bytes, and whether a fault hides it."""


def _size_key(item: LanguageItem) -> tuple[int, str]:
    return item[1], item[0]


def _listed_language(item: LanguageItem) -> GraphObject | FieldRefused | None:
    name, _, is_hidden = item
    return FieldRefused(None, "Something is wrong with this language") if is_hidden else _language(name)


def _topics_connection(repository: Repository, values: Arguments) -> GraphObject:
    page = paginate("repositoryTopics", repository.topics, values, lambda name: (name,))
    row = {"__typename": "RepositoryTopicConnection", "totalCount": page.total}
    return GraphObject("RepositoryTopicConnection", row, page)


@lru_cache(maxsize=1024)
def _topic(name: str) -> GraphObject:
    path = f"/topics/{name}"
    row = {
        "__typename": "RepositoryTopic",
        "id": _opaque_id("RT", name),
        "resourcePath": path,
        "url": f"https://github.com{path}",
    }
    return GraphObject("RepositoryTopic", row, name)


@lru_cache
def _license(key: str | None) -> GraphObject | None:
    if key is None:
        return None
    name, spdx_id, _ = LICENSES[key]
    url = f"http://choosealicense.com/licenses/{key}/"
    row = {"key": key, "name": name, "spdxId": spdx_id, "nickname": None, "url": url, "id": _opaque_id("L", key)}
    return GraphObject("License", row | {"__typename": "License"})


@lru_cache
def _language(name: str | None) -> GraphObject | None:
    return None if name is None else _named_object("Language", name, color=LANGUAGES.get(name))


def _named_object(type_name: str, name: str, **more: Any) -> GraphObject:
    return GraphObject(
        type_name, {"__typename": type_name, "id": _opaque_id(type_name, name), "name": name, **more}, name
    )


def _opaque_id(prefix: str, name: str) -> str:
    return b64encode(f"{prefix}:{name}".encode()).decode()


def _issue_count(repository: Repository, timestamp: int, values: Arguments) -> int:
    return _count_by_state(repository.counts(timestamp).open_issues, values.get("states"), closed=4)


def _pull_request_count(repository: Repository, timestamp: int, values: Arguments) -> int:
    states = values.get("states") or ["OPEN", "CLOSED", "MERGED"]
    opened = repository.counts(timestamp).open_pulls
    return sum({"OPEN": opened, "CLOSED": opened * 2, "MERGED": opened * 9}[state] for state in set(states))


def _count_by_state(opened: int, states: Sequence[str] | None, *, closed: int) -> int:
    wanted = states or ["OPEN", "CLOSED"]
    return (opened if "OPEN" in wanted else 0) + (opened * closed if "CLOSED" in wanted else 0)
