"""The middleware of the web process, outermost first: each relies on those before it."""

from collections.abc import Callable
from pathlib import Path

from starlette.middleware import Middleware

from core.settings import Settings
from core.web.cookies import cookie_names
from core.web.middleware.authentication import Authentication
from core.web.middleware.client_address import ClientAddress
from core.web.middleware.cross_origin import CrossOrigin, cross_origins
from core.web.middleware.csrf import CsrfProtection, allowed_origins
from core.web.middleware.error_responses import ErrorResponses
from core.web.middleware.http_metrics import HttpMetrics, RouteLabel
from core.web.middleware.index_html import IndexHtml
from core.web.middleware.request_ids import RequestIds
from core.web.middleware.security_headers import SecurityHeaders, content_security_policy
from core.web.middleware.static_compression import StaticCompression
from core.web.middleware.trusted_hosts import TrustedHosts, allowed_hosts
from core.web.middleware.upload_bounds import UploadBounds
from core.web.middleware.websocket_bounds import PageMessage, WebsocketBounds


def middleware(settings: Settings, frontend: Path, read_message: Callable[[bytes], PageMessage]) -> list[Middleware]:
    """Return the middleware.

    frontend      the folder of Streamlit's index.html and static files
    read_message  returns what a websocket's message asks for; raises ValueError for what no page of ours sends
    """
    policy = content_security_policy((frontend / "index.html").read_text(encoding="utf-8"))
    return [
        Middleware(HttpMetrics),
        Middleware(RequestIds),
        Middleware(CrossOrigin, origins=cross_origins(settings)),
        Middleware(SecurityHeaders, policy=policy, is_secure=settings.is_secure),
        Middleware(ErrorResponses),
        Middleware(ClientAddress, trusted=settings.trusted_proxies),
        Middleware(TrustedHosts, hosts=allowed_hosts(settings)),
        Middleware(CsrfProtection, origins=allowed_origins(settings), names=cookie_names(settings)),
        Middleware(StaticCompression, folder=frontend / "static", cache_folder=settings.data_dir / "static"),
        Middleware(IndexHtml, index=frontend / "index.html"),
        Middleware(Authentication, settings=settings),
        Middleware(WebsocketBounds, read_message=read_message),
        Middleware(UploadBounds),
        Middleware(RouteLabel),
    ]
