"""Password rules and hashes: which passwords are accepted, and checks that take equally long for everyone."""

import unicodedata

import bcrypt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.auth import passwords
from core.errors import BadInput

SHIPPED_ROUNDS = passwords.ROUNDS  # read before the tests lower it
LONGEST_PASSWORD = "Aa1" + "x" * 125


def test_guessing_a_stolen_hash_costs_what_owasp_recommends_at_least():
    assert SHIPPED_ROUNDS >= 10


@pytest.mark.parametrize(
    "good",
    [
        "Password1",
        "Пароль12",  # any script with capitals
        "Ünïcödé٣",  # any digit
        "Aa1 with spaces and 🎉",
        "'; DROP TABLE person; --A1",
        "<script>A1</script>",
        LONGEST_PASSWORD,
    ],
)
def test_any_unicode_password_is_accepted(good: str) -> None:
    passwords.check_strength(good)
    assert passwords.verify_password(good, passwords.hash_password(good))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("", "at least 8 characters"),
        ("Short1", "at least 8 characters"),
        (LONGEST_PASSWORD + "x", "at most 128 characters"),
        ("Aa1" * 4_000, "at most 128 characters"),
        ("Aa1" * 1_000_000, "at most 128 characters"),
        ("password1", "at least one capital letter"),
        ("Password", "at least one digit"),
        ("Pass\0word1", "contains a character that cannot be used"),
        ("Password1\ud800", "contains a character that cannot be used"),
    ],
)
def test_a_weak_password_is_refused_with_what_is_missing(bad: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        passwords.check_strength(bad)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=140), st.text(max_size=140))
def test_only_the_same_password_matches_its_hash(one: str, other: str) -> None:
    stored = passwords.hash_password(one)
    assert passwords.verify_password(one, stored)
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert passwords.verify_password(other, stored) == same


def test_bytes_after_the_72nd_are_significant() -> None:
    stored = passwords.hash_password(LONGEST_PASSWORD)
    assert not passwords.verify_password(LONGEST_PASSWORD[:-1] + "y", stored)
    assert not passwords.verify_password(LONGEST_PASSWORD[:72], stored)


def test_composed_and_decomposed_characters_match() -> None:
    assert passwords.verify_password("Zoe\u0308 12345", passwords.hash_password("Zo\u00eb 12345"))


def test_spaces_are_significant() -> None:
    assert not passwords.verify_password("Password1", passwords.hash_password(" Password1 "))


@pytest.mark.parametrize("password", ["", "x", "\0", "\ud800", "x" * 10_000, "🎉" * 128])
def test_no_password_matches_a_missing_hash(password: str) -> None:
    assert not passwords.verify_password(password, None)


@pytest.mark.parametrize("stored", [None, "made below"])
@pytest.mark.parametrize("password", ["Password1", "wrong", "x" * 10_000])
def test_each_check_runs_bcrypt_exactly_once(
    stored: str | None, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = stored and passwords.hash_password("Password1")
    runs = []
    real = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *given: runs.append(given) or real(*given))
    monkeypatch.setattr(bcrypt, "hashpw", lambda *given: pytest.fail("hashed once more"))
    passwords.verify_password(password, stored)
    assert len(runs) == 1
    # A missing hash costs as much work as an existing one.
    assert runs[0][1].startswith(b"$2b$04$")


def test_equal_passwords_have_different_hashes() -> None:
    assert passwords.hash_password("Password1") != passwords.hash_password("Password1")
