"""API routes to register, sign in and sign out: tokens are in the response body, no cookie is set."""

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
    """A request body in which unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class RegisterBody(StrictBody):
    """The person to register."""

    username: str = Field(
        description="3 to 32 letters A to Z, digits, dots, hyphens and underscores; the first is a letter or a digit.",
        examples=["ada"],
    )
    password: str = Field(
        description="8 to 128 characters, with a capital letter and a digit.", examples=["Analytical1"]
    )
    email: str | None = Field(None, examples=["ada@example.org"])
    display_name: str | None = Field(None, examples=["Ada Lovelace"])
    invite: str | None = Field(None, description="Invitation token, required where registration is by invitation.")


class LoginBody(StrictBody):
    """Username or e-mail address, and password."""

    username: str = Field(description="The username or the e-mail address.", examples=["ada"])
    password: str = Field(examples=["Analytical1"])


class RefreshBody(StrictBody):
    """The newest refresh token."""

    refresh_token: str


class LogoutBody(StrictBody):
    """The session to end, if no access token is sent."""

    refresh_token: str | None = None


class TokenResponse(BaseModel):
    """Tokens of a session."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    refresh_token: str = Field(description="Exchange it for the next pair of tokens; each refresh replaces it.")
    expires_in: int = Field(description="Lifetime of the access token in seconds.", examples=[1800])
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the type, not a token


def _token_response(response: Response, session: sessions.SessionTokens) -> TokenResponse:
    response.headers["cache-control"] = "no-store"
    return TokenResponse(access_token=session.access, refresh_token=session.refresh, expires_in=session.expires_in)


def request_origin(request: Request) -> Origin:
    origin = getattr(request.state, "origin", None)
    return origin if isinstance(origin, Origin) else Origin()


@router.post(
    "/register",
    operation_id="register",
    summary="Register as an analyst, where registration is open or by invitation.",
    status_code=201,
    responses=error_responses(403, 409, 413),
    openapi_extra=NO_AUTHENTICATION,
)
def register(body: RegisterBody, request: Request, response: Response) -> TokenResponse:
    origin = request_origin(request)
    person = sign_in.register(body.username, body.password, body.email, body.display_name, origin, body.invite)
    return _token_response(response, sessions.start(person.id, origin))


@router.post(
    "/login",
    operation_id="login",
    summary="Sign in.",
    responses=error_responses(403, 413),
    openapi_extra=NO_AUTHENTICATION,
)
def login(body: LoginBody, request: Request, response: Response) -> TokenResponse:
    origin = request_origin(request)
    person = sign_in.sign_in(body.username, body.password, origin)
    return _token_response(response, sessions.start(person.id, origin))


@router.post(
    "/refresh",
    operation_id="refresh",
    summary="Exchange a refresh token for the next pair of tokens.",
    responses=error_responses(403, 413),
    openapi_extra=NO_AUTHENTICATION,
)
def refresh(body: RefreshBody, request: Request, response: Response) -> TokenResponse:
    return _token_response(response, sessions.refresh(body.refresh_token, request_origin(request)))


@router.post(
    "/logout",
    operation_id="logout",
    summary="End the session of the sent access token, or of the refresh token in the body.",
    status_code=204,
    responses=error_responses(403, 413),
)
def logout(request: Request, body: Annotated[LogoutBody | None, Body()] = None) -> Response:
    if body and body.refresh_token is not None:
        session_id = tokens.decode_refresh_token(signing_key.secret_key(), body.refresh_token)[0]
    else:
        identity = getattr(request.state, "identity", None)
        if not isinstance(identity, Identity) or identity.session_id is None:
            raise NotSignedIn("Send the access token of the session to end, or its refresh token in the body")
        session_id = identity.session_id
    sessions.revoke(session_id, "sign_out", origin=request_origin(request))
    return Response(status_code=204)
