"""Every setting of Almanac: its name, type, default and one sentence. Read from the environment or from `.env`."""

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
    """So many in so long; read with a pattern, because every process would pay for importing what counts them."""
    if value.strip() and not LIMIT_PATTERN.fullmatch(value.strip()):
        raise ValueError(f"{value!r} is no limit; write it like 240/minute or 5/15 minutes")
    return value.strip()


Limit = Annotated[str, AfterValidator(_check_limit)]


class Settings(BaseSettings):
    """One field a setting; an empty variable means empty, not the default."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    database_url: str = Field(
        "", repr=False, description="Postgres to use; empty starts an embedded one in `DATA_DIR`."
    )
    redis_url: str = Field(
        "", repr=False, description="Redis or Valkey to use; empty starts an embedded one in `DATA_DIR`."
    )
    pg_bin_dir: str = Field("", description="Folder with other Postgres server binaries for the embedded server.")
    data_dir: Path = Field(Path(".data"), description="Where the embedded servers and generated secrets live.")

    github_api_url: str = Field("https://api.github.com", description="Root of GitHub's REST API.")
    github_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Comma-separated GitHub tokens; empty asks anonymously, 60 requests an hour."
    )
    github_app_id: str = Field(
        "", pattern=r"^[\w.]*$", description="A GitHub App's id or client id; asks besides the tokens."
    )
    github_app_private_key_file: Path | None = Field(None, description="File with the GitHub App's private key (PEM).")
    github_app_installation_id: str = Field(
        "", pattern=r"^\d*$", description="Number of the GitHub App's installation whose budget is used."
    )
    track: CommaSeparated = Field(
        ("octocat", "pallets", "gaearon"), description="Comma-separated logins tracked at the first start."
    )
    refresh_every: timedelta = Field(
        timedelta(hours=6), description="How often a tracked account is refreshed, such as `30m`, `6h` or `7d`."
    )

    host: str = Field("127.0.0.1", description="Address the web process listens on.")
    port: int = Field(8501, ge=0, le=65535, description="Port the web process listens on.")
    public_url: str = Field("", description="What people type to get here; empty means `http://HOST:PORT`.")

    trusted_proxies: CommaSeparated = Field(
        (), description="Comma-separated addresses or networks whose `X-Forwarded-*` headers count."
    )
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Who shows it as a bearer token may read `/metrics` from outside loopback."
    )

    secret_key: SecretStr = Field(
        SecretStr(""), description="Signs tokens; empty generates one into `DATA_DIR`, which production refuses."
    )
    admin_username: str = Field("admin", description="Name of the first admin, made at the first start.")
    admin_password: SecretStr = Field(
        SecretStr(""), description="Password of the first admin; empty generates one and prints it once."
    )
    registration: Literal["", "open", "invite", "closed"] = Field(
        "", description="Who may create an account; empty means `open` on loopback, else `closed`."
    )
    access_token_minutes: float = Field(30, gt=0, description="How long an access token is good.")
    refresh_token_days: float = Field(7, gt=0, description="How long a session lasts without being used.")

    limit_pages: Limit = Field("240/minute", description="Page runs a person may cause; empty means no limit.")
    limit_api: Limit = Field("60/minute", description="API requests a person may send.")
    limit_track: Limit = Field("10/minute", description="Accounts a person may ask to be tracked.")
    limit_export: Limit = Field("10/minute", description="Exports a person may take.")
    limit_sign_in: Limit = Field(
        "5/15 minutes", description="Failed sign-ins for one name from one address; six times as many for an address."
    )

    track_approval: bool = Field(
        False, description="Whether an admin decides about accounts that analysts ask to be tracked."
    )
    webhook_private_addresses: bool = Field(
        False, description="Whether webhooks may point into private networks, and may do without https."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    environment: Literal["development", "production"] = Field(
        "development", description="`production` logs JSON, keeps cookies to https and refuses generated secrets."
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
            raise ValueError(f"{value!r} is no duration; write it like 30m, 6h or 7d")
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
        """It is compared with what browsers say of themselves: a name, perhaps a port, and no more."""
        parts = urlsplit(value)
        try:
            is_complete = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
        except ValueError:
            is_complete = False
        if value and (not is_complete or "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment):
            raise ValueError("must be http:// or https://, a name and perhaps a port, without a path")
        return value

    @property
    def address(self) -> str:
        """What people type: `PUBLIC_URL`, else the address listened on."""
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
                "a GitHub App needs GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY_FILE and GITHUB_APP_INSTALLATION_ID"
            )
        return self

    @model_validator(mode="after")
    def check_production(self) -> Self:
        if self.environment == "production":
            if len(self.secret_key.get_secret_value()) < MIN_SECRET_KEY_LENGTH:
                raise ValueError(f"production needs a SECRET_KEY of at least {MIN_SECRET_KEY_LENGTH} characters")
            if not self.address.startswith("https://"):
                raise ValueError("production needs a PUBLIC_URL that starts with https://")
        return self

    @property
    def is_secure(self) -> bool:
        """Whether people come by https, so that cookies may be kept to it."""
        return self.address.startswith("https://")

    @property
    def with_token(self) -> bool:
        """Whether GitHub is asked with a token, or as an App: not anonymously."""
        return bool(self.github_tokens or self.github_app_id)

    @property
    def registration_mode(self) -> Literal["open", "invite", "closed"]:
        return self.registration or ("open" if self.is_loopback_only else "closed")

    @property
    def is_loopback_only(self) -> bool:
        """Whether only this machine reaches us: behind a proxy, `PUBLIC_URL` says that others do too."""
        return is_loopback(self.host) and (not self.public_url or is_loopback(urlsplit(self.public_url).hostname or ""))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
