"""Every setting of Almanac: its name, type, default and one sentence. Read from the environment or from `.env`."""

import re
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DURATION = re.compile(r"^\s*(\d+)\s*(m|min|h|d)\s*$")
UNITS = {"m": timedelta(minutes=1), "min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
CommaSeparated = Annotated[tuple[str, ...], NoDecode]


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
    track: CommaSeparated = Field(
        ("octocat", "pallets", "gaearon"), description="Comma-separated logins tracked at the first start."
    )
    refresh_every: timedelta = Field(
        timedelta(hours=6), description="How often a tracked account is refreshed, such as `30m`, `6h` or `7d`."
    )

    host: str = Field("127.0.0.1", description="Address the web process listens on; only loopback until sign-in is on.")
    port: int = Field(8501, ge=0, le=65535, description="Port the web process listens on.")
    public_url: str = Field("", description="What people type to get here; empty means `http://HOST:PORT`.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    environment: Literal["development", "production"] = Field(
        "development", description="`production` logs JSON and refuses generated secrets."
    )

    @field_validator("github_tokens", "track", mode="before")
    @classmethod
    def split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("refresh_every", mode="before")
    @classmethod
    def read_duration(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = DURATION.match(value)
        if not match or not int(match[1]):
            raise ValueError(f"{value!r} is no duration; write it like 30m, 6h or 7d")
        return int(match[1]) * UNITS[match[2]]

    @field_validator("log_level", mode="before")
    @classmethod
    def upper_level(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("github_api_url")
    @classmethod
    def check_api_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @property
    def address(self) -> str:
        """What people type: `PUBLIC_URL`, else the address listened on."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
