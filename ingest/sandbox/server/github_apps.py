"""GitHub Apps of the sandbox: signatures are verified, tokens expire after an hour."""

import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

import jwt

from ingest.sandbox.server.messages import DOCS, ApiResponse, error_response, not_found
from ingest.sandbox.world.clock import Clock, iso_timestamp

INSTALLATION_TOKEN_PATH = re.compile(r"/app/installations/(\d+)/access_tokens")
TOKEN_DOCS = f"{DOCS}/apps/apps#create-an-installation-access-token-for-an-app"
TOKEN_LIFETIME = timedelta(hours=1)
MAX_JWT_SECONDS = 600
EXPIRES_TOO_LATE = "'Expiration time' claim ('exp') is too far in the future"
ISSUED_IN_FUTURE = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"


@dataclass
class App:
    """An App, its installation, and the owner whose budget its tokens spend."""

    app_id: str
    public_key: str
    installation_id: str
    owner: str
    suspended: bool = False
    issued_tokens: list[str] = field(default_factory=list)


class AppRegistry:
    """Registers Apps and issues tokens to their installations, which `Limits.tokens` then accepts."""

    def __init__(self, clock: Clock, tokens: dict[str, str]) -> None:
        self._clock = clock
        self._tokens = tokens
        self._apps: dict[str, App] = {}
        self._good_until: dict[str, int] = {}

    def register(self, app_id: str, public_key: str, installation_id: str, owner: str) -> App:
        """Register an App by its public key (PEM); *owner* has the budget."""
        app = self._apps[installation_id] = App(app_id, public_key, installation_id, owner)
        return app

    def end(self, token: str | None) -> None:
        """Delete an expired token."""
        if token in self._good_until and self._good_until[token] <= self._clock.now():
            self.revoke(token)

    def revoke(self, token: str) -> None:
        """Revoke a token before it expires."""
        self._tokens.pop(token, None)
        self._good_until.pop(token, None)

    def uninstall(self, installation_id: str) -> None:
        for token in self._apps.pop(installation_id).issued_tokens:
            self.revoke(token)

    def issue_token(self, installation_id: str, signature: str | None) -> ApiResponse:
        app = self._apps.get(installation_id)
        if app is None:
            return not_found(TOKEN_DOCS)
        refused = self._signature_error(app, signature or "")
        if refused:
            return error_response(401, refused, TOKEN_DOCS)
        if app.suspended:
            return error_response(403, "This installation has been suspended", TOKEN_DOCS)
        token = f"ghs_{secrets.token_hex(18)}"
        until = self._clock.now() + int(TOKEN_LIFETIME.total_seconds())
        app.issued_tokens.append(token)
        self._tokens[token], self._good_until[token] = app.owner, until
        body = {"token": token, "expires_at": iso_timestamp(until), "permissions": {"metadata": "read"}}
        return ApiResponse.of(201, body | {"repository_selection": "all"})

    def _signature_error(self, app: App, signature: str) -> str | None:
        """Return why a signature is invalid, in GitHub's wording."""
        try:
            options = {"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]}
            claims = jwt.decode(signature, app.public_key, algorithms=["RS256"], options=options)  # type: ignore[arg-type]
        except jwt.PyJWTError:
            return "A JSON web token could not be decoded"
        now = self._clock.now()
        if claims["iss"] != app.app_id:
            return "Integration not found"
        if claims["iat"] > now:
            return ISSUED_IN_FUTURE
        if claims["exp"] <= now:
            return "'Expiration time' claim ('exp') must be a numeric value representing the future time"
        return EXPIRES_TOO_LATE if claims["exp"] > now + MAX_JWT_SECONDS else None
