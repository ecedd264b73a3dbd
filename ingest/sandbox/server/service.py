"""One request from arrival to answer: token, limits, faults, route, charge, headers. No I/O."""

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
    """The pretend GitHub without its wire. *root* is the address of its REST API."""

    def __init__(self, world: World, root: str, faults: Faults, limits: Limits) -> None:
        self.world = world
        self.faults = faults
        self.limits = limits
        self.apps = AppRegistry(world.clock, limits.tokens)
        self.rest = Rest(world, root, faults)
        self.graphql = GraphQL(world, faults, limits)

    def authenticate(self, question: ApiRequest) -> ApiRequest:
        """Fill in who the token belongs to; a refused or unknown token belongs to nobody."""
        known = question.token is not None and question.token not in self.faults.revoked_tokens
        self.apps.end(question.token)
        return replace(question, owner=self.limits.tokens.get(question.token or "") if known else None)

    def answer(self, question: ApiRequest) -> ApiResponse:
        """Answer a recognised *question*, charge it and write the headers; `done` has to follow."""
        resource = "graphql" if question.path == "/graphql" else "core"
        refused = self.limits.begin_request(question, resource)
        answer = refused or self._answer(question, resource)
        if question.path != "/rate_limit":
            self.limits.charge(question, resource, answer.points)
        answer.headers = self._headers(question, answer, resource) | answer.headers
        return answer

    def done(self, question: ApiRequest) -> None:
        """Note that the answer has left the house."""
        self.limits.end_request(question)

    def _answer(self, question: ApiRequest, resource: str) -> ApiResponse:
        met = self.faults.before(question)
        if met:
            return met
        if question.method == "POST" and (asked := INSTALLATION_TOKEN_PATH.fullmatch(question.path)):
            return self.apps.issue_token(asked[1], question.token)
        refused = self._refusal(question, resource)
        if refused:
            return refused
        with self.world.lock:
            answer = self.graphql.answer(question) if resource == "graphql" else self._rest(question)
        return self.faults.after(question, answer)

    def _refusal(self, question: ApiRequest, resource: str) -> ApiResponse | None:
        if not question.headers.get("user-agent"):
            return user_agent_required()
        if question.token is not None and question.owner is None:
            return bad_credentials(GRAPHQL_DOCS if resource == "graphql" else DOCS)
        if api_version(question) not in API_VERSIONS:
            return unknown_version(api_version(question))
        if resource == "graphql" and question.owner is None:
            return authentication_required()
        if question.path == "/rate_limit" or not self.limits.spent(question, resource):
            return None
        return graphql_limit_response() if resource == "graphql" else primary_limit_response(question)

    def _rest(self, question: ApiRequest) -> ApiResponse:
        if question.path == "/rate_limit":
            return self.limits.rate_limit_response(question, with_rate=api_version(question) == API_VERSIONS[0])
        return apply_conditional(question, self.rest.answer(question))

    def _headers(self, question: ApiRequest, answer: ApiResponse, resource: str) -> dict[str, str]:
        version = "v4" if resource == "graphql" else "v3"
        headers = {
            "date": http_date(self.world.now()),
            "server": "github.com",
            "x-github-request-id": _request_id(),
            "x-github-media-type": f"github.{version}; format=json",
            "vary": VARY_DEFAULT,
        } | self.limits.headers(question, resource)
        if answer.status in (200, 304) and question.method == "GET":
            headers |= _caching_headers(question)
        if question.owner:
            headers |= {"x-oauth-scopes": SCOPES, "x-accepted-oauth-scopes": ""}
        if resource == "core":
            headers["x-github-api-version-selected"] = api_version(question)
        return headers


def _caching_headers(question: ApiRequest) -> dict[str, str]:
    reach, vary = ("private", VARY_SIGNED_IN) if question.owner else ("public", VARY_ANONYMOUS)
    return {"cache-control": f"{reach}, max-age=60, s-maxage=60", "vary": vary}


def _request_id() -> str:
    return ":".join(f"{random.getrandbits(bits):0{bits // 4}X}" for bits in (16, 24, 24, 24, 32))
