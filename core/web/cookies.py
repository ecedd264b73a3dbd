"""The three HttpOnly cookies: access token, refresh token and sign-in nonce.

Starlette's `set_cookie` needs a response object; middleware here adds the lines to responses of other apps.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import cookie_parser
from starlette.types import Scope

from core.settings import Settings

if TYPE_CHECKING:
    from core.auth.sessions import SessionTokens

NONCE_PATTERN = re.compile(r"[\w-]{43}", re.ASCII)


@dataclass(frozen=True)
class CookieNames:
    """Names of the cookies; browsers reject `__Host-` cookies set by a subdomain or over http."""

    access: str
    refresh: str
    nonce: str

    def is_any_in(self, cookies: Mapping[str, str]) -> bool:
        return any(name in cookies for name in (self.access, self.refresh, self.nonce))


def cookie_names(settings: Settings) -> CookieNames:
    prefix = "__Host-" if settings.is_secure else ""
    return CookieNames(f"{prefix}almanac_access", f"{prefix}almanac_refresh", f"{prefix}almanac_nonce")


def request_cookies(scope: Scope) -> dict[str, str]:
    """Return the cookies of a request by name."""
    header = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"cookie")
    return cookie_parser(header)


def new_nonce() -> str:
    """Return 256 random bits that bind a sign-in to the browser where it started."""
    return secrets.token_urlsafe(32)


def is_nonce(value: str | None) -> bool:
    return value is not None and NONCE_PATTERN.fullmatch(value) is not None


class CookieWriter:
    """Builds `Set-Cookie` values according to the settings."""

    def __init__(self, settings: Settings) -> None:
        self.names = cookie_names(settings)
        self.flags = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if settings.is_secure else "")

    def tokens(self, tokens: "SessionTokens") -> list[str]:
        """Set the session's cookies; each expires with its token."""
        return [
            self._set_cookie_value(self.names.access, tokens.access, tokens.expires_in),
            self._set_cookie_value(self.names.refresh, tokens.refresh, tokens.refresh_expires_in),
        ]

    def nonce(self) -> list[str]:
        """Set a new nonce until the browser is closed."""
        return [self._set_cookie_value(self.names.nonce, new_nonce())]

    def clearing_cookies(self) -> list[str]:
        """Delete the session's cookies."""
        return [self._set_cookie_value(name, "", 0) for name in (self.names.access, self.names.refresh)]

    def _set_cookie_value(self, name: str, value: str, seconds: float | None = None) -> str:
        max_age = "" if seconds is None else f"; Max-Age={int(seconds)}"
        return f"{name}={value}{max_age}{self.flags}"


def with_replaced_cookies(scope: Scope, changes: Mapping[str, str]) -> Scope:
    """Return the request's scope with changed cookies; an empty value removes one."""
    header = "; ".join(f"{name}={value}" for name, value in {**request_cookies(scope), **changes}.items() if value)
    others = [pair for pair in scope["headers"] if pair[0].lower() != b"cookie"]
    return {**scope, "headers": [*others, (b"cookie", header.encode("latin-1"))] if header else others}
