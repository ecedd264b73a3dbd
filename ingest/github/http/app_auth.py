"""Authentication as a GitHub App: a signed JWT obtains installation tokens that are valid for an hour.

The App and its installation are two credentials: the App's is used only to request a token of the installation. The
transport sends that request, so that it passes the rate gate like all others.
Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from datetime import datetime, timedelta
from hashlib import sha256
from threading import Lock
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ingest.github.api.models import PARSE_ERRORS, TIMESTAMP_ADAPTER
from ingest.github.errors import BadCredentials, InvalidResponse
from ingest.github.http.rate_gate import Clock
from ingest.github.http.responses import Response, read_json

# A JWT may be valid for at most ten minutes; backdated, because GitHub's clock may be behind ours.
JWT_BACKDATE = timedelta(seconds=60)
JWT_LIFETIME = timedelta(minutes=9)
# A token must not expire while a request is in flight.
TOKEN_RENEWAL_MARGIN = timedelta(minutes=5)
CLOCK_SKEW_TOLERANCE = timedelta(seconds=30)


class AppCredential:
    """The App itself, which signs JWTs. Neither its representation nor its errors contain the key."""

    def __init__(self, app_id: str, private_key: bytes, clock: Clock) -> None:
        self._app_id = app_id
        self._key = _load_private_key(private_key)
        self._clock = clock
        self._clock_offset = timedelta()

    def __repr__(self) -> str:
        return f"AppCredential({self._app_id})"

    @property
    def fingerprint(self) -> str:
        return _fingerprint(f"app:{self._app_id}")

    @property
    def name(self) -> str:
        return f"GitHub App {self._app_id}"

    def authorization(self) -> str:
        now = self._clock() + self._clock_offset
        claims = {
            "iat": int((now - JWT_BACKDATE).timestamp()),
            "exp": int((now + JWT_LIFETIME).timestamp()),
            "iss": self._app_id,
        }
        return f"Bearer {jwt.encode(claims, self._key, algorithm='RS256')}"

    def adjust_clock(self, response: Response) -> bool:
        """Sign by GitHub's clock from now on, after a rejected JWT; False if that would change nothing."""
        offset = response.date - response.received_at
        if abs(offset - self._clock_offset) < CLOCK_SKEW_TOLERANCE:
            return False
        self._clock_offset = offset
        return True


class InstallationCredential:
    """The App's installation at one owner: a token, renewed before it expires. Thread-safe."""

    def __init__(self, app: AppCredential, installation_id: str, clock: Clock) -> None:
        self.app = app
        self.renewal_lock = Lock()
        self._id = installation_id
        self._clock = clock
        self._token: str | None = None
        self._expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"InstallationCredential({self._id})"

    @property
    def fingerprint(self) -> str:
        """Identify the installation: its tokens change hourly, accounts stay pinned to it."""
        return _fingerprint(f"{self.app.fingerprint}:installation:{self._id}")

    @property
    def name(self) -> str:
        return f"{self.app.name} (installation {self._id})"

    @property
    def path(self) -> str:
        """The endpoint that issues its tokens, below the API's root.

        Source: https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app
        """
        return f"/app/installations/{self._id}/access_tokens"

    def authorization(self) -> str:
        token = self._token
        if token is None:
            raise BadCredentials(self.name, self.fingerprint)
        return f"Bearer {token}"

    def has_valid_token(self) -> bool:
        expires_at = self._expires_at
        return self._token is not None and expires_at is not None and self._clock() < expires_at - TOKEN_RENEWAL_MARGIN

    def update_token(self, response: Response) -> None:
        """Store an issued token. Its lifetime counts from the response's own Date, whatever our clock says."""
        try:
            body: dict[str, Any] = read_json(response, "an installation token")
            lifetime = TIMESTAMP_ADAPTER.validate_python(body["expires_at"]) - response.date
            token = str(body["token"])
        except PARSE_ERRORS as error:
            raise InvalidResponse("an installation token", "unexpected JSON structure") from error
        self._token, self._expires_at = token, self._clock() + lifetime

    def invalidate_token(self, authorization: str) -> None:
        """Make the next request renew the token that GitHub rejected, unless it is renewed already."""
        if authorization == f"Bearer {self._token}":
            self._expires_at = None


def _load_private_key(private_key: bytes) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # the library's message might quote the key
    if not isinstance(key, RSAPrivateKey):
        raise BadCredentials(
            "the private key of the GitHub App", reason="it is not an RSA key in PEM format without a password"
        )
    return key


def _fingerprint(what: str) -> str:
    return sha256(b"almanac-" + what.encode()).hexdigest()[:16]
