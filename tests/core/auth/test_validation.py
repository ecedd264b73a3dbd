"""Usernames are plain ASCII, display names any script; invalid ones are refused with a sentence."""

import string
import unicodedata

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from core.auth.people import FOLDED_USERNAME
from core.auth.validation import check_display_name, check_email, check_username, fold_username
from core.errors import BadInput


@pytest.mark.parametrize("name", ["ada", "Ada", "0x0", "a--", "a._-", "3e5", "x" * 32, "grace.hopper-1906_b"])
def test_a_username_is_3_to_32_letters_digits_dots_hyphens_and_underscores(name: str) -> None:
    assert check_username(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "ab",
            "x" * 33,
            "x" * 10_000,
            ".ada",
            "-ada",
            "_ada",
            " ada",
            "ada ",
            "ada\n",
            "ad a",
            "a/b",
            "ada@x",
            "o'brien",
        ),
        *("\u0430dmin", "\u0130da", "\u0131da", "\u212aim", "\uff41da", "Zo\u00eb", "مريم", "李雷雷", "👩\u200d💻🎉"),
        *("ad\0a", "ad\u202ea", "ad\u200ba", "ad\ud800a", "٣٣٣"),
    ],
)
def test_a_username_that_could_look_like_another_is_refused_with_a_sentence(name: str) -> None:
    """Cyrillic а, Turkish İ and ı, the Kelvin sign and full-width letters among them."""
    with pytest.raises(BadInput, match="3 to 32 characters: the letters A to Z"):
        check_username(name)


@given(st.text(max_size=40))
def test_valid_usernames_are_those_of_the_grammar(name: str) -> None:
    letters_and_digits = string.ascii_letters + string.digits
    is_valid = 3 <= len(name) <= 32 and set(name) <= set(letters_and_digits + "._-") and name[0] in letters_and_digits
    try:
        assert check_username(name) == name
    except BadInput:
        assert not is_valid
    else:
        assert is_valid


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12), max_size=20))
def test_the_database_folds_usernames_like_this_process(database: Connection, names: list[str]) -> None:
    sql = text(
        f"SELECT {FOLDED_USERNAME} FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS one (username, n) ORDER BY n"
    )
    assert database.scalars(sql, {"names": names}).all() == [fold_username(name) for name in names]


@pytest.mark.parametrize(
    "name",
    ["x", "Grace Hopper", "o'brien-42_b.c", "👩\u200d💻", "مريم", "李雷", "'; DROP TABLE person; --", "%s{0}${x}"],
)
def test_display_names_in_any_script_are_accepted_unchanged(name: str) -> None:
    assert check_display_name(name) == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("   ", "at least one character"),
        ("x" * 101, "at most 100 characters"),
        ("x" * 10_000, "at most 100 characters"),
        (" ada", "cannot begin or end with a space"),
        ("ada\u00a0", "cannot begin or end with a space"),
        ("\u200dada", "cannot begin or end with a space"),
        ("ad\0a", "cannot contain invisible characters"),
        ("ad\na", "cannot contain invisible characters"),
        ("ad\u202ea", "cannot contain invisible characters"),
        ("ad\u200ba", "cannot contain invisible characters"),
        ("ad\ud800a", "cannot contain invisible characters"),
    ],
)
def test_an_invalid_display_name_is_refused_with_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        check_display_name(name)


def test_composed_and_decomposed_names_are_equal() -> None:
    assert check_display_name("Zoe\u0308") == check_display_name("Zo\u00eb") == "Zo\u00eb"


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(st.text(min_size=1, max_size=110))
def test_a_normalized_display_name_is_valid(name: str) -> None:
    try:
        normalized = check_display_name(name)
    except BadInput:
        assume(False)
    assert check_display_name(normalized) == normalized == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("email", ["ada@example.org", "a.b+c@sub.example.co.uk", "дада@пример.рф"])
def test_valid_email_addresses_are_accepted(email: str) -> None:
    assert check_email(email) == email


@pytest.mark.parametrize("nothing", ["", None])
def test_address_and_display_name_are_optional(nothing: str | None) -> None:
    assert check_email(nothing) is None
    assert check_display_name(nothing) is None


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "@",
        "ada@",
        "ada@x",
        "a@b@c.org",
        "a b@c.org",
        "ada@x..org",
        "a\n@x.org",
        "\0@x.org",
        "x" * 300,
        "<b>@x.org",
        "ada@<b>.org",
        "a,b@x.org",
    ],
)
def test_an_invalid_email_address_is_refused(email: str) -> None:
    with pytest.raises(BadInput):
        check_email(email)
