"""Credentials: tokens, anonymous, or a GitHub App. A secret leaves its credential only as an Authorization header."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Protocol

import structlog

from ingest.github.errors import BadCredentials, GitHubError, PermissionDenied
from ingest.github.http.etag_cache import REFUSAL_TTL_SECONDS, ResponseCache

log = structlog.get_logger()
ANONYMOUS = "anonymous"


class Credential(Protocol):
    """The interface of a credential. A GitHub App's tokens change hourly; its fingerprint does not."""

    @property
    def fingerprint(self) -> str:
        """Identify the credential without revealing its secret."""

    @property
    def name(self) -> str:
        """Name the credential in messages."""

    def authorization(self) -> str | None:
        """Return the value of the Authorization header, None for anonymous requests."""


@dataclass(frozen=True)
class Token:
    """A personal access token; `position` is its position in the setting, from 1."""

    secret: str = field(repr=False)
    position: int = 1

    def __post_init__(self) -> None:
        if not self.secret or not self.secret.isascii() or not self.secret.isprintable() or " " in self.secret:
            raise BadCredentials(f"token {self.position}, which contains characters that no token has")

    @property
    def fingerprint(self) -> str:
        return sha256(b"almanac-token:" + self.secret.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        return f"token {self.position} (fingerprint {self.fingerprint})"

    def authorization(self) -> str | None:
        return f"Bearer {self.secret}"


@dataclass(frozen=True)
class Anonymous:
    """No token: 60 requests an hour per IP address, REST only.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """

    fingerprint: str = ANONYMOUS
    name: str = "the anonymous request"

    def authorization(self) -> str | None:
        return None


ANONYMOUS_CREDENTIAL = Anonymous()


def numbered_tokens(secrets: Sequence[str]) -> list[Token]:
    """Create tokens numbered by their position in the setting. Raises BadCredentials for a malformed one."""
    return [Token(secret, position) for position, secret in enumerate(secrets, start=1)]


class CredentialPool:
    """The credentials of this process: their owners, which are rejected, and which account each one fetches.

    All tokens of one owner share one rate budget, so accounts are spread over owners, not over tokens. An owner is
    identified by the token's fingerprint until GitHub has reported the login.
    """

    def __init__(
        self, credentials: Iterable[Credential] = (), *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        unique = {credential.fingerprint: credential for credential in credentials}
        self._credentials: dict[str, Credential] = unique or {ANONYMOUS: ANONYMOUS_CREDENTIAL}
        self._owners: dict[str, str] = {}
        self._monotonic = monotonic
        self._rejected_until: dict[str, float] = {}
        self._lock = Lock()
        self.denials = ResponseCache(None, "")
        """Which credentials were denied access to which accounts in the last day, and which rights of their own."""
        self.on_rejection: Callable[[Credential, str, datetime | None], None] = lambda *_: None
        self.on_expiry: Callable[[Token, datetime], None] = lambda *_: None

    @classmethod
    def from_secrets(cls, secrets: Sequence[str]) -> "CredentialPool":
        """Create a pool of tokens, or without any an anonymous one. Raises BadCredentials for a malformed token."""
        return cls(numbered_tokens(secrets))

    @property
    def is_anonymous(self) -> bool:
        return list(self._credentials) == [ANONYMOUS]

    @property
    def credentials(self) -> list[Credential]:
        return list(self._credentials.values())

    def owner(self, credential: Credential) -> str:
        with self._lock:
            return self._owners.get(credential.fingerprint, credential.fingerprint)

    def learn_owner(self, fingerprint: str, owner: str) -> bool:
        """Store the owner of a token; True if that is new."""
        with self._lock:
            is_new = self._owners.get(fingerprint) != owner
            self._owners[fingerprint] = owner
            return is_new

    def reject(self, credential: Credential, reason: str = "", at: datetime | None = None) -> None:
        """Exclude a credential that GitHub rejected (401) for a day, and report it to `on_rejection`.

        Then it is tried again, and reported again if it is still wrong: what was reported lasts a day, too.
        """
        with self._lock:
            self._rejected_until[credential.fingerprint] = self._monotonic() + REFUSAL_TTL_SECONDS
        if credential.fingerprint in self._credentials:
            self.on_rejection(credential, reason, at)

    def learn_expiry(self, credential: Credential, expires_at: datetime) -> None:
        """Report when a token expires to `on_expiry`; a GitHub App's are renewed every hour and do not count."""
        if isinstance(credential, Token):
            self.on_expiry(credential, expires_at)

    def is_rejected(self, credential: Credential) -> bool:
        with self._lock:
            return self._monotonic() < self._rejected_until.get(credential.fingerprint, 0.0)

    def choose(
        self,
        login: str,
        pinned: str | None = None,
        exclude: Iterable[str] = (),
        *,
        scope: str = "",
        may_be_anonymous: bool = True,
    ) -> Credential | None:
        """Choose the credential that fetches *login*; None when all are rejected, excluded or were denied access to it.

        It is the one with the fingerprint *pinned*, else one of the same owner each time (rendezvous hashing, so that
        an added or removed token moves as few accounts as possible). Where a token was denied access in the last day,
        to all of the account or to *scope*, the last resort is an anonymous request.
        """
        excluded = set(exclude)
        usable = [one for one in self.credentials if one.fingerprint not in excluded and not self.is_rejected(one)]
        for credential in self._by_preference(usable, login, pinned):
            if not self.denial(credential, login, scope):
                return credential
        is_last_resort = may_be_anonymous and not self.is_anonymous and ANONYMOUS not in excluded
        if is_last_resort and any(self.denial(one, login, scope) for one in self.credentials):
            is_usable = not self.is_rejected(ANONYMOUS_CREDENTIAL) and not self.denial(
                ANONYMOUS_CREDENTIAL, login, scope
            )
            return ANONYMOUS_CREDENTIAL if is_usable else None
        return None

    def _by_preference(self, usable: Sequence[Credential], login: str, pinned: str | None) -> Iterator[Credential]:
        yield from (one for one in usable if one.fingerprint == pinned)
        others = [one for one in usable if one.fingerprint != pinned]

        def weight(credential: Credential) -> bytes:
            return sha256(f"{self.owner(credential)}|{login.lower()}".encode()).digest()

        # Both sorts are stable: the owner first, then the fingerprint.
        yield from sorted(sorted(others, key=lambda one: one.fingerprint), key=weight, reverse=True)

    def denial(self, credential: Credential, login: str, scope: str = "") -> str | None:
        """Return GitHub's reason why it denied *credential* access to *login*, or to its *scope*, in the last day."""
        found = self.denials.denial(credential.fingerprint, login)
        return found or (self.denials.denial(credential.fingerprint, login, scope) if scope else None)

    def deny(self, credential: Credential, login: str, reason: str, scope: str = "") -> None:
        """Pass over a credential for *login*, or for its *scope*, for a day: each denial is charged."""
        self.denials.store_denial(credential.fingerprint, login, reason, scope)
        log.warning("GitHub denies a credential access", login=login, credential=credential.name, reason=reason)

    def grant(self, credential: Credential, login: str, scope: str) -> None:
        """Remember which credential has the right to see *scope* of *login*."""
        if self.granted(login, scope) != credential.fingerprint:
            self.denials.store_grant(credential.fingerprint, login, scope)

    def granted(self, login: str, scope: str) -> str | None:
        """Return the fingerprint of the credential that has the right to see *scope* of *login*, if one is known."""
        return self.denials.grant(login, scope)

    def unusable_error(self, login: str, scope: str = "") -> GitHubError:
        """Return why `choose` finds no credential for *login*: GitHub denied them access, or rejected them."""
        reasons = (self.denial(one, login, scope) for one in (*self.credentials, ANONYMOUS_CREDENTIAL))
        if reason := next((reason for reason in reasons if reason), None):
            return PermissionDenied(login, f"{reason} (no credential was granted access in the last day)")
        return BadCredentials("every configured token")
