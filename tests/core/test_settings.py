"""Settings are read once, validated, documented in the README, and never print a secret."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis

from core.db import libpq
from core.ratelimit.limiter import parse_limit
from core.settings import Settings, format_duration, invalid_settings
from core.settings_report import mask_secrets
from core.web.middleware.cross_origin import cross_origins

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_shows_the_table_of_settings():
    assert readme_table() in README.read_text(encoding="utf-8"), f"README.md needs this table:\n{readme_table()}"


def readme_table() -> str:
    """Return the settings as the Markdown table of the README: name, default, description."""
    rows = ["| Setting | Default | Description |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        text = default_text(field.default)
        rows.append(f"| `{name.upper()}` | {f'`{text}`' if text else 'empty'} | {field.description} |")
    return "\n".join(rows)


def default_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else mask_secrets(value)


def test_each_setting_has_a_description():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_an_empty_variable_means_empty_not_the_default(monkeypatch):
    monkeypatch.setenv("TRACK", "")
    assert Settings().track == ()


def test_lists_are_separated_by_commas_and_blanks_do_not_count(monkeypatch):
    monkeypatch.setenv("GITHUB_TOKENS", " one, two ,,")
    assert [token.get_secret_value() for token in Settings().github_tokens] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "duration"),
    [("30m", timedelta(minutes=30)), ("6h", timedelta(hours=6)), (" 7 d ", timedelta(days=7))],
)
def test_durations_are_parsed_with_units(monkeypatch, text, duration):
    monkeypatch.setenv("REFRESH_EVERY", text)
    assert Settings().refresh_every == duration
    assert format_duration(duration) == text.replace(" ", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REFRESH_EVERY", "soon"),
        ("REFRESH_EVERY", "0h"),
        ("PORT", "99999"),
        ("LOG_LEVEL", "LOUD"),
        ("GITHUB_API_URL", "api.github.com"),
        ("GITHUB_API_URL", "http://"),
        ("GITHUB_API_URL", "https://u:p@ghe.example/api/v3"),
        ("GITHUB_API_URL", "https://ghe.example:x/api/v3"),
        ("GITHUB_TOKENS", "ü"),
        ("GITHUB_TOKENS", "one two"),
        ("METRICS_TOKEN", "schlüssel"),
        ("ACCESS_TOKEN_MINUTES", "inf"),
        ("ACCESS_TOKEN_MINUTES", "nan"),
        ("ACCESS_TOKEN_MINUTES", "0"),
        ("REFRESH_TOKEN_DAYS", "1e300"),
        ("REFRESH_EVERY", "99999999999999d"),
        ("REFRESH_EVERY", "400d"),
        ("TRACK", "a b"),
        ("ADMIN_USERNAME", ""),
        ("ADMIN_USERNAME", "a/b"),
        ("ADMIN_USERNAME", "\u0430dmin"),
        ("HOST", ""),
        ("HOST", "a b"),
        ("HOST", "a..b"),
        ("DATA_DIR", ""),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://db/almanac"),
        ("DATABASE_URL", "postgresql://db/almanac?colour=blue"),
        ("DATABASE_URL", "postgresql://one:1,two:2,three/almanac?port=1,2"),
        ("DATABASE_URL", "postgresql://almanac:hunter2@one/almanac?host=two:x"),
        ("DATABASE_URL", "postgresql://almanac:hunter2%00@db/almanac"),
        ("DATABASE_DIRECT_URL", "mysql://db/almanac"),
        ("DATABASE_URL", "postgresql://almanac:hunter2@db:port/almanac"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("REDIS_URL", "redis://127.0.0.1:notaport/0"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "tools.example"),
        ("ALLOWED_ORIGINS", "https://tools.example,https://tools.example/app"),
        ("ALLOWED_ORIGINS", "https://*.example"),
        ("PUBLIC_URL", "https://bücher.example"),
    ],
)
def test_an_invalid_value_is_refused_by_the_name_of_the_setting(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (sentence,) = invalid_settings(refused.value)
    assert sentence.startswith(f"{name} is invalid: ")
    assert "hunter2" not in str(refused.value)


def test_settings_that_contradict_each_other_are_refused_without_blaming_one(monkeypatch):
    monkeypatch.setenv("GITHUB_APP_ID", "1")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert invalid_settings(refused.value) == [
        "a GitHub App needs all of GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY_FILE and GITHUB_APP_INSTALLATION_ID"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql+psycopg://almanac@/almanac?host=%2Frun&port=5432"),
        ("DATABASE_URL", "postgres://a:p%40ss@one:5432,two:5433/almanac?target_session_attrs=read-write"),
        ("DATABASE_URL", "postgresql://[::1]:5432/almanac?sslmode=verify-full"),
        ("DATABASE_URL", "postgresql:///almanac?host=one:5432&host=two&passfile=/run/pgpass"),
        ("REDIS_URL", "unix:///run/valkey.sock?db=3"),
        ("REDIS_URL", "rediss://:secret@valkey:6380/1"),
        ("GITHUB_API_URL", "https://ghe.example/api/v3/"),
        ("HOST", "::1"),
        ("ALLOWED_ORIGINS", "https://tools.example/, http://localhost:3000,http://[::1]:80"),
        ("HOST", "almanac.internal"),
    ],
)
def test_usual_forms_are_accepted(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    Settings()


TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.from_regex(r"[-+]?[0-9]{1,22}(\.[0-9]+)?(e[0-9]{1,3})?(m|h|d|/minute|/year)?", fullmatch=True),
    st.from_regex(r"(https?|postgresql|redis|unix)://[a-zü\[\]:@?#%,]{0,12}(:[0-9]{0,6})?/?[a-z]{0,3}", fullmatch=True),
    st.sampled_from(["inf", "nan", "-1", "true", "localhost", "0.0.0.0", "::", "1.2.3.4/33", "a,b", "\n", "~"]),
)


@given(st.sampled_from(sorted(Settings.model_fields)), TEXT)
def test_any_text_is_refused_in_one_sentence_or_works(name, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name.upper(), text)
        try:
            accepted = Settings(_env_file=None)
        except ValidationError as error:
            (sentence,) = invalid_settings(error)
            assert "\n" not in sentence.replace(text, "")
            return
    use(accepted)


def use(accepted):
    """Do with each setting what the processes do at their start."""
    now = datetime(2026, 11, 29, tzinfo=UTC)
    assert now + accepted.refresh_every > now
    assert now + timedelta(minutes=accepted.access_token_minutes) >= now
    assert now + timedelta(days=accepted.refresh_token_days) >= now
    httpx.URL(accepted.github_api_url)
    for token in (*accepted.github_tokens, accepted.metrics_token):
        httpx.Headers({"Authorization": f"Bearer {token.get_secret_value()}"})
    for kind in ("pages", "api", "track", "export", "sign_in"):
        if limit := getattr(accepted, f"limit_{kind}"):
            assert parse_limit(limit).get_expiry() > 0
    for proxy in accepted.trusted_proxies:
        ip_network(proxy, strict=False)
    accepted.data_dir.resolve()
    httpx.URL(accepted.base_url)
    assert all(origin == origin.lower() and origin.count("/") == 2 for origin in cross_origins(accepted))
    accepted.host.encode("idna" if ":" not in accepted.host else "ascii")
    if accepted.database_url:
        libpq.parameters(accepted.database_url)
    if accepted.redis_url:
        Redis.from_url(accepted.redis_url)


def test_a_printed_setting_shows_no_secret(monkeypatch):
    monkeypatch.setenv("GITHUB_TOKENS", "ghp_verysecret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://almanac:hunter2@db/almanac")
    assert "verysecret" not in repr(Settings())
    assert "hunter2" not in repr(Settings())


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.7", False), ("box", False)],
)
def test_only_addresses_of_this_machine_count_as_loopback(monkeypatch, host, is_loopback):
    monkeypatch.setenv("HOST", host)
    assert Settings().is_loopback_only is is_loopback


def test_the_public_url_defaults_to_the_listening_address(monkeypatch):
    assert Settings().base_url == "http://127.0.0.1:8501"
    monkeypatch.setenv("PUBLIC_URL", "https://almanac.example/")
    assert Settings().base_url == "https://almanac.example"


@pytest.mark.parametrize("url", ["https://a.example:x", "a.example", "https://", "ftp://x", "https://u:p@a.example/"])
def test_an_invalid_public_url_is_refused(url):
    with pytest.raises(ValidationError, match="without a path"):
        Settings(public_url=url, _env_file=None)


@pytest.mark.parametrize("url", ["https://a.example/x", "https://a.example?x", "https://a.example#x"])
def test_a_public_url_is_the_root(url):
    with pytest.raises(ValidationError, match="without a path"):
        Settings(public_url=url, _env_file=None)


def test_an_ipv6_address_is_normalized_as_in_browsers():
    assert Settings(host="::1", port=1234, _env_file=None).base_url == "http://[::1]:1234"


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, "open"),
        ({"public_url": "http://localhost:8501"}, "open"),
        ({"public_url": "https://almanac.example"}, "closed"),
        ({"host": "0.0.0.0"}, "closed"),
        ({"host": "0.0.0.0", "registration": "open"}, "open"),
    ],
)
def test_remote_registration_needs_an_invitation_by_default(given, mode):
    """Requests through a proxy on this machine count as remote."""
    assert Settings(**given, _env_file=None).registration_mode == mode


def test_a_direct_url_without_the_url_of_the_pooler_is_refused(monkeypatch):
    monkeypatch.setenv("DATABASE_DIRECT_URL", "postgresql://db/almanac")
    with pytest.raises(ValidationError, match="DATABASE_DIRECT_URL needs a DATABASE_URL"):
        Settings()
