"""Settings are read once, validated, documented in the README, and never print a secret."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.settings import Settings, format_duration
from core.settings_report import readme_table

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_shows_the_table_of_settings():
    assert readme_table() in README.read_text(encoding="utf-8"), f"README.md needs this table:\n{readme_table()}"


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
    ],
)
def test_an_invalid_value_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


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
