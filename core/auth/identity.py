"""Who is asking, once that is known, and what they may."""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from core.errors import Forbidden, NotSignedIn

Role = Literal["analyst", "admin"]


@dataclass(frozen=True)
class Identity:
    """A person, signed in by a session or by an API key; role and preferences are those of the person's row."""

    person_id: int
    username: str
    role: Role
    display_name: str | None = None
    session_id: UUID | None = None
    api_key_id: int | None = None
    preferences: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


@dataclass(frozen=True)
class Origin:
    """Where a request comes from, for the audit trail: the address as trusted proxies tell it."""

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


def require_role(identity: Identity | None, role: Role = "analyst") -> Identity:
    """The person who asks. Raises NotSignedIn where there is none, Forbidden where an admin is needed."""
    if identity is None:
        raise NotSignedIn("Sign in first")
    if role == "admin" and not identity.is_admin:
        raise Forbidden("This is for admins")
    return identity
