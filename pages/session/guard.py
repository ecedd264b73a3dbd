"""The session check in front of all that runs in an open page: fragments, dialogs and callbacks.

Streamlit runs a fragment, a dialog or a callback without the main script, which alone would not notice that the session
has ended. So ours are made here only, and each of their runs asks first whether the session still holds. Once it does
not, the whole page runs again and shows the sign-in under the same URL.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import streamlit as st
from pandas import Timedelta

from core.auth.identity import Role
from core.errors import NotSignedIn, RateLimitExceeded, ServerUnavailable
from pages.session import current, fragment_limits, url_changes

Parameters = ParamSpec("Parameters")
Section = TypeVar("Section", bound=Callable[..., None])
UNVERIFIED_MESSAGE = (
    "Cannot verify your rights: the database is unavailable. This section is shown again once it responds."
)


def fragment(
    *, role: Role = "analyst", run_every: str | float | None = None, runs_unverified: bool = False
) -> Callable[[Callable[Parameters, None]], Callable[Parameters, None]]:
    """Make a fragment that runs only while the page's session holds and has *role*.

    runs_unverified  whether it also runs while the database cannot tell; by default it says so instead
    """

    def decorate(section: Callable[Parameters, None]) -> Callable[Parameters, None]:
        checked = _checked(section, role, run_every=run_every, runs_unverified=runs_unverified)
        return st.fragment(run_every=run_every)(checked)

    return decorate


def dialog(title: str, *, role: Role = "analyst") -> Callable[[Callable[Parameters, None]], Callable[Parameters, None]]:
    """Make a dialog that runs only while the page's session holds and has *role*."""

    def decorate(content: Callable[Parameters, None]) -> Callable[Parameters, None]:
        return st.dialog(title)(_checked(content, role))

    return decorate


def callback(*, role: Role = "analyst", when_ended: Callable[..., None] | None = None) -> Callable[[Section], Section]:
    """Make a callback of a widget that runs only while the page's session holds and has *role*.

    when_ended  is called instead, with the same arguments; the script run that follows shows the sign-in
    """

    def decorate(function: Section) -> Section:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> None:
            try:
                current.require_identity(role)
            except NotSignedIn:
                if when_ended:
                    when_ended(*args, **kwargs)
            else:
                function(*args, **kwargs)

        return cast("Section", checked)

    return decorate


def sessionless_fragment(*, run_every: str | float) -> Callable[[Section], Section]:
    """Make a fragment that shows nothing of the stored data, so that it needs no session."""
    return st.fragment(run_every=run_every)


def _checked(
    section: Callable[Parameters, None],
    role: Role,
    *,
    run_every: str | float | None = None,
    runs_unverified: bool = False,
) -> Callable[Parameters, None]:
    interval = Timedelta(run_every, unit=None if isinstance(run_every, str) else "s") if run_every else None

    @wraps(section)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            identity = current.require_identity(role)
            fragment_limits.count_run(identity, interval.total_seconds() if interval else None)
        except NotSignedIn:
            st.rerun()
        except RateLimitExceeded as exceeded:
            st.warning(f"{exceeded}.", icon=":material/hourglass_top:")
            return
        except ServerUnavailable:
            if not runs_unverified:
                st.info(UNVERIFIED_MESSAGE, icon=":material/cloud_off:")
                return
        url_changes.restore()
        section(*args, **kwargs)

    return checked
