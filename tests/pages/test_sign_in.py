"""Sign-in, registration and password reset through the real forms."""

import pytest
from sqlalchemy import text

from core.auth import people, sign_in, tickets
from core.auth.identity import Origin
from core.settings import settings
from tests.pages.wording import page_text

PASSWORD = "A passphrase with 1 digit"
UNUSUAL_PASSWORDS = {
    "one character": "x",
    "128 characters": "A1" + "x" * 126,
    "10,000 characters": "A1" + "x" * 9_998,
    "emoji": "A1 🦉🏳️‍🌈 passphrase",
    "right to left": "A1 كلمة مرور טובה",
    "NUL": "A1 nul\0 inside",
    "SQL": "A1'; DROP TABLE person; --",
    "HTML": "A1<script>alert(1)</script>",
}


@pytest.fixture
def without_limit(monkeypatch):
    monkeypatch.setenv("LIMIT_SIGN_IN", "")
    settings.cache_clear()


def find_field(shown, label):
    return next(each for each in shown.text_input if each.label == label)


def press(shown, label):
    return next(each for each in shown.button if each.label == label).click().run()


def sign_in_as(shown, username, password):
    find_field(shown, "Username").set_value(username)
    find_field(shown, "Password").set_value(password)
    return press(shown, "Sign in")


def register(shown, username, password, repeated=None):
    find_field(shown, "Username").set_value(username)
    find_field(shown, "Password").set_value(password)
    find_field(shown, "Repeat password").set_value(password if repeated is None else repeated)
    return press(shown, "Create account")


def tickets_issued(database) -> int:
    return database.scalar(text("SELECT count(*) FROM ticket WHERE purpose = 'sign_in'"))


def test_the_right_password_issues_one_ticket_that_is_not_stored(visit, person, database):
    person("ada", password=PASSWORD)
    shown = sign_in_as(visit(), "ADA", PASSWORD)
    assert "Signing you in" in page_text(shown)
    assert tickets_issued(database) == 1
    shown.run()
    assert tickets_issued(database) == 1
    assert "ticket" not in repr(shown.session_state)
    assert "Signing you in" not in page_text(shown)


def test_an_unknown_name_and_a_wrong_password_get_the_same_sentence(visit, person, database):
    person("ada", password=PASSWORD)
    texts = {
        page_text(sign_in_as(visit(), *given)) for given in (("ada", "Wrong 1234"), ("nobody", PASSWORD), ("", ""))
    }
    assert len(texts) == 1
    assert "Username or password is wrong." in texts.pop()
    assert tickets_issued(database) == 0


def test_too_many_failures_are_reported_with_their_reset(visit, person):
    person("ada", password=PASSWORD)
    shown = visit()
    for _ in range(6):
        sign_in_as(shown, "ada", "Wrong 1234")
    assert "sign-ins have failed within 15 minutes" in page_text(shown)
    assert not shown.exception


@pytest.mark.parametrize("what", UNUSUAL_PASSWORDS)
def test_no_username_or_password_breaks_the_forms(visit, database, without_limit, what):
    given = UNUSUAL_PASSWORDS[what]
    shown = sign_in_as(visit(), given, given)
    assert not shown.exception
    assert not shown.error
    assert "Username or password is wrong." in page_text(shown)
    shown = register(visit("register"), given, given)
    assert not shown.exception
    assert not shown.error
    assert database.scalar(text("SELECT count(*) FROM person")) == 0
    assert shown.warning


def test_a_password_of_128_characters_registers_and_signs_in(visit, without_limit, database):
    shown = register(visit("register"), "ada", UNUSUAL_PASSWORDS["128 characters"])
    assert "Signing you in" in page_text(shown)
    assert "Signing you in" in page_text(sign_in_as(visit(), "ada", UNUSUAL_PASSWORDS["128 characters"]))
    assert "is wrong" in page_text(sign_in_as(visit(), "ada", UNUSUAL_PASSWORDS["128 characters"] + "x"))


def test_spaces_around_a_password_belong_to_it(visit, without_limit):
    register(visit("register"), "ada", "  Passphrase 1 ")
    assert "Signing you in" in page_text(sign_in_as(visit(), " ada ", "  Passphrase 1 "))
    assert "is wrong" in page_text(sign_in_as(visit(), "ada", "Passphrase 1"))


@pytest.mark.parametrize(
    ("username", "password", "repeated", "reason"),
    [
        ("ada", "passphrase 1", None, "needs at least one capital letter"),
        ("ada", PASSWORD, "Another 1", "The two passwords differ"),
        ("", PASSWORD, None, "A username has 3 to 32 characters"),
        ("READER", PASSWORD, None, "The username READER is taken"),
    ],
)
def test_a_refused_registration_shows_the_reason(visit, person, username, password, repeated, reason):
    person("reader")
    shown = register(visit("register"), username, password, repeated)
    assert reason in page_text(shown)
    assert people.find_by_username("ada") is None


def test_closed_registration_is_shown(visit, monkeypatch):
    monkeypatch.setenv("REGISTRATION", "closed")
    settings.cache_clear()
    shown = visit("register")
    assert "Registration is closed" in page_text(shown)
    assert not shown.text_input
    assert "Accounts are created by an admin" in page_text(visit())


def test_an_invitation_is_required_shows_its_offer_and_works_once(visit, monkeypatch):
    monkeypatch.setenv("REGISTRATION", "invite")
    settings.cache_clear()
    secret = tickets.issue_invite("tests", Origin(), role="admin", email="eve@example.org")
    shown = visit("register")
    assert "An account needs an invitation" in page_text(shown)
    find_field(shown, "Paste the link or the code you were sent").set_value(f"http://127.0.0.1/register#{secret}").run()
    assert "You are invited as **admin**, with the e-mail address eve" in page_text(shown)
    register(shown, "ada", PASSWORD)
    assert people.find_by_username("ada").role == "admin"
    again = visit("register")
    find_field(again, "Paste the link or the code you were sent").set_value(secret).run()
    assert "This invitation expired or was already used" in page_text(again)


def test_a_reset_link_sets_the_password_without_signing_in(visit, person, database):
    ada = person("ada", password=PASSWORD)
    secret = tickets.issue_reset("tests", ada.id, Origin())
    shown = visit("reset")
    find_field(shown, "Link").set_value(secret).run()
    assert "For **ada**" in page_text(shown)
    assert shown.checkbox[0].value
    find_field(shown, "New password").set_value("Another passphrase 2")
    find_field(shown, "Repeat password").set_value("Another passphrase")
    assert "The two passwords differ" in page_text(press(shown, "Set password"))
    find_field(shown, "Repeat password").set_value("Another passphrase 2")
    shown = press(shown, "Set password")
    assert "The new password of ada is set" in page_text(shown)
    assert sign_in.sign_in("ada", "Another passphrase 2", Origin()).id == ada.id
    assert database.scalar(text("SELECT count(*) FROM session")) == 0


def test_a_refused_ticket_is_a_sentence(visit):
    from pages.session import browser

    shown = visit()
    for status, reason in (("401", "blocks the cookies"), ("403", "another URL"), ("0", "did not respond")):
        shown.session_state[browser.TICKET_REFUSED_KEY] = status
        assert reason in page_text(shown.run())
