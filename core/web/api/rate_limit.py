"""Count API requests per person and send the X-RateLimit headers.

The `limits` library counts; its Starlette integration (slowapi) limits per route, not per signed-in person.
"""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.auth.identity import Identity
from core.ratelimit import limiter
from core.ratelimit.limiter import LimitState
from core.web.middleware.error_responses import limit_headers

LIMITED_PATH = "/v1/"


class RateLimit:
    """Count requests under `/v1/` per person, or per client network if not signed in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or LIMITED_PATH not in scope["path"]:
            await self.app(scope, receive, send)
            return
        state = await run_in_threadpool(limiter.check, "api", rate_limit_key(scope))
        await self.app(scope, receive, _with_limit_headers(send, state))


def rate_limit_key(scope: Scope) -> str:
    """Return the key under which a request is counted."""
    state = scope.get("state", {})
    identity = state.get("identity")
    if isinstance(identity, Identity):
        return str(identity.person_id)
    origin = state.get("origin")
    return f"address {limiter.client_network(origin.address if origin else None)}"


def _with_limit_headers(send: Send, state: LimitState) -> Send:
    async def send_with_state(message: Message) -> None:
        if message["type"] == "http.response.start" and state.is_limited:
            headers = MutableHeaders(scope=message)
            for name, value in limit_headers(state.amount, state.remaining, state.resets_at).items():
                # The last allowed request succeeds: nothing to retry.
                if name != "retry-after":
                    headers.setdefault(name, value)
        await send(message)

    return send_with_state
