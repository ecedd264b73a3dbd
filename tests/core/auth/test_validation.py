"""Names may use any script and emoji and are stored unchanged; invalid ones are refused with a sentence."""

import unicodedata

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core.auth.validation import check_display_name, check_email, check_username
from core.errors import BadInput


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "x" * 64,
        "Grace Hopper",
        "o'brien-42_b.c",
        "🎉",
        "👩\u200d💻",
        "مريم",
        "משה",
        "李雷",
        "<script>alert(1)</script>".replace("/", "|"),
        "'; DROP TABLE person; --",
        "admin\u0430",
        "%s{0}${x}",
    ],
)
def test_names_in_any_script_are_accepted_unchanged(name: str) -> None:
    assert check_username(name) == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "at least one character"),
        ("   ", "at least one character"),
        ("x" * 65, "at most 64 characters"),
        ("x" * 10_000, "at most 64 characters"),
        (" ada", "cannot begin or end with a space"),
        ("ada\u00a0", "cannot begin or end with a space"),
        ("\u200dada", "cannot begin or end with a space"),
        ("ad\0a", "cannot contain invisible characters"),
        ("ad\na", "cannot contain invisible characters"),
        ("ad\u202ea", "cannot contain invisible characters"),
        ("ad\u200ba", "cannot contain invisible characters"),
        ("ad\ud800a", "cannot contain invisible characters"),
        ("a/b", "a slash"),
    ],
)
def test_an_invalid_name_is_refused_with_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        check_username(name)


def test_composed_and_decomposed_names_are_equal() -> None:
    assert check_username("Zoe\u0308") == check_username("Zo\u00eb") == "Zo\u00eb"


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(st.text(max_size=80))
def test_a_normalized_name_is_valid(name: str) -> None:
    try:
        normalized = check_username(name)
    except BadInput:
        assume(False)
    assert check_username(normalized) == normalized == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("email", ["ada@example.org", "a.b+c@sub.example.co.uk", "дада@пример.рф"])
def test_valid_email_addresses_are_accepted(email: str) -> None:
    assert check_email(email) == email


@pytest.mark.parametrize("nothing", ["", None])
def test_address_and_display_name_are_optional(nothing: str | None) -> None:
    assert check_email(nothing) is None
    assert check_display_name(nothing) is None


@pytest.mark.parametrize(
    "email", ["ada", "@", "ada@", "ada@x", "a@b@c.org", "a b@c.org", "ada@x..org", "a\n@x.org", "\0@x.org", "x" * 300]
)
def test_an_invalid_email_address_is_refused(email: str) -> None:
    with pytest.raises(BadInput):
        check_email(email)
