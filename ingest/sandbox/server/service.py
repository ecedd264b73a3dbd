"""One request from arrival to response: token, limits, faults, route, charge, headers. No I/O."""

import random
from dataclasses import replace

from ingest.sandbox.graphql.execute import DOCS as GRAPHQL_DOCS
from ingest.sandbox.graphql.execute import GraphQL
from ingest.sandbox.rest.conditional import apply_conditional
from ingest.sandbox.rest.routes import API_VERSIONS, Rest, api_version
from ingest.sandbox.server.faults import Faults
from ingest.sandbox.server.github_apps import INSTALLATION_TOKEN_PATH, AppRegistry
from ingest.sandbox.server.limits import Limits, graphql_limit_response, primary_limit_response
from ingest.sandbox.server.messages import (
    DOCS,
    ApiRequest,
    ApiResponse,
    authentication_required,
    bad_credentials,
    unknown_version,
    user_agent_required,
)
from ingest.sandbox.world.clock import http_date
from ingest.sandbox.world.population import World

SCOPES = "public_repo, read:org"
VARY_SIGNED_IN = "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With"
VARY_DEFAULT = "Accept-Encoding, Accept, X-Requested-With"
VARY_ANONYMOUS = "Accept,Accept-Encoding, Accept, X-Requested-With"


class Service:
    """The sandbox GitHub without HTTP. *root* is the URL of its REST API."""

    def __init__(self, world: World, root: str, faults: Faults, limits: Limits) -> None:
        self.world = world
        self.faults = faults
        self.limits = limits
        self.apps = AppRegistry(world.clock, limits.tokens)
        self.rest = Rest(world, root, faults)
        self.graphql = GraphQL(world, faults, limits)

    def authenticate(self, request: ApiRequest) -> ApiRequest:
        """Set the owner of the request's token; a refused or unknown token has none."""
        known = request.token is not None and request.token not in self.faults.revoked_tokens
        self.apps.end(request.token)
        return replace(request, owner=self.limits.tokens.get(request.token or "") if known else None)

    def handle(self, request: ApiRequest) -> ApiResponse:
        """Answer an authenticated *request*, charge it and write the headers; `done` has to follow."""
        resource = "graphql" if request.path == "/graphql" else "core"
        refused = self.limits.begin_request(request, resource)
        response = refused or self._answer(request, resource)
        if request.path != "/rate_limit":
            self.limits.charge(request, resource, response.points)
        response.headers = self._headers(request, response, resource) | response.headers
        return response

    def done(self, request: ApiRequest) -> None:
        """Record that the response was sent."""
        self.limits.end_request(request)

    def _answer(self, request: ApiRequest, resource: str) -> ApiResponse:
        met = self.faults.before(request)
        if met:
            return met
        if request.method == "POST" and (match := INSTALLATION_TOKEN_PATH.fullmatch(request.path)):
            return self.apps.issue_token(match[1], request.token)
        refused = self._refusal(request, resource)
        if refused:
            return refused
        with self.world.lock:
            response = self.graphql.handle(request) if resource == "graphql" else self._rest(request)
        return self.faults.after(request, response)

    def _refusal(self, request: ApiRequest, resource: str) -> ApiResponse | None:
        if not request.headers.get("user-agent"):
            return user_agent_required()
        if request.token is not None and request.owner is None:
            return bad_credentials(GRAPHQL_DOCS if resource == "graphql" else DOCS)
        if api_version(request) not in API_VERSIONS:
            return unknown_version(api_version(request))
        if resource == "graphql" and request.owner is None:
            return authentication_required()
        if request.path == "/rate_limit" or not self.limits.spent(request, resource):
            return None
        return graphql_limit_response() if resource == "graphql" else primary_limit_response(request)

    def _rest(self, request: ApiRequest) -> ApiResponse:
        if request.path == "/rate_limit":
            return self.limits.rate_limit_response(request, with_rate=api_version(request) == API_VERSIONS[0])
        return apply_conditional(request, self.rest.handle(request))

    def _headers(self, request: ApiRequest, response: ApiResponse, resource: str) -> dict[str, str]:
        version = "v4" if resource == "graphql" else "v3"
        headers = {
            "date": http_date(self.world.now()),
            "server": "github.com",
            "x-github-request-id": _request_id(),
            "x-github-media-type": f"github.{version}; format=json",
            "vary": VARY_DEFAULT,
        } | self.limits.headers(request, resource)
        if response.status in (200, 304) and request.method == "GET":
            headers |= _caching_headers(request)
        if request.owner and request.token in self.faults.expirations:
            headers["github-authentication-token-expiration"] = self.faults.expirations[request.token]
        if request.owner:
            headers |= {"x-oauth-scopes": SCOPES, "x-accepted-oauth-scopes": ""}
        if resource == "core":
            headers["x-github-api-version-selected"] = api_version(request)
        return headers


def _caching_headers(request: ApiRequest) -> dict[str, str]:
    reach, vary = ("private", VARY_SIGNED_IN) if request.owner else ("public", VARY_ANONYMOUS)
    return {"cache-control": f"{reach}, max-age=60, s-maxage=60", "vary": vary}


def _request_id() -> str:
    return ":".join(f"{random.getrandbits(bits):0{bits // 4}X}" for bits in (16, 24, 24, 24, 32))
