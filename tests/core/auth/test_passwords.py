"""Passwords: which may be used, and that what is stored tells nothing and takes as long for everybody."""

import unicodedata

import bcrypt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.auth import passwords
from core.errors import BadInput

LONGEST_PASSWORD = "Aa1" + "x" * 125


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
def test_any_unicode_will_do(good: str) -> None:
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
        ("Pass\0word1", "cannot contain a NUL"),
        ("Password1\ud800", "lone surrogate"),
    ],
)
def test_what_is_missing_is_said(bad: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        passwords.check_strength(bad)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=140), st.text(max_size=140))
def test_a_password_fits_itself_and_no_other(one: str, other: str) -> None:
    stored = passwords.hash_password(one)
    assert passwords.verify_password(one, stored)
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert passwords.verify_password(other, stored) == same


def test_nothing_beyond_72_bytes_is_lost() -> None:
    stored = passwords.hash_password(LONGEST_PASSWORD)
    assert not passwords.verify_password(LONGEST_PASSWORD[:-1] + "y", stored)
    assert not passwords.verify_password(LONGEST_PASSWORD[:72], stored)


def test_a_password_typed_on_another_keyboard_is_the_same() -> None:
    assert passwords.verify_password("Zoe\u0308 12345", passwords.hash_password("Zo\u00eb 12345"))


def test_spaces_belong_to_a_password() -> None:
    assert not passwords.verify_password("Password1", passwords.hash_password(" Password1 "))


@pytest.mark.parametrize("password", ["", "x", "\0", "\ud800", "x" * 10_000, "🎉" * 128])
def test_without_a_stored_password_none_fits(password: str) -> None:
    assert not passwords.verify_password(password, None)


@pytest.mark.parametrize("stored", [None, "made below"])
@pytest.mark.parametrize("password", ["Password1", "wrong", "x" * 10_000])
def test_bcrypt_runs_exactly_once_for_everybody(
    stored: str | None, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = stored and passwords.hash_password("Password1")
    runs = []
    real = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *given: runs.append(given) or real(*given))
    monkeypatch.setattr(bcrypt, "hashpw", lambda *given: pytest.fail("hashed once more"))
    passwords.verify_password(password, stored)
    assert len(runs) == 1
    # As much work for nobody's hash as for anybody's.
    assert runs[0][1].startswith(b"$2b$04$")


def test_two_people_with_one_password_are_stored_differently() -> None:
    assert passwords.hash_password("Password1") != passwords.hash_password("Password1")
