"""A GitHub App instead of tokens: it signs that it is itself, and gets a token for an hour at a time.

The App (`Signer`) and its installation (`Installation`) are two credentials: the one only ever asks for a token of
the other. The transport does the asking, so that it passes the gate like everything else.
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

from ingest.github.api.fact_types import TIMESTAMP_ADAPTER
from ingest.github.api.models import PARSE_ERRORS
from ingest.github.errors import BadCredentials, InvalidResponse
from ingest.github.http.rate_gate import Clock
from ingest.github.http.responses import Response, read_json

# GitHub takes no signature that is good for more than ten minutes, and its clock may be behind ours.
JWT_BACKDATE = timedelta(seconds=60)
JWT_LIFETIME = timedelta(minutes=9)
# An answer under way must not outlive its token.
TOKEN_RENEWAL_MARGIN = timedelta(minutes=5)
CLOCK_SKEW_TOLERANCE = timedelta(seconds=30)


class AppCredential:
    """The App itself. Its key never leaves it."""

    def __init__(self, app_id: str, private_key: bytes, clock: Clock) -> None:
        self._app_id = app_id
        self._key = _load_private_key(private_key)
        self._clock = clock
        self._ahead = timedelta()

    def __repr__(self) -> str:
        return f"Signer({self._app_id})"

    @property
    def fingerprint(self) -> str:
        return _fingerprint(f"app:{self._app_id}")

    @property
    def name(self) -> str:
        return f"GitHub App {self._app_id}"

    def authorization(self) -> str:
        now = self._clock() + self._ahead
        claims = {
            "iat": int((now - JWT_BACKDATE).timestamp()),
            "exp": int((now + JWT_LIFETIME).timestamp()),
            "iss": self._app_id,
        }
        return f"Bearer {jwt.encode(claims, self._key, algorithm='RS256')}"

    def adjust_clock(self, answer: Response) -> bool:
        """GitHub refused a signature: where its clock differs from ours, sign by its own; False where it agrees."""
        ahead = answer.date - answer.received_at
        if abs(ahead - self._ahead) < CLOCK_SKEW_TOLERANCE:
            return False
        self._ahead = ahead
        return True


class InstallationCredential:
    """What the App may do for one owner: a token, renewed before it ends. Safe to use from many threads."""

    def __init__(self, app: AppCredential, installation_id: str, clock: Clock) -> None:
        self.app = app
        self.renewal_lock = Lock()
        self._id = installation_id
        self._clock = clock
        self._token: str | None = None
        self._good_until: datetime | None = None

    def __repr__(self) -> str:
        return f"Installation({self._id})"

    @property
    def fingerprint(self) -> str:
        """Of the installation: its tokens change hourly, accounts stay with it."""
        return _fingerprint(f"{self.app.fingerprint}:installation:{self._id}")

    @property
    def name(self) -> str:
        return f"{self.app.name} (installation {self._id})"

    @property
    def path(self) -> str:
        """Where its token is to be had, under the API's root."""
        return f"/app/installations/{self._id}/access_tokens"

    def authorization(self) -> str:
        token = self._token
        if token is None:
            raise BadCredentials(self.name, self.fingerprint)
        return f"Bearer {token}"

    def has_valid_token(self) -> bool:
        until = self._good_until
        return self._token is not None and until is not None and self._clock() < until - TOKEN_RENEWAL_MARGIN

    def take(self, answer: Response) -> None:
        """Take the token that GitHub gave; how long it is good is counted from the answer's own Date."""
        try:
            body: dict[str, Any] = read_json(answer, "an installation's token")
            good_for = TIMESTAMP_ADAPTER.validate_python(body["expires_at"]) - answer.date
            token = str(body["token"])
        except PARSE_ERRORS as error:
            raise InvalidResponse("an installation's token", "it has another shape than GitHub's") from error
        self._token, self._good_until = token, self._clock() + good_for

    def drop(self, authorization: str) -> None:
        """GitHub refused this one before its time: unless it was renewed meanwhile, the next request renews it."""
        if authorization == f"Bearer {self._token}":
            self._good_until = None


def _load_private_key(private_key: bytes) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # what it says of the key is nobody's business
    if not isinstance(key, RSAPrivateKey):
        raise BadCredentials(
            "the private key of the GitHub App", reason="it is no RSA key in PEM form without a password"
        )
    return key


def _fingerprint(what: str) -> str:
    return sha256(b"almanac-" + what.encode()).hexdigest()[:16]
