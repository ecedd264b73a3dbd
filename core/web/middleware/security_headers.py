"""Security headers on every response, and blocking of Streamlit's agent API.

The library `secure` does not compute a content security policy from the inline scripts of a page.
"""

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.middleware.error_responses import error_response

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
BLOCKED_PREFIX = "/_stcore/agent"
# Streamlit allows other sites to read its static files; we allow no CORS.
CORS_HEADERS = ("access-control-allow-origin", "access-control-allow-credentials")
A_YEAR_SECONDS = 365 * 24 * 3600


def content_security_policy(index_html: str) -> str:
    """Return the policy for Streamlit's page: same origin only, no eval, only its own inline scripts.

    Components load from `blob:` URLs, and Arrow decodes tables in WebAssembly.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in INLINE_SCRIPT.findall(index_html))
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'wasm-unsafe-eval' blob: {hashes}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "worker-src 'self'",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


class SecurityHeaders:
    """Set security headers on every HTTP response; 404 for Streamlit's agent API."""

    def __init__(self, app: ASGIApp, policy: str, is_secure: bool = False) -> None:
        self.app = app
        self.headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
        }
        if is_secure:
            self.headers["strict-transport-security"] = f"max-age={A_YEAR_SECONDS}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                for name in CORS_HEADERS:
                    del headers[name]
            await send(message)

        if f"{scope['path']}/".startswith(f"{BLOCKED_PREFIX}/"):
            await error_response(404, "not_found", "There is nothing here.")(scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)
