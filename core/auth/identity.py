"""The authenticated person, the origin of a request, and the role check."""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from core.errors import Forbidden, NotSignedIn

Role = Literal["analyst", "admin"]


@dataclass(frozen=True)
class Identity:
    """A person authenticated by a session or an API key; role and preferences come from the person's row."""

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
    """Where a request comes from, for the audit trail; the IP address is the one that trusted proxies reported."""

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


def require_role(identity: Identity | None, role: Role = "analyst") -> Identity:
    """Return *identity*. Raises NotSignedIn if it is None, Forbidden if *role* is admin and the person is not."""
    if identity is None:
        raise NotSignedIn("Sign in first")
    if role == "admin" and not identity.is_admin:
        raise Forbidden("Only admins may do this")
    return identity
