"""Settings, read from the environment or `.env`: name, type, default and description of each."""

import re
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.auth.validation import check_username
from core.db import libpq
from core.errors import BadInput

DURATION_PATTERN = re.compile(r"\s*([0-9]{1,9})\s*(m|min|h|d)\s*")
MAX_DURATION = timedelta(days=366)
# Tokens travel in HTTP headers.
TOKEN_PATTERN = re.compile(r"[!-~]+")
REDIS_SCHEMES = ("redis", "rediss", "unix")
MIN_SECRET_KEY_LENGTH = 32
# Host names in ASCII (international ones as xn--…) and IP addresses.
HOST_PATTERN = re.compile(
    r"(?!.*\.\.)[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%a-z]*"
)
# Logins or URLs; `core.tracking.login` says exactly which.
TRACKED_PATTERN = re.compile(r"[!-~]{1,2000}")
LIMIT_PATTERN = re.compile(
    r"[1-9][0-9]{0,8}\s*(?:/|per)\s*(?:[1-9][0-9]{0,4}\s*)?(?:second|minute|hour|day|month|year)s?"
)
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


def _check_redis_url(value: str) -> str:
    """Refuse what no client library could parse; the value is a secret, so that no message quotes it."""
    if not value:
        return value
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in REDIS_SCHEMES or not rest or not value.isprintable():
        raise ValueError(f"must be a URL that starts with {' or '.join(f'{one}://' for one in REDIS_SCHEMES[:2])}")
    host = rest.partition("/")[0].rpartition("@")[2].partition("?")[0]
    port = host.rpartition("]")[2].partition(":")[2]
    if scheme != "unix" and port and not (port.isascii() and port.isdigit() and int(port) <= libpq.MAX_PORT):
        raise ValueError(f"has a port that is not a number up to {libpq.MAX_PORT}")
    if "?" in value:
        _check_redis_parameters(value)
    return value


def _check_redis_parameters(url: str) -> None:
    from redis import ConnectionPool, RedisError  # noqa: PLC0415 - processes answer before it has loaded

    try:
        ConnectionPool.from_url(url).make_connection()
    except TypeError as error:
        # Behind an unescaped @ or ? of a password, anything may look like a parameter.
        is_safe = url.count("?") == 1 and "@" not in url.partition("?")[2]
        unknown = re.search(r"argument '(\w+)'", str(error)) if is_safe else None
        name = f"the parameter {unknown[1]!r}" if unknown else "a parameter"
        hint = "; without TLS (rediss://) there is none of TLS" if url.startswith("redis:") and "ssl" in name else ""
        raise ValueError(f"has {name}, which the client of Redis does not know{hint}") from None
    except (ValueError, RedisError):
        raise ValueError("has a parameter whose value the client of Redis does not accept") from None


def _check_token(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and not TOKEN_PATTERN.fullmatch(value.get_secret_value()):
        raise ValueError("must consist of printable ASCII characters without spaces")
    return value


Token = Annotated[SecretStr, AfterValidator(_check_token)]


class Settings(BaseSettings):
    """One field per setting. An empty variable means empty, not the default."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: str = Field(
        "",
        repr=False,
        description="Postgres to use (15 to 18); empty starts an embedded Postgres in `DATA_DIR`.",
    )
    database_direct_url: str = Field(
        "",
        repr=False,
        description="The same Postgres without the pooler that `DATABASE_URL` names, for the scheduler, workers, "
        "migrations and backups; empty means `DATABASE_URL`.",
    )
    database_read_url: str = Field(
        "",
        repr=False,
        description="A streaming replica of `DATABASE_URL` that answers what pages and API read; empty means none.",
    )
    redis_url: str = Field(
        "",
        repr=False,
        description="Redis or Valkey to use (tested with Valkey 9; `rediss://` for TLS); empty starts an embedded "
        "Valkey in `DATA_DIR`.",
    )
    pg_bin_dir: str = Field("", description="Folder with Postgres binaries to use instead of the bundled ones.")
    data_dir: Path = Field(Path(".data"), description="Folder of the embedded servers and of generated secrets.")

    github_api_url: str = Field(
        "https://api.github.com",
        description="Root of GitHub's REST API; for Enterprise Server `https://HOST/api/v3`.",
    )
    github_tokens: Annotated[tuple[Token, ...], NoDecode] = Field(
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
    drain_seconds: float = Field(
        0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="Seconds that a web process which was asked to stop still serves, so that a proxy notices first.",
    )
    public_url: str = Field(
        "",
        description="URL that people open: used in links, allowed origins and hosts; empty means `http://HOST:PORT`.",
    )

    allowed_origins: CommaSeparated = Field(
        (),
        description="Comma-separated origins, such as `https://tools.example.org`, whose pages may use the API with an "
        "API key (CORS).",
    )
    trusted_proxies: CommaSeparated = Field(
        (),
        description="Comma-separated IP addresses or networks of proxies whose `X-Forwarded-*` headers are trusted.",
    )
    metrics_token: Token = Field(
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
    access_token_minutes: float = Field(
        30,
        gt=0,
        le=MAX_DURATION / timedelta(minutes=1),
        allow_inf_nan=False,
        description="Lifetime of an access token in minutes.",
    )
    refresh_token_days: float = Field(
        7, gt=0, le=MAX_DURATION.days, allow_inf_nan=False, description="Days after which an unused session expires."
    )

    limit_pages: Limit = Field("240/minute", description="Page loads and clicks per person; empty means no limit.")
    limit_api: Limit = Field(
        "60/minute",
        description="API requests per person, and requests without a valid session or key per IP address; empty means "
        "no limit.",
    )
    limit_track: Limit = Field("10/minute", description="Accounts a person may request; empty means no limit.")
    limit_export: Limit = Field("10/minute", description="Exports per person; empty means no limit.")
    limit_report: Limit = Field("10/hour", description="Numbers a person may report; empty means no limit.")
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

    @field_validator("github_tokens", "track", "allowed_origins", "trusted_proxies", mode="before")
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
        match = DURATION_PATTERN.fullmatch(value)
        if not match or not int(match[1]):
            raise ValueError(f"{value!r} is not a duration; write it like 30m, 6h or 7d")
        if int(match[1]) > MAX_DURATION / DURATION_UNITS[match[2]]:
            raise ValueError(f"must be at most {MAX_DURATION.days}d")
        return int(match[1]) * DURATION_UNITS[match[2]]

    @field_validator("admin_username")
    @classmethod
    def check_admin_username(cls, value: str) -> str:
        try:
            return check_username(value)
        except BadInput as error:
            raise ValueError(str(error)) from None

    @field_validator("log_level", mode="before")
    @classmethod
    def uppercase_log_level(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("github_api_url")
    @classmethod
    def check_api_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        parts = urlsplit(value if _has_host(value) else "")
        if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must consist of http:// or https://, a host and optionally a port and a path")
        return value.rstrip("/")

    @field_validator("database_url", "database_direct_url", "database_read_url")
    @classmethod
    def check_database_url(cls, value: str) -> str:
        if value.strip():
            libpq.check_parameters(value.strip())
        return value.strip()

    @field_validator("redis_url")
    @classmethod
    def check_redis_url(cls, value: str) -> str:
        return _check_redis_url(value.strip())

    @field_validator("host")
    @classmethod
    def check_host(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty; 0.0.0.0 listens on all addresses of this machine")
        if not HOST_PATTERN.fullmatch(value.strip()):
            raise ValueError(f"{value!r} is neither an IP address nor a host name")
        return value.strip()

    @field_validator("data_dir", mode="before")
    @classmethod
    def check_data_dir(cls, value: object) -> object:
        if isinstance(value, str) and (not value.strip() or "\0" in value):
            raise ValueError("must name a folder; the default is .data")
        return value

    @field_validator("track")
    @classmethod
    def check_track(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for login in value:
            if not TRACKED_PATTERN.fullmatch(login):
                raise ValueError(f"{login!r} is neither a login nor a URL; separate several by commas")
        return value

    @field_validator("public_url")
    @classmethod
    def check_public_url(cls, value: str) -> str:
        """Accept scheme, host and port only: the URL is compared with the Origin header of browsers."""
        if value and not _is_root_url(value):
            raise ValueError("must consist of http:// or https://, a host and optionally a port, without a path")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _is_root_url(origin):
                raise ValueError(f"{origin!r} is not an origin like https://tools.example.org, without a path")
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
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"{network!r} is neither an IP address nor a network like 10.0.0.0/8") from None
        return value

    @field_validator("github_app_id", "github_app_installation_id", mode="before")
    @classmethod
    def strip_text(cls, value: object) -> object:
        return str(value).strip()

    @field_validator("github_app_private_key_file", mode="before")
    @classmethod
    def empty_path_as_none(cls, value: object) -> object:
        return value or None

    @field_validator("github_app_private_key_file")
    @classmethod
    def check_key_file(cls, value: Path | None) -> Path | None:
        try:
            is_key = value is None or b"PRIVATE KEY" in value.read_bytes()
        except (OSError, ValueError) as error:
            raise ValueError(f"names a file that cannot be read ({type(error).__name__})") from None
        if not is_key:
            raise ValueError("names a file that holds no private key (PEM)")
        return value

    @model_validator(mode="after")
    def check_direct_url(self) -> Self:
        for name in ("database_direct_url", "database_read_url"):
            if getattr(self, name) and not self.database_url:
                raise ValueError(f"{name.upper()} needs a DATABASE_URL")
        return self

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


def _has_host(url: str) -> bool:
    """Return whether *url* has a host that HTTP headers can carry, and a valid port if any."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname and HOST_PATTERN.fullmatch(parts.hostname)) and parts.port != 0
    except ValueError:
        return False


def _is_root_url(url: str) -> bool:
    """Return whether *url* is http:// or https://, a host and optionally a port, and nothing else."""
    if not _has_host(url):
        return False
    parts = urlsplit(url)
    has_more = "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment
    return parts.scheme in {"http", "https"} and not has_more


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


def invalid_settings(error: ValidationError) -> list[str]:
    """Return one sentence per invalid setting, with its name, or only what is wrong where several are at odds."""
    problems = [(problem["loc"], problem["msg"].removeprefix("Value error, ")) for problem in error.errors()]
    return [f"{str(location[0]).upper()} is invalid: {reason}" if location else reason for location, reason in problems]


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once. Raises BadInput where `.env` cannot be read."""
    try:
        return Settings()
    except UnicodeDecodeError:
        raise BadInput(".env is not valid UTF-8") from None
    except OSError as error:
        raise BadInput(f".env cannot be read: {error.strerror}") from None
