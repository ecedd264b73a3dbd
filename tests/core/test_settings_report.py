"""The settings report for admins: masked secrets and warnings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core import settings_report
from core.settings import Settings
from core.settings_report import MASK, mask_secrets, setting_rows, settings_warnings

SECRET = "hunter2-Hunter2"


def reported_value(name: str, settings: Settings) -> str:
    return next(one.value for one in setting_rows(settings) if one.name == name)


def test_every_setting_is_shown_with_its_description():
    rows = setting_rows(Settings())
    assert [row.name for row in rows] == [name.upper() for name in Settings.model_fields]
    assert all(row.description for row in rows)


def test_configured_values_are_distinguished_from_defaults(monkeypatch):
    monkeypatch.setenv("PORT", "8501")
    found = {row.name: row.is_set for row in setting_rows(Settings())}
    assert found["PORT"]
    assert not found["HOST"]


def test_no_secret_is_shown():
    settings = Settings(
        secret_key=SECRET * 3,
        admin_password=SECRET,
        metrics_token=SECRET,
        github_tokens=(SecretStr(SECRET), SecretStr(SECRET)),
        database_url=f"postgresql://ada:{SECRET}@db.example.org/almanac?sslpassword={SECRET}",
        redis_url=f"redis://:{SECRET}@cache.example.org/0",
    )
    assert SECRET not in repr(setting_rows(settings))
    assert reported_value("SECRET_KEY", settings) == MASK
    assert reported_value("GITHUB_TOKENS", settings) == f"{MASK} × 2"
    assert "db.example.org/almanac" in reported_value("DATABASE_URL", settings)


@given(st.text(min_size=6, alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="•&")))
def test_any_password_is_masked(password):
    """Database drivers accept passwords that URL parsers refuse."""
    for address in (
        f"postgresql://ada:{password}@host/x",
        f"redis://:{password}@host",
        f"postgresql://host/x?password={password}",
        f"https://ada:{password}@host",
    ):
        masked = mask_secrets(address)
        assert MASK in masked
        assert (
            password not in masked.removeprefix(address.partition("://")[0])
            or password in "://ada:•••@host/x?password="
        )


def test_an_unparsable_url_is_masked_entirely():
    assert reported_value("DATABASE_URL", Settings.model_construct(database_url=f"host=db password={SECRET}")) == MASK


def test_a_url_without_password_is_shown_unchanged():
    for address in ("postgresql://ada@/almanac?host=/run/pg&port=5432", "unix:///run/valkey.sock", "http://[::1]:8501"):
        assert mask_secrets(address) == address


def test_embedded_servers_are_recognized_by_their_url(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert settings_report.is_embedded_url("", settings)
    assert settings_report.is_embedded_url(f"unix://{tmp_path}/servers/run/valkey.sock", settings)
    assert not settings_report.is_embedded_url("postgresql://db.example.org/almanac", settings)


VALID_SETTINGS = {
    "github_tokens": (SecretStr("token"),),
    "secret_key": "k" * 40,
    "environment": "production",
    "public_url": "https://almanac.example.org",
    "host": "0.0.0.0",
    "database_url": "postgresql://db/almanac",
    "trusted_proxies": ("10.0.0.7",),
}


def test_a_good_configuration_has_no_warnings():
    assert settings_warnings(Settings(**VALID_SETTINGS)) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"github_tokens": ()}, "GITHUB_TOKENS"),
        ({"environment": "development", "secret_key": ""}, "SECRET_KEY"),
        ({"environment": "development", "public_url": "http://almanac.example.org"}, "PUBLIC_URL"),
        ({"environment": "development"}, "ENVIRONMENT"),
        ({"registration": "open"}, "REGISTRATION"),
        ({"trusted_proxies": ()}, "TRUSTED_PROXIES"),
        ({"trusted_proxies": ("0.0.0.0/0",)}, "TRUSTED_PROXIES"),
        ({"limit_api": ""}, "LIMIT_API"),
        ({"database_url": ""}, "DATABASE_URL"),
    ],
)
def test_risky_settings_have_warnings(change, named):
    assert [
        sentence for sentence in settings_warnings(Settings(**(VALID_SETTINGS | change))) if f"`{named}`" in sentence
    ]


def test_http_on_loopback_causes_no_warning():
    masked = settings_warnings(Settings(public_url="http://localhost:8501", host="0.0.0.0"))
    assert not [sentence for sentence in masked if "PUBLIC_URL" in sentence]


def test_almanac_knows_its_own_version():
    assert settings_report.almanac_version().count(".") == 2
