"""Credentials: tokens, anonymous, or a GitHub App. A secret leaves its credential only as an Authorization header."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Protocol

from ingest.github.errors import BadCredentials

ANONYMOUS = "anonymous"


class Credential(Protocol):
    """What a request needs of a credential. A GitHub App's tokens change hourly; its fingerprint does not."""

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


def numbered_tokens(secrets: Sequence[str]) -> list[Token]:
    """Create tokens numbered by their position in the setting. Raises BadCredentials for a malformed one."""
    return [Token(secret, position) for position, secret in enumerate(secrets, start=1)]


class CredentialPool:
    """The credentials of this process: their owners, which are rejected, and which account each one fetches.

    All tokens of one owner share one rate budget, so accounts are spread over owners, not over tokens. An owner is
    identified by the token's fingerprint until GitHub has reported the login.
    """

    def __init__(self, credentials: Iterable[Credential] = ()) -> None:
        unique = {credential.fingerprint: credential for credential in credentials}
        self._credentials: dict[str, Credential] = unique or {ANONYMOUS: Anonymous()}
        self._owners: dict[str, str] = {}
        self._refused: set[str] = set()
        self._lock = Lock()
        self.on_refusal: Callable[[Credential, str, datetime | None], None] = lambda *_: None

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

    def refuse(self, credential: Credential, reason: str = "", at: datetime | None = None) -> None:
        """Exclude a credential that GitHub rejected (401) from now on, and report it to `on_refusal`."""
        with self._lock:
            self._refused.add(credential.fingerprint)
        self.on_refusal(credential, reason, at)

    def refused(self, credential: Credential) -> bool:
        with self._lock:
            return credential.fingerprint in self._refused

    def choose(self, login: str, pinned: str | None = None, exclude: Iterable[str] = ()) -> Credential | None:
        """Choose the credential that fetches *login*; None when all are rejected or excluded.

        It is the one with the fingerprint *pinned*, else one of the same owner each time (rendezvous hashing, so that
        an added or removed token moves as few accounts as possible).
        """
        excluded = set(exclude)
        usable = {c.fingerprint: c for c in self.credentials if not self.refused(c) and c.fingerprint not in excluded}
        if pinned in usable:
            return usable[pinned]
        owners: dict[str, list[Credential]] = {}
        for credential in usable.values():
            owners.setdefault(self.owner(credential), []).append(credential)
        if not owners:
            return None
        owner = max(owners, key=lambda name: sha256(f"{name}|{login.lower()}".encode()).digest())
        return min(owners[owner], key=lambda credential: credential.fingerprint)

    def require(self, login: str, pinned: str | None = None) -> Credential:
        """Choose the credential that fetches *login*. Raises BadCredentials when all are rejected."""
        credential = self.choose(login, pinned)
        if credential is None:
            raise BadCredentials("every configured token")
        return credential
