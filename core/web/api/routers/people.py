"""API route of the signed-in person and their remaining quota: `/people/me`."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from core.auth.identity import Identity
from core.ratelimit import limiter
from core.web.api.conditional import SignedInIdentity
from core.web.api.errors import error_responses

router = APIRouter(tags=["people"])


class RemainingLimit(BaseModel):
    """Remaining quota of one rate limit; amount and remaining are null if the limit is switched off."""

    amount: int | None
    remaining: int | None
    resets_at: datetime | None = Field(description="When the whole quota is available again.")
    window_seconds: int


class Me(BaseModel):
    """The signed-in person."""

    username: str = Field(examples=["ada"])
    display_name: str | None
    role: Literal["analyst", "admin"]
    signed_in_by: Literal["session", "api_key"]
    preferences: dict[str, Any]
    limits: dict[str, RemainingLimit]


@router.get(
    "/people/me",
    operation_id="get_me",
    summary="Get the signed-in person and their remaining quota.",
    responses=error_responses(),
)
def me(identity: SignedInIdentity, response: Response) -> Me:
    response.headers["cache-control"] = "no-store"
    return Me(
        username=identity.username,
        display_name=identity.display_name,
        role=identity.role,
        signed_in_by="session" if identity.api_key_id is None else "api_key",
        preferences=identity.preferences,
        limits={kind: _remaining_limit(kind, identity) for kind in limiter.PERSONAL_LIMITS},
    )


def _remaining_limit(kind: limiter.LimitKind, identity: Identity) -> RemainingLimit:
    state = limiter.peek(kind, str(identity.person_id))
    if not state.is_limited:
        return RemainingLimit(amount=None, remaining=None, resets_at=None, window_seconds=0)
    return RemainingLimit(
        amount=state.amount,
        remaining=state.remaining,
        resets_at=state.resets_at,
        window_seconds=state.window_seconds,
    )
