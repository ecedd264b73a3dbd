"""Logins that exist on GitHub, and the forms of names and URLs that people paste."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import github_site
from core.tracking.login import BadLogin, ParsedName, parse_login, parse_name, parse_repository

FLASK = ParsedName("pallets", "flask")


@pytest.fixture
def use_api_url(monkeypatch):
    """Return a function that sets GITHUB_API_URL for the test."""

    def use(url: str) -> None:
        class Configured:
            github_api_url = url

        monkeypatch.setattr(github_site, "settings", Configured)

    return use


@pytest.mark.parametrize(
    ("typed", "login"),
    [
        ("octocat", "octocat"),
        (" octocat\n", "octocat"),
        ("@octocat", "octocat"),
        ("a", "a"),
        ("0-9", "0-9"),
        ("mona-cat_octo", "mona-cat_octo"),
        ("x" * 39, "x" * 39),
        # of accounts that could not be registered today
        ("Link-", "Link-"),
        ("a--b", "a--b"),
        ("foo-", "foo-"),
        ("-x-", "-x-"),
        ("@-x-", "-x-"),
        ("Rob--W", "Rob--W"),
        ("koral--", "koral--"),
        # URLs of accounts
        ("https://github.com/octocat", "octocat"),
        ("http://www.github.com/octocat/", "octocat"),
        ("HTTPS://GITHUB.COM/octocat", "octocat"),
        ("//github.com/octocat", "octocat"),
        ("https://github.com:443/octocat", "octocat"),
        ("https://GitHub.com/octocat?tab=repositories", "octocat"),
        ("https://github.com/octocat#readme", "octocat"),
        ("https://github.com/Link-", "Link-"),
        ("github.com/octocat.", "octocat"),
        ("https://github.com/orgs/pallets/repositories", "pallets"),
        ("https://github.com/orgs/x", "x"),
        ("https://github.com/sponsors/octocat", "octocat"),
        ("https://gist.github.com/octocat/0123456789abcdef", "octocat"),
        ("https://api.github.com/users/octocat", "octocat"),
        ("https://api.github.com/users/octocat/repos?page=2", "octocat"),
        ("https://api.github.com/orgs/pallets", "pallets"),
        ("https://user:secret@github.com/octocat", "octocat"),
        # in prose
        ("<https://github.com/octocat>", "octocat"),
        ("[The Octocat](https://github.com/octocat)", "octocat"),
        ('[The Octocat](https://github.com/octocat "a title")', "octocat"),
        ("`octocat`", "octocat"),
        ('"octocat"', "octocat"),
    ],
)
def test_logins_and_urls_are_parsed(typed, login):
    assert parse_name(typed) == ParsedName(login)
    assert parse_login(typed) == login


@pytest.mark.parametrize(
    "typed",
    [
        "pallets/flask",
        "@pallets/flask",
        "pallets/flask.git",
        "pallets/flask#main",
        "pallets/flask@3.0.0",
        "github:pallets/flask",
        "github.com/pallets/flask",
        "https://github.com/pallets/flask",
        "https://github.com/pallets/flask.git",
        "https://github.com/pallets/flask/tree/main/src?plain=1#L3",
        "git@github.com:pallets/flask.git",
        "github.com:pallets/flask.git",
        "ssh://git@github.com/pallets/flask.git",
        "ssh://git@ssh.github.com:443/pallets/flask.git",
        "git://github.com/pallets/flask.git",
        "git+https://github.com/pallets/flask.git@main",
        "git+ssh://git@github.com/pallets/flask.git",
        "<https://github.com/pallets/flask>",
        "[Flask, a framework](https://github.com/pallets/flask)",
        "https://api.github.com/repos/pallets/flask/issues/1",
        "https://raw.githubusercontent.com/pallets/flask/main/README.md",
        "https://codeload.github.com/pallets/flask/zip/main",
    ],
)
def test_a_repository_is_parsed_with_its_owner(typed):
    assert parse_name(typed) == FLASK
    assert parse_login(typed) == "pallets"
    assert parse_repository(typed) == "pallets/flask"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "@",
        "-",
        "--",
        "@@octocat",
        "octo cat",
        "octo.cat",
        "x" * 40,
        "öctocat",
        "octocat\x00",
        "octocat; rm -rf /",
        "../../etc/passwd",
        "/etc/passwd",
        "octocat/..",
        "octocat/a b",
        "src/main/java",
        "https://gitlab.com/octocat",
        "gitlab.com/octocat",
        "git@gitlab.com:octocat/x.git",
        "https://github.com",
        "https://github.com/",
        "https://github.com/settings/tokens",
        "https://github.com/team",
        "https://github.com/enterprises/acme",
        "https://github.com/readme",
        "https://github.com/customer-stories/acme",
        "https://github.com/topics/python",
        "https://github.com/orgs",
        "github.com/marketplace",
        "topics/python",
        "https://api.github.com/rate_limit",
        "https://github.com.evil.example/octocat",
        "https://github.com@evil.example/octocat",
        "https://github.com\\@evil.example/octocat",
        "http://[::1/octocat",
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


def test_a_password_in_a_url_is_not_repeated():
    with pytest.raises(BadLogin) as refused:
        parse_login("https://user:secret@evil.example/octocat")
    assert "secret" not in str(refused.value)


def test_an_account_is_no_repository():
    with pytest.raises(BadLogin, match="names no repository"):
        parse_repository("pallets")


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


@given(st.from_regex(r"-{0,2}[A-Za-z0-9][A-Za-z0-9-]{0,29}(_[a-z0-9]{1,6})?", fullmatch=True))
@example("-" * 2 + "0" * 30 + "_000000")
def test_a_login_means_the_same_in_every_form(login):
    for form in ("{}", "@{}", "https://github.com/{}", "git@github.com:{}/x.git", "{}/x", "[x](https://github.com/{})"):
        if form.startswith(("{}/", "https", "git", "[")) and login.lower() in {"orgs", "users", "stars"}:
            continue
        try:
            assert parse_login(form.format(login)) == login
        except BadLogin as error:
            assert "is a page of GitHub" in str(error)  # noqa: PT017 - a random word can be one


ENTERPRISE = "https://github.acme.example/api/v3"


@pytest.mark.parametrize(
    ("api_url", "root"),
    [
        ("https://api.github.com", "https://github.com"),
        (ENTERPRISE, "https://github.acme.example"),
        ("http://ghe.local:8080/api/v3", "http://ghe.local:8080"),
        ("https://api.octocorp.ghe.com", "https://octocorp.ghe.com"),
        # a double of GitHub
        ("http://127.0.0.1:9000", "https://github.com"),
    ],
)
def test_the_web_site_is_derived_from_the_api(use_api_url, api_url, root):
    use_api_url(api_url)
    assert github_site.web_root() == root
    assert github_site.page_url("pallets/flask") == f"{root}/pallets/flask"


def test_with_an_enterprise_server_urls_are_of_that_server(use_api_url):
    use_api_url(ENTERPRISE)
    for typed in (
        "https://github.acme.example/pallets/flask",
        "github.acme.example/pallets/flask",
        "git@github.acme.example:pallets/flask.git",
        "ssh://git@github.acme.example/pallets/flask.git",
        "https://github.acme.example/api/v3/repos/pallets/flask",
        "https://github.acme.example/raw/pallets/flask/main/x".replace("/raw", ""),
        "pallets/flask",
    ):
        assert parse_name(typed) == FLASK
    for typed in ("https://github.com/pallets", "git@github.com:pallets/flask.git", "https://api.github.com/users/x"):
        with pytest.raises(BadLogin, match=r"github\.acme\.example"):
            parse_login(typed)


def test_a_double_of_githubs_api_is_part_of_github_com(use_api_url):
    use_api_url("http://127.0.0.1:9000")
    assert parse_login("http://127.0.0.1:9000/users/octocat") == "octocat"
    assert parse_login("https://github.com/octocat") == "octocat"
