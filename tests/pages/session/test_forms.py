"""The forms of streamlit-authenticator: what we use of it is there, and what we must not use is never reached."""

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest
import streamlit_authenticator as stauth
from streamlit_authenticator.controllers import AuthenticationController, CookieController
from streamlit_authenticator.utilities import Validator

from core.auth.identity import Origin
from core.errors import BadInput
from pages.session.forms import AuthenticationForms, CredentialsValidator, NullCookieController, PeopleController


def test_it_is_the_version_whose_members_we_replace():
    assert version("streamlit-authenticator") == "0.4.2"


@pytest.mark.parametrize("name", ["login", "register_user"])
def test_the_desk_takes_everything_that_the_widgets_hand_over(name):
    """The widgets call the controller by position: ours must accept each of its parameters, in its order."""
    theirs = list(inspect.signature(getattr(AuthenticationController, name)).parameters)
    ours = inspect.signature(getattr(PeopleController, name))
    named = [parameter for parameter in ours.parameters if not parameter.startswith("_")]
    assert theirs[: len(named)] == named
    ours.bind(*[""] * len(theirs))


def test_the_widgets_ask_only_for_what_stands_in_their_place():
    """All that `login` and `register_user` read of the object they belong to."""
    forms = AuthenticationForms(Origin())
    for widget in (stauth.Authenticate.login, stauth.Authenticate.register_user):
        for name in inspect.getsource(widget).split("self.")[1:]:
            attribute = name.split("(")[0].split(".")[0].split(",")[0].split(")")[0].split(" ")[0].split("\n")[0]
            if attribute not in {"secret_key", "__two_factor_auth"}:  # of captchas and second factors: never asked for
                assert hasattr(forms, attribute), attribute


def test_there_is_no_cookie_and_nothing_sleeps():
    assert {name for name, _ in inspect.getmembers(CookieController, inspect.isfunction) if name[0] != "_"} <= set(
        dir(NullCookieController)
    )
    assert not isinstance(AuthenticationForms(Origin()).cookie_controller, CookieController)
    assert AuthenticationForms(Origin()).attrs["login_sleep_time"] == 0


def test_the_policy_answers_whatever_the_library_may_ask():
    asked = {name for name, _ in inspect.getmembers(Validator, inspect.isfunction) if name.startswith("validate_")}
    assert asked - {"validate_length"} <= set(vars(CredentialsValidator))


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ("validate_username", "أحمد 🦉", "\0"),
        ("validate_username", "a", "a" * 10_000),
        ("validate_email", "a@b.example", "nobody"),
        ("validate_name", "Łukasz O'Neill-李", "a\tb"),
        ("validate_password", "Пароль 1 с пробелом", "password1"),
        ("validate_password", "A1" + "x" * 126, "A1" + "x" * 127),
    ],
)
def test_what_may_be_used_is_decided_by_our_own_rules(check, good, bad):
    assert getattr(CredentialsValidator(), check)(good)
    with pytest.raises(BadInput):
        getattr(CredentialsValidator(), check)(bad)


def test_a_password_is_told_what_it_lacks():
    assert CredentialsValidator().diagnose_password("Passw0rd") == ""
    assert "capital" in CredentialsValidator().diagnose_password("passw0rd")


def test_the_core_never_loads_it():
    loaded = (
        "import core.auth.sign_in, core.auth.tickets, core.web.routes.session, sys; print('streamlit' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
