"""`/auth`: sign in for programs. Tokens come in the answer; no cookie is set."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.auth import sessions, sign_in, signing_key, tokens
from core.auth.identity import Identity, Origin
from core.errors import NotSignedIn
from core.web.api.errors import error_responses

router = APIRouter(tags=["auth"], prefix="/auth")
NO_AUTHENTICATION: dict[str, Any] = {"security": []}


class StrictBody(BaseModel):
    """What comes from outside: nothing in it is ignored in silence."""

    model_config = ConfigDict(extra="forbid")


class RegisterBody(StrictBody):
    """A new person."""

    username: str = Field(examples=["ada"])
    password: str = Field(description="8 to 128 characters, with a capital and a digit.", examples=["Analytical1"])
    email: str | None = Field(None, examples=["ada@example.org"])
    display_name: str | None = Field(None, examples=["Ada Lovelace"])
    invite: str | None = Field(None, description="The word of an invitation, where registration needs one.")


class LoginBody(StrictBody):
    """Name and password."""

    username: str = Field(examples=["ada"])
    password: str = Field(examples=["Analytical1"])


class RefreshBody(StrictBody):
    """What the last answer gave."""

    refresh_token: str


class LogoutBody(StrictBody):
    """Whose session ends, where no access token says it."""

    refresh_token: str | None = None


class TokenResponse(BaseModel):
    """A session."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    refresh_token: str = Field(description="Gets the next pair, once; then it is replaced.")
    expires_in: int = Field(description="Seconds that the access token is good.", examples=[1800])
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - its kind, not itself


def _token_response(response: Response, given: sessions.SessionTokens) -> TokenResponse:
    response.headers["cache-control"] = "no-store"
    return TokenResponse(access_token=given.access, refresh_token=given.refresh, expires_in=given.expires_in)


def request_origin(request: Request) -> Origin:
    found = getattr(request.state, "origin", None)
    return found if isinstance(found, Origin) else Origin()


@router.post(
    "/register",
    operation_id="register",
    summary="Become an analyst, where registration is open.",
    status_code=201,
    responses=error_responses(403, 409, 413),
    openapi_extra=NO_AUTHENTICATION,
)
def register(wanted: RegisterBody, request: Request, response: Response) -> TokenResponse:
    origin = request_origin(request)
    person = sign_in.register(
        wanted.username, wanted.password, wanted.email, wanted.display_name, origin, wanted.invite
    )
    return _token_response(response, sessions.start(person.id, origin))


@router.post(
    "/login",
    operation_id="login",
    summary="Sign in.",
    responses=error_responses(403, 413),
    openapi_extra=NO_AUTHENTICATION,
)
def login(wanted: LoginBody, request: Request, response: Response) -> TokenResponse:
    origin = request_origin(request)
    person = sign_in.sign_in(wanted.username, wanted.password, origin)
    return _token_response(response, sessions.start(person.id, origin))


@router.post(
    "/refresh",
    operation_id="refresh",
    summary="Get the next pair of tokens.",
    responses=error_responses(403, 413),
    openapi_extra=NO_AUTHENTICATION,
)
def refresh(wanted: RefreshBody, request: Request, response: Response) -> TokenResponse:
    return _token_response(response, sessions.refresh(wanted.refresh_token, request_origin(request)))


@router.post(
    "/logout",
    operation_id="logout",
    summary="End the session of the access token that is sent, or of the refresh token in the body.",
    status_code=204,
    responses=error_responses(403, 413),
)
def logout(request: Request, given: Annotated[LogoutBody | None, Body()] = None) -> Response:
    if given and given.refresh_token is not None:
        session_id = tokens.decode_refresh_token(signing_key.secret_key(), given.refresh_token)[0]
    else:
        identity = getattr(request.state, "identity", None)
        if not isinstance(identity, Identity) or identity.session_id is None:
            raise NotSignedIn("Send the access token, or the refresh token in the body, of the session to end")
        session_id = identity.session_id
    sessions.revoke(session_id, "sign_out", origin=request_origin(request))
    return Response(status_code=204)
