"""streamlit-authenticator: the members we replace exist, and those we must not use are never reached."""

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


def test_the_pinned_version_is_installed():
    assert version("streamlit-authenticator") == "0.4.2"


@pytest.mark.parametrize("name", ["login", "register_user"])
def test_the_controller_accepts_all_arguments_of_the_widgets(name):
    """The widgets call the controller by position, so ours must accept the same parameters in the same order."""
    theirs = list(inspect.signature(getattr(AuthenticationController, name)).parameters)
    ours = inspect.signature(getattr(PeopleController, name))
    named = [parameter for parameter in ours.parameters if not parameter.startswith("_")]
    assert theirs[: len(named)] == named
    ours.bind(*[""] * len(theirs))


def test_the_widgets_read_only_attributes_that_exist():
    """Every attribute of self that `login` and `register_user` read is set."""
    forms = AuthenticationForms(Origin())
    for widget in (stauth.Authenticate.login, stauth.Authenticate.register_user):
        for name in inspect.getsource(widget).split("self.")[1:]:
            attribute = name.split("(")[0].split(".")[0].split(",")[0].split(")")[0].split(" ")[0].split("\n")[0]
            if attribute not in {
                "secret_key",
                "__two_factor_auth",
            }:  # only for captchas and second factors, which we do not use
                assert hasattr(forms, attribute), attribute


def test_no_cookie_is_set_and_no_login_delayed():
    assert {name for name, _ in inspect.getmembers(CookieController, inspect.isfunction) if name[0] != "_"} <= set(
        dir(NullCookieController)
    )
    assert not isinstance(AuthenticationForms(Origin()).cookie_controller, CookieController)
    assert AuthenticationForms(Origin()).attrs["login_sleep_time"] == 0


def test_the_validator_overrides_every_check_of_the_library():
    checks = {name for name, _ in inspect.getmembers(Validator, inspect.isfunction) if name.startswith("validate_")}
    assert checks - {"validate_length"} <= set(vars(CredentialsValidator))


@pytest.mark.parametrize(
    ("check", "valid", "invalid"),
    [
        ("validate_username", "Ada.L-0_9", "أحمد 🦉"),
        ("validate_username", "a" * 32, "a" * 33),
        ("validate_username", "ada", "\0"),
        ("validate_email", "a@b.example", "nobody"),
        ("validate_name", "Łukasz O'Neill-李", "a\tb"),
        ("validate_password", "Пароль 1 с пробелом", "password1"),
        ("validate_password", "A1" + "x" * 126, "A1" + "x" * 127),
    ],
)
def test_validation_uses_our_own_rules(check, valid, invalid):
    assert getattr(CredentialsValidator(), check)(valid)
    with pytest.raises(BadInput):
        getattr(CredentialsValidator(), check)(invalid)


def test_a_refused_password_gets_the_reason():
    assert CredentialsValidator().diagnose_password("Passw0rd") == ""
    assert "capital" in CredentialsValidator().diagnose_password("passw0rd")


def test_core_never_imports_streamlit():
    script = (
        "import core.auth.sign_in, core.auth.tickets, core.web.routes.session, sys; print('streamlit' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
