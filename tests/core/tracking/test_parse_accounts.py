"""Pasted lists and spreadsheets are parsed into logins; everything else is reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.tracking import parse_accounts
from core.tracking.parse_accounts import ParsedAccounts, RejectedEntry

LOGINS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "logins"),
    [
        ("octocat", ["octocat"]),
        ("octocat\nhubot\n", ["octocat", "hubot"]),
        ("octocat, hubot;  torvalds", ["octocat", "hubot", "torvalds"]),
        ("https://github.com/pallets\n@octocat", ["pallets", "octocat"]),
        ("- octocat\n* Link-\n1. a--b\n-x-", ["octocat", "Link-", "a--b", "-x-"]),
        ("[The Octocat](https://github.com/octocat), [Link, -](https://github.com/Link-)", ["octocat", "Link-"]),
        ("<https://github.com/octocat>", ["octocat"]),
        ("stars,html_url\n1,https://github.com/octocat", ["octocat"]),
        # the login of a table that has repositories too
        ("full_name,account\npallets/flask,octocat", ["octocat"]),
        ("# our own\noctocat\n\n  # and\nhubot", ["octocat", "hubot"]),
        ("login,stars\noctocat,5\nhubot,7", ["octocat", "hubot"]),
        ("name;Login\nMona;octocat", ["octocat"]),
        ("url\thow many\nhttps://github.com/octocat\t3", ["octocat"]),
        ('"login","note"\n"octocat","a, b"', ["octocat"]),
        ("\ufefflogin\noctocat", ["octocat"]),
        ("login\r\noctocat\r\nhubot", ["octocat", "hubot"]),
        ("", []),
        ("   \n ", []),
    ],
)
def test_lists_and_tables_are_parsed(text, logins):
    assert parse_accounts.parse_accounts(text) == ParsedAccounts(tuple(logins))


def test_duplicates_are_removed_and_reported():
    assert parse_accounts.parse_accounts("Octocat octocat hubot") == ParsedAccounts(
        ("Octocat", "hubot"), duplicates=("octocat",)
    )


def test_an_invalid_login_is_reported_with_its_line():
    read = parse_accounts.parse_accounts("octocat\nno_such-\n/etc/passwd")
    assert read.logins == ("octocat",)
    assert [(one.line, one.text) for one in read.rejected] == [(2, "no_such-"), (3, "/etc/passwd")]
    assert all("login" in one.reason for one in read.rejected)


def test_line_numbers_of_a_table_include_the_header():
    read = parse_accounts.parse_accounts("login,stars\noctocat,1\n-,2")
    assert read.rejected == (RejectedEntry(3, "-", read.rejected[0].reason),)


@pytest.mark.parametrize("heading", ["full_name", "repository", "repo", "Full_Name"])
def test_a_column_of_repositories_gives_their_owners(heading):
    read = parse_accounts.parse_accounts(f"{heading},stars\npallets/flask,1\npallets/jinja,2\nflask,3")
    assert read.logins == ("pallets",)
    assert read.repositories == ("pallets/flask", "pallets/jinja")
    # A name alone would be taken for an account's.
    assert [(one.line, one.text) for one in read.rejected] == [(4, "flask")]
    assert "names no repository" in read.rejected[0].reason


def test_owners_taken_from_a_list_are_reported():
    read = parse_accounts.parse_accounts("pallets/flask\ngit@github.com:octocat/x.git\nhubot")
    assert read.logins == ("pallets", "octocat", "hubot")
    assert read.repositories == ("pallets/flask", "octocat/x")


def test_too_many_accounts_are_refused():
    with pytest.raises(BadInput):
        parse_accounts.parse_accounts("a" * (parse_accounts.MAX_LENGTH + 1))


@given(st.lists(LOGINS, max_size=30), st.sampled_from(["\n", ", ", ";", " ", "\r\n", "\t"]))
def test_no_login_is_lost_with_any_separator(logins, between):
    text = between.join(logins)
    read = parse_accounts.parse_accounts("# list\n" + text)
    if not set(logins) & set(parse_accounts.LOGIN_HEADINGS):
        assert list(read.logins) == list(dict.fromkeys(logins))
        assert len(read.logins) + len(read.duplicates) == len(logins)


@given(st.text(max_size=2000))
def test_any_text_is_parsed_or_refused_with_a_sentence(text):
    try:
        read = parse_accounts.parse_accounts(text)
    except BadInput:
        return
    assert len({login.lower() for login in read.logins}) == len(read.logins)
