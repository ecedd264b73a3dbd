"""Count API requests per person and send the X-RateLimit headers.

The `limits` library counts; its Starlette integration (slowapi) limits per route, not per signed-in person.
"""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.auth.identity import Identity
from core.errors import RateLimitExceeded
from core.ratelimit import limiter
from core.ratelimit.limiter import LimitState
from core.web.middleware.error_responses import logged_error_response, state_headers

LIMITED_PATH = "/v1/"


class RateLimit:
    """Count requests under `/v1/` per person, or per client network if not signed in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or LIMITED_PATH not in scope["path"]:
            await self.app(scope, receive, send)
            return
        try:
            state = await run_in_threadpool(limiter.check, "api", rate_limit_key(scope))
        except RateLimitExceeded as exceeded:
            await logged_error_response(exceeded, scope["path"])(scope, receive, send)
        else:
            await self.app(scope, receive, _with_limit_headers(send, state))


def rate_limit_key(scope: Scope) -> str:
    """Return who is counted for a request."""
    state = scope.get("state", {})
    identity = state.get("identity")
    if isinstance(identity, Identity):
        return str(identity.person_id)
    origin = state.get("origin")
    return limiter.anonymous_client(origin.address if origin else None)


def _with_limit_headers(send: Send, state: LimitState) -> Send:
    async def send_with_state(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # A refusal by another limit, such as that of exports, has its own.
            for name, value in state_headers(state).items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_state
