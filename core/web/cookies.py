"""The three cookies: their names, how they are set and how they are taken back. Scripts cannot read them."""

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
    """What the cookies are called; `__Host-` keeps browsers from taking them from a subdomain or over http."""

    access: str
    refresh: str
    nonce: str

    def is_any_in(self, given: Mapping[str, str]) -> bool:
        return any(name in given for name in (self.access, self.refresh, self.nonce))


def cookie_names(settings: Settings) -> CookieNames:
    prefix = "__Host-" if settings.is_secure else ""
    return CookieNames(f"{prefix}almanac_access", f"{prefix}almanac_refresh", f"{prefix}almanac_nonce")


def request_cookies(scope: Scope) -> dict[str, str]:
    """The cookies that came with a request, by name."""
    together = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"cookie")
    return cookie_parser(together)


def new_nonce() -> str:
    """256 bits that bind a sign-in to the browser it was begun in."""
    return secrets.token_urlsafe(32)


def is_nonce(value: str | None) -> bool:
    return value is not None and NONCE_PATTERN.fullmatch(value) is not None


class CookieWriter:
    """Writes `Set-Cookie` lines for these settings."""

    def __init__(self, settings: Settings) -> None:
        self.names = cookie_names(settings)
        self.flags = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if settings.is_secure else "")

    def tokens(self, tokens: "SessionTokens") -> list[str]:
        """Keep a session: each cookie as long as its token is good."""
        return [
            self._set_cookie_value(self.names.access, tokens.access, tokens.expires_in),
            self._set_cookie_value(self.names.refresh, tokens.refresh, tokens.refresh_expires_in),
        ]

    def nonce(self) -> list[str]:
        """A new nonce, kept until the browser is closed."""
        return [self._set_cookie_value(self.names.nonce, new_nonce())]

    def clearing_cookies(self) -> list[str]:
        """Take the session's cookies back."""
        return [self._set_cookie_value(name, "", 0) for name in (self.names.access, self.names.refresh)]

    def _set_cookie_value(self, name: str, value: str, seconds: float | None = None) -> str:
        lasting = "" if seconds is None else f"; Max-Age={int(seconds)}"
        return f"{name}={value}{lasting}{self.flags}"


def with_replaced_cookies(scope: Scope, changes: Mapping[str, str]) -> Scope:
    """The same request as if it had come with the changed cookies."""
    together = "; ".join(f"{name}={value}" for name, value in {**request_cookies(scope), **changes}.items() if value)
    others = [pair for pair in scope["headers"] if pair[0].lower() != b"cookie"]
    return {**scope, "headers": [*others, (b"cookie", together.encode("latin-1"))] if together else others}
