"""The sign-in and registration forms of streamlit-authenticator over our own people.

Only the library's widgets are used, and its Validator as a base class. Never reached: its cookie (scripts can read it
and it outlives a sign-out), its counters (per process), its password rules (20 characters at most, outer spaces
dropped) and its forgotten-password mail (sent through a third-party server). The version is pinned, because the
classes below replace members that are not its public API; `tests/pages/session/test_forms.py` checks them.
"""

from typing import Any

import streamlit_authenticator as stauth
from streamlit_authenticator.controllers import AuthenticationController
from streamlit_authenticator.utilities import Validator

from core.auth import passwords, sign_in
from core.auth.identity import Origin
from core.auth.people import Person
from core.auth.validation import check_display_name, check_email, check_username
from core.errors import BadInput
from pages.session import form_fields

PASSWORD_RULES = (
    f"{passwords.MIN_LENGTH} to {passwords.MAX_LENGTH} characters, with a capital letter and a digit. "
    "Letters of any alphabet, any symbol."
)


class NullCookieController:
    """Replace the library's cookie controller; sets and reads nothing."""

    def get_cookie(self) -> None:
        return None

    def set_cookie(self) -> None:
        return None

    def delete_cookie(self) -> None:
        return None


class CredentialsValidator(Validator):  # type: ignore[misc]  # the library has no types
    """Validate with our own rules. Raises BadInput with the reason, where the library would return False."""

    def validate_username(self, username: str) -> bool:
        return bool(check_username(username))

    def validate_email(self, email: str) -> bool:
        check_email(email)
        return True

    def validate_name(self, name: str) -> bool:
        check_display_name(name)
        return True

    def validate_password(self, password: str) -> bool:
        passwords.check_strength(password)
        return True

    def diagnose_password(self, password: str) -> str:
        """Return why *password* is refused, as a sentence; empty when it is valid."""
        try:
            self.validate_password(password)
        except BadInput as error:
            return str(error)
        return ""


class PeopleController(AuthenticationController):  # type: ignore[misc]
    """Pass the forms' input to `core.auth`; `person` is who signed in or registered."""

    def __init__(self, origin: Origin, invite: str | None) -> None:
        self.origin = origin
        self.invite = invite
        self.validator = CredentialsValidator()
        self.person: Person | None = None

    def login(self, username: str | None = None, password: str | None = None, *_args: Any, **_kwargs: Any) -> bool:
        """Sign in. Raises SignInRefused and RateLimitExceeded."""
        self.person = sign_in.sign_in((username or "").strip(), password or "", self.origin)
        return True

    def register_user(
        self,
        new_first_name: str,
        new_last_name: str,
        new_email: str,
        new_username: str,
        new_password: str,
        new_password_repeat: str,
        *_args: Any,
        **_kwargs: Any,
    ) -> tuple[str, str, str]:
        """Register. Raises BadInput, Conflict and RateLimitExceeded."""
        name = " ".join(part for part in (new_first_name.strip(), new_last_name.strip()) if part)
        self.validator.validate_name(name)
        self.validator.validate_email(new_email.strip())
        self.validator.validate_username(new_username.strip())
        self.validator.validate_password(new_password)
        form_fields.check_passwords_match(new_password, new_password_repeat)
        self.person = sign_in.register(
            new_username.strip(), new_password, new_email.strip() or None, name or None, self.origin, invite=self.invite
        )
        return new_email, new_username, name


class AuthenticationForms(stauth.Authenticate):  # type: ignore[misc]
    """The library's widgets; `person` is who signed in or registered in this run of the script."""

    def __init__(self, origin: Origin, invite: str | None = None) -> None:
        # Does not call super().__init__(), which would set up its cookie, its model and its files.
        self.path = None
        self.attrs = {"login_sleep_time": 0, "password_instructions": PASSWORD_RULES}
        self.cookie_controller = NullCookieController()
        self.authentication_controller = PeopleController(origin, invite)

    @property
    def person(self) -> Person | None:
        return self.authentication_controller.person
