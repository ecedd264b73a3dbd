"""Serve Streamlit's index.html with our title, icon and preloaded font, compressed; below a page redirect to it."""

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.middleware.authentication import is_page_request
from core.web.middleware.static_compression import add_vary_header, negotiate_encoding
from core.web.route_access import Access, route_access

FONT = "/app/static/inter-latin-wght-normal.woff2"
ICON = "/app/static/favicon.svg"
REPLACEMENTS: Mapping[str, str] = {
    # 171 kB of a font that no page uses; preload ours instead.
    r'(?<=href=")[^"]+\.woff2(?=")': FONT,
    r'(?<=rel="shortcut icon" href=")[^"]+(?=")': ICON,
    r"(?<=<title>)[^<]*(?=</title>)": "Almanac",
    # The agent API is disabled.
    r'<!--(?:(?!-->).)*agent API(?:(?!-->).)*-->\s*<link rel="service-desc"[^>]*>\s*': "",
    # Until the theme is loaded Streamlit uses Source Sans; the last @font-face of a name wins.
    r"(?=</head>)": f'<style>@font-face{{font-family:"Source Sans";font-weight:100 900;src:url({FONT})}}</style>',
    r"(?<=<noscript>).*?(?=</noscript>)": "<p>Almanac needs JavaScript.</p>",
}


SUBJECTS = {"account": "login", "repository": "name"}
"""Pages below whose path their subject may be named, and its parameter."""


def customized(html: str) -> str:
    """Return Streamlit's page with our replacements; patterns that a new Streamlit lacks are skipped."""
    for pattern, new in REPLACEMENTS.items():
        html = re.sub(pattern, new, html, count=1, flags=re.DOTALL)
    return html


def page_url(path: str, query: str) -> str:
    """Return the URL of the page that *path* belongs to: `/account?login=octocat` for `/account/octocat`.

    Streamlit's page names its files relative to its URL: from any other path it would stay blank.
    """
    page, _, below = path.strip("/").partition("/")
    subject = SUBJECTS.get(page)
    if subject and below and subject not in parse_qs(query, keep_blank_values=True):
        query = f"{subject}={quote(below)}&{query}".removesuffix("&")
    return f"/{quote(page, safe='')}" + (f"?{query}" if query else "")


class IndexHtml:
    """Replace Streamlit's *index* in responses by the customized page, compressed."""

    def __init__(self, app: ASGIApp, index: Path) -> None:
        self.app = app
        self.original = index.read_bytes()
        plain = customized(self.original.decode("utf-8")).encode("utf-8")
        self.bodies = {"gzip": gzip.compress(plain, mtime=0), "": plain}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_access(scope["method"], scope["path"]) is not Access.PAGE:
            await self.app(scope, receive, send)
            return
        if is_page_request(scope) and "/" in scope["path"].removeprefix("/"):
            query = scope.get("query_string", b"").decode("latin-1")
            await RedirectResponse(page_url(scope["path"], query))(scope, receive, send)
            return
        # Keep Streamlit from compressing each response again.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, self._replace_body(scope, send))

    def _replace_body(self, scope: Scope, send: Send) -> Send:
        start: Message | None = None
        body = b""

        async def replacing(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and self._may_be_index(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    await self._send(scope, send, start, body)

        return replacing

    def _may_be_index(self, start: Message) -> bool:
        headers = Headers(raw=start["headers"])
        is_page = start["status"] == 200 and headers.get("content-type", "").startswith("text/html")
        return is_page and headers.get("content-length") == str(len(self.original))

    async def _send(self, scope: Scope, send: Send, start: Message, body: bytes) -> None:
        if body == self.original or scope["method"] == "HEAD":
            accepted = ", ".join(Headers(scope=scope).getlist("accept-encoding"))
            encoding = negotiate_encoding(accepted, ("gzip",)) or ""
            prepared = self._prepare_body(start, encoding)
            body = prepared if scope["method"] == "GET" else b""
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def _prepare_body(self, start: Message, encoding: str) -> bytes:
        headers = MutableHeaders(scope=start)
        for name in ("etag", "last-modified", "accept-ranges"):  # those of the original page
            del headers[name]
        headers["content-length"] = str(len(self.bodies[encoding]))
        add_vary_header(headers)
        if encoding:
            headers["content-encoding"] = encoding
        return self.bodies[encoding]
