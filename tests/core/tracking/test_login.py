import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tracking.login import BadLogin, parse_login


@pytest.mark.parametrize(
    ("typed", "login"),
    [
        ("octocat", "octocat"),
        (" octocat\n", "octocat"),
        ("@octocat", "octocat"),
        ("https://github.com/octocat", "octocat"),
        ("http://www.github.com/octocat/", "octocat"),
        ("github.com/octocat/Hello-World", "octocat"),
        ("https://GitHub.com/octocat?tab=repositories", "octocat"),
        ("https://github.com/octocat#readme", "octocat"),
        ("https://github.com/orgs/pallets/repositories", "pallets"),
        ("a", "a"),
        ("0-9", "0-9"),
        ("mona-cat_octo", "mona-cat_octo"),
        ("x" * 39, "x" * 39),
    ],
)
def test_logins_and_urls_are_parsed(typed, login):
    assert parse_login(typed) == login


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "@",
        "@@octocat",
        "octo cat",
        "-octocat",
        "octocat-",
        "octo--cat",
        "octo.cat",
        "octocat/Hello-World",
        "x" * 40,
        "öctocat",
        "octocat\x00",
        "octocat; rm -rf /",
        "../../etc/passwd",
        "https://gitlab.com/octocat",
        "https://github.com",
        "https://github.com/",
        "https://github.com/settings/tokens",
        "https://github.com.evil.example/octocat",
        "https://github.com@evil.example/octocat",
        "javascript:alert(1)",
        "_octocat",
        "octocat_",
        "٣٤",
    ],
)
def test_anything_else_is_refused_with_a_sentence(typed):
    with pytest.raises(BadLogin) as refused:
        parse_login(typed)
    assert len(str(refused.value)) > 20
    assert len(str(refused.value)) < 200


@given(st.text(max_size=200))
def test_any_text_is_a_valid_login_or_refused(typed):
    """A parsed login needs no quoting in a URL or a query."""
    try:
        login = parse_login(typed)
    except BadLogin:
        return
    assert login.isascii()
    assert all(sign.isalnum() or sign in "-_" for sign in login)
    assert 1 <= len(login) <= 39
    assert parse_login(login) == login
