"""The owner of a websocket, passed to Streamlit, which attaches a connection to an open page of the same owner only.

A browser whose connection broke names its open page in the handshake. That id is no credential, so the page is bound
to the session whose cookies the first handshake brought: our middleware sends the session's id in a header that
clients cannot set, and Streamlit compares it (`server.trustedUserHeaders` in app.py).
"""

import secrets
from dataclasses import dataclass
from uuid import UUID

from starlette.types import Scope

OWNER_HEADER = "x-auth-session"
PROTOCOL_HEADER = b"sec-websocket-protocol"
# `streamlit, the XSRF token, the id of the open page`
PAGE_ID_POSITION = 2


@dataclass(frozen=True)
class WebsocketOwner:
    """The session of a websocket, and its person; None where there is none, or where the servers cannot tell."""

    session_id: UUID | None = None
    person_id: int | None = None

    @property
    def is_signed_in(self) -> bool:
        return self.session_id is not None


def bind(scope: Scope, owner: WebsocketOwner) -> Scope:
    """Return the handshake's scope with its owner. Without a session, it is always a new page."""
    headers = list(scope["headers"])
    if not owner.is_signed_in:
        headers = [
            (name, without_page_id(value) if name.lower() == PROTOCOL_HEADER else value) for name, value in headers
        ]
    value = str(owner.session_id) if owner.session_id else secrets.token_hex(16)
    return {
        **scope,
        "headers": [*headers, (OWNER_HEADER.encode(), value.encode())],
        "state": {**scope["state"], "websocket_owner": owner},
    }


def without_page_id(value: bytes) -> bytes:
    return b",".join(value.split(b",")[:PAGE_ID_POSITION])
