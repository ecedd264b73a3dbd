"""Who we are to GitHub: tokens, nobody, or a GitHub App. A token never leaves its credential but as a header."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Protocol

from ingest.github.errors import BadCredentials

ANONYMOUS = "anonymous"


class Credential(Protocol):
    """What a request needs of an identity. A GitHub App's tokens change hourly; its fingerprint does not."""

    @property
    def fingerprint(self) -> str:
        """Tells credentials apart without telling the secret."""

    @property
    def name(self) -> str:
        """How a sentence calls it."""

    def authorization(self) -> str | None:
        """The Authorization header, None for nobody."""


@dataclass(frozen=True)
class Token:
    """A personal access token; `position` is its place in the setting, from 1."""

    secret: str = field(repr=False)
    position: int = 1

    def __post_init__(self) -> None:
        if not self.secret or not self.secret.isascii() or not self.secret.isprintable() or " " in self.secret:
            raise BadCredentials(f"token {self.position}, which holds characters that no token has")

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
    """Nobody: 60 requests an hour, REST only."""

    fingerprint: str = ANONYMOUS
    name: str = "the anonymous request"

    def authorization(self) -> str | None:
        return None


def numbered_tokens(secrets: Sequence[str]) -> list[Token]:
    """Number tokens by their place in the setting. Raises BadCredentials for what cannot be a token."""
    return [Token(secret, position) for position, secret in enumerate(secrets, start=1)]


class CredentialPool:
    """The credentials of this process: who owns them, which still work, and whose turn it is.

    All tokens of one owner share one budget, so accounts are spread over owners, not over tokens. An owner is
    known by fingerprint until GitHub has told the login.
    """

    def __init__(self, credentials: Iterable[Credential] = ()) -> None:
        unique = {credential.fingerprint: credential for credential in credentials}
        self._credentials: dict[str, Credential] = unique or {ANONYMOUS: Anonymous()}
        self._owners: dict[str, str] = {}
        self._refused: set[str] = set()
        self._lock = Lock()
        self.on_refusal: Callable[[Credential, str, datetime | None], None] = lambda *_told: None

    @classmethod
    def from_secrets(cls, secrets: Sequence[str]) -> "CredentialPool":
        """Make a pool of tokens, an anonymous one of none. Raises BadCredentials for what cannot be a token."""
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
        """Remember whose token this is; True when that was new."""
        with self._lock:
            is_new = self._owners.get(fingerprint) != owner
            self._owners[fingerprint] = owner
            return is_new

    def refuse(self, credential: Credential, why: str = "", at: datetime | None = None) -> None:
        """GitHub said 401: leave this one out from now on, and tell whoever wants to know."""
        with self._lock:
            self._refused.add(credential.fingerprint)
        self.on_refusal(credential, why, at)

    def refused(self, credential: Credential) -> bool:
        with self._lock:
            return credential.fingerprint in self._refused

    def choose(self, login: str, pinned: str | None = None, avoid: Iterable[str] = ()) -> Credential | None:
        """Choose who asks for *login*: the one it is pinned to, else always the same owner. None when none is left."""
        left = {c.fingerprint: c for c in self.credentials if not self.refused(c) and c.fingerprint not in set(avoid)}
        if pinned in left:
            return left[pinned]
        owners: dict[str, list[Credential]] = {}
        for credential in left.values():
            owners.setdefault(self.owner(credential), []).append(credential)
        if not owners:
            return None
        owner = max(owners, key=lambda name: sha256(f"{name}|{login.lower()}".encode()).digest())
        return min(owners[owner], key=lambda credential: credential.fingerprint)
