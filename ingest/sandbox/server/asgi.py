"""The sandbox GitHub on a real port: Starlette and uvicorn around the service."""

import asyncio
import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.sandbox.server.controls import control_routes
from ingest.sandbox.server.faults import Faults
from ingest.sandbox.server.github_apps import AppRegistry
from ingest.sandbox.server.limits import Limits
from ingest.sandbox.server.messages import ApiRequest, ApiResponse
from ingest.sandbox.server.request_log import LoggedRequest, RequestLog
from ingest.sandbox.server.service import Service
from ingest.sandbox.server.threaded_server import ThreadedServer
from ingest.sandbox.world.ground_truth import ground_truth
from ingest.sandbox.world.population import World

ENTERPRISE_REST, ENTERPRISE_GRAPHQL = "/api/v3", "/api/graphql"
MIN_COMPRESS_BYTES = 1400
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass
class Sandbox:
    """A sandbox GitHub that runs, or is about to.

    url          root of its REST API, for GITHUB_API_URL
    latency_ms   minimum duration of each response; may be changed while it runs
    """

    world: World
    url: str
    latency_ms: float = 0
    enterprise: bool = False
    tokens: dict[str, str] | None = None
    log: RequestLog = field(default_factory=RequestLog)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.limits = Limits(self.world.clock, self.tokens)
        self.service = Service(self.world, self.url, self.faults, self.limits)

    @property
    def apps(self) -> AppRegistry:
        """The registered GitHub Apps."""
        return self.service.apps

    def ground_truth(self, login: str) -> dict[str, Any]:
        """Return everything about *login* now, in the form of `ingest show --json`."""
        return ground_truth(self.world, login)

    def app(self) -> Starlette:
        everything = Route("/{path:path}", self._handle, methods=METHODS)
        return Starlette(routes=[*control_routes(self), everything])

    async def _handle(self, request: Request) -> Response:
        arrived = time.monotonic()
        api_request = self.service.authenticate(await self._api_request(request))
        api_response = self.service.handle(api_request)
        try:
            await asyncio.sleep(self.latency_ms / 1000 + self.faults.delay_seconds(api_request))
            self.faults.record_sent(api_response)
            return _http_response(request, api_response)
        finally:
            self.service.done(api_request)
            self._note(api_request, api_response, arrived)

    async def _api_request(self, request: Request) -> ApiRequest:
        authorization = request.headers.get("authorization", "")
        scheme, _, token = authorization.partition(" ")
        return ApiRequest(
            method=request.method,
            path=self._without_enterprise_prefix(request.url.path),
            query=dict(request.query_params),
            headers=dict(request.headers),
            token=token.strip() if scheme.lower() in ("bearer", "token") else None,
            body=await request.body() if request.method == "POST" else b"",
            client=request.client.host if request.client else "127.0.0.1",
        )

    def _without_enterprise_prefix(self, path: str) -> str:
        """Strip the path prefix of an Enterprise Server."""
        if not self.enterprise:
            return path
        if path == ENTERPRISE_GRAPHQL:
            return "/graphql"
        return path.removeprefix(ENTERPRISE_REST) if path.startswith(f"{ENTERPRISE_REST}/") else "/_elsewhere"

    def _note(self, api_request: ApiRequest, api_response: ApiResponse, arrived: float) -> None:
        self.log.note(
            LoggedRequest(
                method=api_request.method,
                path=api_request.path,
                query=dict(api_request.query),
                status=api_response.status,
                owner=api_request.owner,
                points=api_response.points,
                nodes=api_response.nodes,
                bytes=len(api_response.body),
                arrived=arrived,
                seconds=time.monotonic() - arrived,
            )
        )


@contextmanager
def serve(
    world: World | None = None,
    *,
    latency_ms: float = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    enterprise: bool = False,
    tokens: dict[str, str] | None = None,
) -> Iterator[Sandbox]:
    """Run a sandbox GitHub in a thread while the block lasts; port 0 takes a free one."""
    listener = open_listener(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}" + (ENTERPRISE_REST if enterprise else "")
    sandbox = Sandbox(world or World(), url, latency_ms, enterprise, tokens)
    server = ThreadedServer(uvicorn_config(sandbox), listener)
    server.start()
    try:
        yield sandbox
    finally:
        server.stop()


def open_listener(host: str, port: int) -> socket.socket:
    """Open the port. Without its protocol named, asyncio leaves Nagle on and each response is 40 ms late."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def uvicorn_config(sandbox: Sandbox) -> uvicorn.Config:
    """Configure uvicorn to leave the Date and Server headers to the world's clock."""
    return uvicorn.Config(
        sandbox.app(), log_config=None, access_log=False, date_header=False, server_header=False, lifespan="off"
    )


def _http_response(request: Request, api_response: ApiResponse) -> Response:
    body, headers = api_response.body, dict(api_response.headers)
    if len(body) > MIN_COMPRESS_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=1)
        headers["content-encoding"] = "gzip"
    if api_response.content_type:
        headers["content-type"] = api_response.content_type
    if api_response.hang_up:
        headers["content-length"] = str(len(body) + 1)
    return Response(body, api_response.status, headers)
