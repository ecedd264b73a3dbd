"""The settings as an admin may see them, and what in them an admin would want to know."""

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

from core.settings import Settings, is_loopback

MASK = "•••"
SECRET_WORD_PATTERN = re.compile(r"pass|secret|token|key|auth", re.IGNORECASE)
PLAIN_USERNAME_PATTERN = re.compile(r"[\w.-]*")


@dataclass(frozen=True)
class SettingRow:
    """One setting: its name in the environment, its value without secrets, whether somebody set it, its sentence."""

    name: str
    value: str
    is_set: bool
    description: str


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Every setting, in the order of the class; secrets are masked, passwords left out of addresses."""
    return [
        SettingRow(
            name.upper(),
            mask_secrets(getattr(settings, name), may_be_address=not field.repr),
            name in settings.model_fields_set,
            field.description or "",
        )
        for name, field in type(settings).model_fields.items()
    ]


def mask_secrets(value: object, *, may_be_address: bool = False) -> str:
    """*value* as text without anything secret; what *may_be_address* and cannot be read as one is secret whole."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        if value and all(isinstance(item, SecretStr) for item in value):
            return f"{MASK} × {len(value)}"
        return ", ".join(mask_secrets(item) for item in value)
    if isinstance(value, timedelta):
        return format_duration(value)
    told = "" if value is None else str(value)
    if "://" in told:
        return mask_url_password(told)
    return MASK if may_be_address and told else told


def mask_url_password(address: str) -> str:
    """*address* with its password masked, before the host or as a parameter; rather too much is masked than too little.

    Drivers take passwords with `/`, `@` and `#` in them, so this reads more loosely than a parser of addresses would.
    """
    scheme, _, rest = address.partition("://")
    before, at, after = rest.rpartition("@")
    if "?" in before:  # the @ belongs to a parameter: nobody can tell where a password in there ends
        return f"{scheme}://{MASK}"
    name = PLAIN_USERNAME_PATTERN.match(before)[0]  # type: ignore[index]  # it matches nothing, too
    who = name if name == before else f"{name}:{MASK}"
    if at and scheme.startswith("http"):  # there a name alone can be a token
        who = MASK
    place, mark, parameters = after.partition("?")
    return f"{scheme}://{who}{at}{place}{mark}{'&'.join(map(_mask_parameter, parameters.split('&')))}"


def _mask_parameter(given: str) -> str:
    word, equals, _value = given.partition("=")
    return f"{word}={MASK}" if SECRET_WORD_PATTERN.search(word) else given if equals else given and MASK


def format_duration(value: timedelta) -> str:
    """6:00:00 -> 6h, as it would be written in the environment."""
    minutes = int(value.total_seconds() // 60)
    for size, letter in ((1440, "d"), (60, "h")):
        if minutes % size == 0:
            return f"{minutes // size}{letter}"
    return f"{minutes}m"


def is_embedded_url(url: str, settings: Settings) -> bool:
    """Whether *url* (DATABASE_URL or REDIS_URL) names the servers that Almanac starts by itself."""
    own = (str(settings.data_dir.resolve() / "servers"), "/var/lib/almanac/", "/tmp/almanac-")  # noqa: S108 - a name
    return not url or any(folder in unquote(url) for folder in own)


def settings_warnings(settings: Settings) -> list[str]:
    """Sentences about the configuration that an admin would want to read; none where all is well."""
    return [*_github_warnings(settings), *_access_warnings(settings), *_server_warnings(settings)]


def _github_warnings(settings: Settings) -> Iterator[str]:
    if not settings.github_tokens and not settings.github_app_id:
        yield "`GITHUB_TOKENS` is empty: GitHub answers 60 questions an hour, instead of 5,000 with any token."


def _access_warnings(settings: Settings) -> Iterator[str]:
    if not settings.secret_key.get_secret_value():
        yield (
            "`SECRET_KEY` is generated and lies in `DATA_DIR`: other replicas would not accept this one's sessions, "
            "and who loses the folder signs everybody out."
        )
    if not settings.is_secure and not is_loopback(urlsplit(settings.address).hostname or ""):
        yield "`PUBLIC_URL` is not https: passwords and cookies travel in the clear."
    if settings.registration_mode == "open" and not settings.is_loopback_only:
        yield "`REGISTRATION` is open: whoever reaches this server may create an account and read everything."
    if settings.is_secure and settings.environment != "production":
        yield "`PUBLIC_URL` is https, but `ENVIRONMENT` is not production: generated secrets are accepted."
    if settings.is_secure and not settings.trusted_proxies:
        yield (
            "`TRUSTED_PROXIES` is empty, and something in front of Almanac speaks https: limits and the audit trail "
            "see its address instead of the reader's."
        )
    if any(ip_network(network, strict=False).prefixlen == 0 for network in settings.trusted_proxies):
        yield "`TRUSTED_PROXIES` trusts everybody: anyone may pretend to come from any address."
    unlimited = [name.upper() for name in type(settings).model_fields if _is_unlimited(settings, name)]
    if unlimited:
        yield f"{', '.join(f'`{name}`' for name in unlimited)}: empty, so there is no limit."


def _server_warnings(settings: Settings) -> Iterator[str]:
    if settings.environment == "production" and is_embedded_url(settings.database_url, settings):
        yield "Postgres is the embedded one: it lives and dies with this machine. Production wants `DATABASE_URL`."


def _is_unlimited(settings: Settings, name: str) -> bool:
    return name.startswith("limit_") and not getattr(settings, name)


@lru_cache(maxsize=1)
def almanac_version() -> str:
    """Almanac's own, as pyproject.toml says."""
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
