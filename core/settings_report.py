"""The settings for display: values with secrets masked, and warnings about the configuration."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from core.settings import Settings, format_duration, is_loopback

MASK = "•••"
SECRET_WORD_PATTERN = re.compile(r"pass|secret|token|key|auth", re.IGNORECASE)
PLAIN_USERNAME_PATTERN = re.compile(r"[\w.-]*")


@dataclass(frozen=True)
class SettingRow:
    """One setting: its name in the environment, its masked value, whether it was set, and its description."""

    name: str
    value: str
    is_set: bool
    description: str


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Return every setting in the order of the class; secrets and passwords in URLs are masked."""
    return [
        SettingRow(
            name.upper(),
            mask_secrets(getattr(settings, name), may_be_url=not field.repr),
            name in settings.model_fields_set,
            field.description or "",
        )
        for name, field in type(settings).model_fields.items()
    ]


def mask_secrets(value: object, *, may_be_url: bool = False) -> str:
    """Return *value* as text with secrets masked. With *may_be_url*, text that is not a URL is masked entirely."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        if value and all(isinstance(item, SecretStr) for item in value):
            return f"{MASK} × {len(value)}"
        return ", ".join(mask_secrets(item) for item in value)
    if isinstance(value, timedelta):
        return format_duration(value)
    text = "" if value is None else str(value)
    if "://" in text:
        return mask_url_password(text)
    return MASK if may_be_url and text else text


def mask_url_password(url: str) -> str:
    """Mask the password in *url*, before the host or as a parameter; in doubt mask more.

    Drivers accept passwords with `/`, `@` and `#` in them, so this is more lenient than a URL parser.
    """
    scheme, _, rest = url.partition("://")
    before, at, after = rest.rpartition("@")
    if "?" in before:  # the @ belongs to a parameter: where a password in it ends is ambiguous
        return f"{scheme}://{MASK}"
    name = PLAIN_USERNAME_PATTERN.match(before)[0]  # type: ignore[index]  # the pattern matches the empty string
    user = name if name == before else f"{name}:{MASK}"
    if at and scheme.startswith("http"):  # the username of an http URL can be a token
        user = MASK
    location, mark, parameters = after.partition("?")
    return f"{scheme}://{user}{at}{location}{mark}{'&'.join(map(_mask_parameter, parameters.split('&')))}"


def _mask_parameter(parameter: str) -> str:
    name, equals, _value = parameter.partition("=")
    if SECRET_WORD_PATTERN.search(name):
        return f"{name}={MASK}"
    return parameter if equals else parameter and MASK


def is_embedded_url(url: str, settings: Settings) -> bool:
    """Return whether *url* (DATABASE_URL or REDIS_URL) is that of an embedded server."""
    folders = (str(settings.data_dir.resolve() / "servers"), "/var/lib/almanac/", "/tmp/almanac-")  # noqa: S108 - compared only
    return not url or any(folder in unquote(url) for folder in folders)


def settings_warnings(settings: Settings) -> list[str]:
    """Return sentences about risky or limiting settings, for admins."""
    return [*_github_warnings(settings), *_access_warnings(settings), *_server_warnings(settings)]


def _github_warnings(settings: Settings) -> Iterator[str]:
    if not settings.github_tokens and not settings.github_app_id:
        yield "`GITHUB_TOKENS` is empty: GitHub allows 60 requests an hour, instead of 5,000 with a token."


def _access_warnings(settings: Settings) -> Iterator[str]:
    if not settings.secret_key.get_secret_value():
        yield (
            "`SECRET_KEY` is empty, so the key is generated in `DATA_DIR`: other replicas do not accept this one's "
            "sessions, and losing the folder signs everyone out."
        )
    if not settings.is_secure and not is_loopback(urlsplit(settings.base_url).hostname or ""):
        yield "`PUBLIC_URL` is not https: passwords and cookies are sent unencrypted."
    if settings.registration_mode == "open" and not settings.is_loopback_only:
        yield "`REGISTRATION` is open: anyone who can reach this server can create an account and read everything."
    if settings.is_secure and settings.environment != "production":
        yield "`PUBLIC_URL` is https, but `ENVIRONMENT` is not production: generated secrets are accepted."
    if settings.is_secure and not settings.trusted_proxies:
        yield (
            "`TRUSTED_PROXIES` is empty, but `PUBLIC_URL` is https, so there is a proxy: limits and the audit trail "
            "see its IP address instead of the client's."
        )
    if any(ip_network(network, strict=False).prefixlen == 0 for network in settings.trusted_proxies):
        yield "`TRUSTED_PROXIES` includes every IP address: any client can fake its address."
    unlimited = [name.upper() for name in type(settings).model_fields if _is_unlimited(settings, name)]
    if unlimited:
        yield f"{', '.join(f'`{name}`' for name in unlimited)}: empty means no limit."


def _server_warnings(settings: Settings) -> Iterator[str]:
    if settings.environment == "production" and is_embedded_url(settings.database_url, settings):
        yield "`DATABASE_URL` is empty: the embedded Postgres depends on this machine and is not meant for production."


def _is_unlimited(settings: Settings, name: str) -> bool:
    return name.startswith("limit_") and not getattr(settings, name)


@lru_cache(maxsize=1)
def almanac_version() -> str:
    """Return the version in pyproject.toml."""
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
