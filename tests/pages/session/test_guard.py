"""Fragments, dialogs and callbacks run while the page's session holds, and not once more after its end."""

from collections.abc import Callable

import pytest
import streamlit as st
from sqlalchemy import text

from core.auth import people, sessions, sign_in, sign_out
from core.auth.identity import Identity, Origin
from core.auth.people import Person
from core.errors import Forbidden, ServerUnavailable
from pages.session import current, guard

PASSWORD = "A passphrase with 1 digit"


class PageReran(Exception):
    """Stands for Streamlit's request to run the whole page again."""


@pytest.fixture
def opened(browser, person, monkeypatch) -> Person:
    """A person with a session, whose page has just been opened. Other admins remain when this one goes."""
    person("boss", role="admin")
    owner: Person = person("ada", password=PASSWORD, role="admin")
    browser.sign_in(owner)
    state: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", state)

    def rerun() -> None:
        raise PageReran

    monkeypatch.setattr(st, "rerun", rerun)
    # Without a running script Streamlit's own decorators would run nothing.
    monkeypatch.setattr(st, "fragment", lambda run_every=None: lambda section: section)
    monkeypatch.setattr(st, "dialog", lambda _title: lambda content: content)
    assert current.current_session()
    return owner


def sign_out_in_another_tab(owner: Person) -> None:
    (session,) = sessions.list_active(owner.id)
    sessions.revoke(session.id, "sign_out", origin=Origin())


def sign_out_everywhere(owner: Person) -> None:
    sessions.revoke_all(owner.id, current.SIGNED_OUT_ELSEWHERE)


def end_by_admin(owner: Person) -> None:
    sign_out.end_sessions("tests", owner.id, Origin())


def deactivate(owner: Person) -> None:
    people.set_active("tests", owner.id, False, Origin())


def change_role(owner: Person) -> None:
    people.change_role("tests", owner.id, "analyst", Origin())


def change_password(owner: Person) -> None:
    identity = Identity(owner.id, owner.username, "admin")
    sign_in.change_password(identity, PASSWORD, "Another passphrase 2", Origin())


def update_sessions(owner: Person, change: str) -> None:
    from core.db.engine import transaction

    with transaction() as connection:
        connection.execute(text(f"UPDATE session SET {change} WHERE person_id = :id"), {"id": owner.id})
        ids = sessions.active_session_ids(connection, owner.id)
    sessions.invalidate_cached(ids)


def expire_access(owner: Person) -> None:
    update_sessions(owner, "access_expires_at = now() - interval '1 millisecond'")


def expire_session(owner: Person) -> None:
    update_sessions(owner, "created_at = now() - interval '90 days', expires_at = now() - interval '1 millisecond'")


ENDS = [
    sign_out_in_another_tab, sign_out_everywhere, end_by_admin, deactivate, change_role, change_password,
    expire_access, expire_session,
]  # fmt: skip


def test_while_the_session_holds_all_run(opened):
    ran: list[str] = []
    guard.fragment()(ran.append)("fragment")
    guard.dialog("Sure?", role="admin")(ran.append)("dialog")
    guard.callback(role="admin")(ran.append)("callback")
    assert ran == ["fragment", "dialog", "callback"]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize(
    "decorate",
    [guard.fragment, lambda: guard.fragment(run_every=1, runs_unverified=True), lambda: guard.dialog("Sure?")],
    ids=["fragment", "repeated fragment", "dialog"],
)
def test_after_the_end_a_fragment_or_dialog_runs_the_page_again_instead(opened, end, decorate):
    ran: list[str] = []
    section = decorate()(ran.append)
    section("before")
    end(opened)
    for _ in range(2):
        with pytest.raises(PageReran):
            section("after")
    assert ran == ["before"]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_after_the_end_a_callback_does_nothing_or_what_undoes_the_click(opened, end):
    ran: list[str] = []
    write, refuse = guard.callback()(ran.append), guard.callback(when_ended=lambda word: ran.append(f"not {word}"))
    end(opened)
    write("written")
    refuse(ran.append)("sent")
    assert ran == ["not sent"]


@pytest.mark.parametrize("end", [expire_access, expire_session, deactivate], ids=lambda end: end.__name__)
def test_after_the_end_no_command_gets_an_identity(opened, end):
    """The second check, in front of what a page writes."""
    end(opened)
    with pytest.raises(current.NotSignedIn):
        current.require_identity("admin")


@pytest.mark.parametrize("decorate", [guard.fragment, guard.callback, lambda role: guard.dialog("Sure?", role=role)])
def test_what_is_for_admins_refuses_an_analyst(opened, person, browser, decorate: Callable[..., object]):
    st.session_state.clear()
    browser.forget()
    browser.sign_in(person("eve"))
    with pytest.raises(Forbidden):
        decorate(role="admin")(pytest.fail)("ran")


def test_while_the_database_cannot_tell_only_what_is_meant_to_run_does(opened, monkeypatch):
    def unavailable(_session_id: object) -> None:
        raise ServerUnavailable("Postgres is unavailable")

    monkeypatch.setattr(sessions, "get_live", unavailable)
    shown: list[str] = []
    monkeypatch.setattr(st, "info", lambda sentence, **_: shown.append(sentence))
    guard.fragment()(pytest.fail)("ran")
    assert shown == [guard.UNVERIFIED_MESSAGE]
    ran: list[str] = []
    guard.fragment(runs_unverified=True)(ran.append)("ran")
    assert ran == ["ran"]
    with pytest.raises(ServerUnavailable):
        guard.callback()(pytest.fail)("ran")
