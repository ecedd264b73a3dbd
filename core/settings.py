"""Settings, read from the environment or `.env`: name, type, default and description of each."""

import re
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DURATION_PATTERN = re.compile(r"^\s*(\d+)\s*(m|min|h|d)\s*$")
MIN_SECRET_KEY_LENGTH = 32
LIMIT_PATTERN = re.compile(r"[1-9]\d{0,8}\s*(?:/|per)\s*(?:[1-9]\d{0,4}\s*)?(?:second|minute|hour|day|month|year)s?")
DURATION_UNITS = {
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
CommaSeparated = Annotated[tuple[str, ...], NoDecode]


def _check_limit(value: str) -> str:
    # A pattern, because importing the `limits` library for its parser would slow down the start of every process.
    if value.strip() and not LIMIT_PATTERN.fullmatch(value.strip()):
        raise ValueError(f"{value!r} is not a limit; write it like 240/minute or 5/15 minutes")
    return value.strip()


Limit = Annotated[str, AfterValidator(_check_limit)]


class Settings(BaseSettings):
    """One field per setting. An empty variable means empty, not the default."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    database_url: str = Field(
        "",
        repr=False,
        description="Postgres to use (tested with 18); empty starts an embedded Postgres in `DATA_DIR`.",
    )
    redis_url: str = Field(
        "",
        repr=False,
        description="Redis or Valkey to use (tested with Valkey 9); empty starts an embedded Valkey in `DATA_DIR`.",
    )
    pg_bin_dir: str = Field("", description="Folder with Postgres binaries to use instead of the bundled ones.")
    data_dir: Path = Field(Path(".data"), description="Folder of the embedded servers and of generated secrets.")

    github_api_url: str = Field(
        "https://api.github.com",
        description="Root of GitHub's REST API; for Enterprise Server `https://HOST/api/v3`.",
    )
    github_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Comma-separated GitHub tokens; empty sends anonymous requests, 60 an hour."
    )
    github_app_id: str = Field(
        "",
        pattern=r"^[\w.]*$",
        description="ID or client ID of a GitHub App, used in addition to tokens or instead of them.",
    )
    github_app_private_key_file: Path | None = Field(
        None, description="File with the GitHub App's private key (PEM, as GitHub provides it)."
    )
    github_app_installation_id: str = Field(
        "", pattern=r"^\d*$", description="ID of the GitHub App's installation whose rate limit is used."
    )
    track: CommaSeparated = Field(
        ("octocat", "pallets", "gaearon"), description="Comma-separated logins that are tracked at the first start."
    )
    refresh_every: timedelta = Field(
        timedelta(hours=6), description="Average interval between refreshes of an account, such as `30m`, `6h` or `7d`."
    )

    host: str = Field("127.0.0.1", description="IP address or host name on which the web process listens.")
    port: int = Field(8501, ge=0, le=65535, description="Port on which the web process listens.")
    public_url: str = Field(
        "",
        description="URL that people open: used in links, allowed origins and hosts; empty means `http://HOST:PORT`.",
    )

    trusted_proxies: CommaSeparated = Field(
        (),
        description="Comma-separated IP addresses or networks of proxies whose `X-Forwarded-*` headers are trusted.",
    )
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Bearer token that grants access to `/metrics` from other machines."
    )

    secret_key: SecretStr = Field(
        SecretStr(""),
        description=f"Key that signs tokens, at least {MIN_SECRET_KEY_LENGTH} characters in production; "
        "empty generates one in `DATA_DIR`, in development only.",
    )
    admin_username: str = Field("admin", description="Username of the first admin, created at the first start.")
    admin_password: SecretStr = Field(
        SecretStr(""),
        description="Password of the first admin; empty generates one and prints it once, in development only.",
    )
    registration: Literal["", "open", "invite", "closed"] = Field(
        "",
        description="Who may register: `open`, `invite` or `closed`; empty means `open` on loopback, else `closed`.",
    )
    access_token_minutes: float = Field(30, gt=0, description="Lifetime of an access token in minutes.")
    refresh_token_days: float = Field(7, gt=0, description="Days after which an unused session expires.")

    limit_pages: Limit = Field("240/minute", description="Page loads and clicks per person; empty means no limit.")
    limit_api: Limit = Field("60/minute", description="API requests per person; empty means no limit.")
    limit_track: Limit = Field("10/minute", description="Accounts a person may request; empty means no limit.")
    limit_export: Limit = Field("10/minute", description="Exports per person; empty means no limit.")
    limit_sign_in: Limit = Field(
        "5/15 minutes",
        description="Failed sign-ins per username and IP address, six times as many per IP address; "
        "empty means no limit.",
    )

    track_approval: bool = Field(False, description="Whether an admin must approve accounts that analysts request.")
    webhook_private_addresses: bool = Field(
        False, description="Whether webhook URLs may use private networks and plain http."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")
    environment: Literal["development", "production"] = Field(
        "development",
        description="`development`, or `production` with JSON logs, https-only cookies and no generated secrets.",
    )

    @field_validator("github_tokens", "track", "trusted_proxies", mode="before")
    @classmethod
    def split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("refresh_every", mode="before")
    @classmethod
    def parse_duration(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = DURATION_PATTERN.match(value)
        if not match or not int(match[1]):
            raise ValueError(f"{value!r} is not a duration; write it like 30m, 6h or 7d")
        return int(match[1]) * DURATION_UNITS[match[2]]

    @field_validator("log_level", mode="before")
    @classmethod
    def uppercase_log_level(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("github_api_url")
    @classmethod
    def check_api_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def check_public_url(cls, value: str) -> str:
        """Accept scheme, host and port only: the URL is compared with the Origin header of browsers."""
        parts = urlsplit(value)
        try:
            is_complete = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
        except ValueError:
            is_complete = False
        if value and (not is_complete or "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment):
            raise ValueError("must consist of http:// or https://, a host and optionally a port, without a path")
        return value

    @property
    def base_url(self) -> str:
        """The URL that people open: `PUBLIC_URL`, else `http://HOST:PORT`; without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url.rstrip("/") or f"http://{host}:{self.port}"

    @field_validator("trusted_proxies")
    @classmethod
    def check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)
        return value

    @field_validator("github_app_id", "github_app_installation_id", mode="before")
    @classmethod
    def strip_text(cls, value: object) -> object:
        return str(value).strip()

    @field_validator("github_app_private_key_file", mode="before")
    @classmethod
    def empty_path_as_none(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def check_app(self) -> Self:
        parts = (self.github_app_id, self.github_app_private_key_file, self.github_app_installation_id)
        if any(parts) and not all(parts):
            raise ValueError(
                "a GitHub App needs all of GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY_FILE and GITHUB_APP_INSTALLATION_ID"
            )
        return self

    @model_validator(mode="after")
    def check_production(self) -> Self:
        if self.environment == "production":
            if len(self.secret_key.get_secret_value()) < MIN_SECRET_KEY_LENGTH:
                raise ValueError(f"production needs a SECRET_KEY of at least {MIN_SECRET_KEY_LENGTH} characters")
            if not self.base_url.startswith("https://"):
                raise ValueError("production needs a PUBLIC_URL that starts with https://")
        return self

    @property
    def is_secure(self) -> bool:
        """Whether people use https, so that cookies can be restricted to it."""
        return self.base_url.startswith("https://")

    @property
    def with_token(self) -> bool:
        """Whether requests to GitHub carry a token or a GitHub App's credentials."""
        return bool(self.github_tokens or self.github_app_id)

    @property
    def registration_mode(self) -> Literal["open", "invite", "closed"]:
        return self.registration or ("open" if self.is_loopback_only else "closed")

    @property
    def is_loopback_only(self) -> bool:
        """Whether only this machine can reach the web process; behind a proxy, `PUBLIC_URL` tells that others can."""
        return is_loopback(self.host) and (not self.public_url or is_loopback(urlsplit(self.public_url).hostname or ""))


def format_duration(value: timedelta) -> str:
    """Return *value* as it is written in the environment, in whole minutes: `30m`, `6h`, `7d`."""
    minutes = value // timedelta(minutes=1)
    for size, letter in ((1440, "d"), (60, "h")):
        if minutes % size == 0:
            return f"{minutes // size}{letter}"
    return f"{minutes}m"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()
