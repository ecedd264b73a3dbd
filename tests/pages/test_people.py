"""The People page: the list, an admin's actions, and the audit trail."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from streamlit.testing.v1 import AppTest

from core.auth import people, sessions, tickets
from core.auth.identity import Origin
from core.auth.people import Person
from core.db import schema
from tests.pages.page_file import run_page_file
from tests.pages.wording import page_text

PAGES = Path(__file__).resolve().parents[2] / "pages"


@pytest.fixture
def admin(person: Callable[..., Person], browser) -> Person:
    """A signed-in admin."""
    boss = person("boss", role="admin")
    browser.sign_in(boss)
    return boss


@pytest.fixture
def page(admin: Person) -> Callable[..., AppTest]:
    """Open the page by itself as an admin, with these URL parameters: `page(person="ada")`."""
    return partial(run_page_file, "people")


def listed_usernames(shown: AppTest) -> list[str]:
    return list(shown.dataframe[0].value["username"])


def press(shown: AppTest, *keys: str) -> AppTest:
    for key in keys:
        shown.button(key=key).click().run()
    return shown


def shown_link(shown: AppTest) -> str:
    """Return the link on the page."""
    (code,) = shown.code
    return code.value


def add_audit_event(database, actor: str, action: str = "sign_in", **values: object) -> None:
    database.execute(
        insert(schema.audit_event).values(**{"at": datetime.now(UTC), "actor": actor, "action": action, **values})
    )


@pytest.mark.parametrize("file", ["people.py", "system.py"])
def test_the_page_itself_refuses_analysts(reader, file):
    """The pages run here without the menu, which hides them."""
    shown = AppTest.from_file(str(PAGES / file), default_timeout=60).run()
    assert shown.exception or not shown.dataframe
    assert not shown.dataframe
    assert not shown.button
    assert not shown.metric


def test_analysts_are_refused_the_admin_pages(reader, visit):
    for name in ("people", "system"):
        assert "This page is for admins" in page_text(visit(name))


def test_people_are_listed_with_sessions_and_state(page, person):
    person("ada", email="ada@example.org", display_name="Ada Lovelace")
    shown = page()
    assert not shown.exception
    assert not shown.error
    rows = shown.dataframe[0].value.set_index("username")
    assert list(rows.index) == ["ada", "boss"]
    assert rows.loc["boss", "sessions"] == 1
    assert rows.loc["ada", "role"] == "analyst"
    assert {metric.label: metric.value for metric in shown.metric} == {
        "People": "2",
        "Active admins": "1",
        "Inactive": "0",
        "Active sessions": "1",
    }


def test_search_and_filters_are_in_the_url(page, person):
    person("ada")
    person("bob", role="admin")
    assert listed_usernames(page(q="ADA")) == ["ada"]
    assert listed_usernames(page(role="Admins")) == ["bob", "boss"]
    assert "No person matches" in page_text(page(state="Inactive"))


def test_an_unknown_name_is_a_sentence(page):
    assert "no person called" in page_text(page(person="<b>nobody</b>"))


def test_a_person_shows_sessions_by_device_and_keys(page, person, database):
    ada = person("ada")
    sessions.start(ada.id, Origin("192.0.2.7", "Mozilla/5.0 (Windows NT 10.0; rv:150.0) Gecko/20100101 Firefox/150.0"))
    database.execute(insert(schema.api_key).values(person_id=ada.id, name="notebook", hash=b"h", hint="abcd"))
    shown = page(person="ada")
    assert shown.dataframe[1].value["device"].tolist() == ["Firefox on Windows"]
    assert shown.dataframe[1].value["ip_address"].tolist() == ["192.0.2.7"]
    assert shown.dataframe[2].value["name"].tolist() == ["notebook"]


def run_dialog(call: str) -> AppTest:
    """Run a dialog by itself: in AppTest a click runs the whole page, which closes its dialogs."""
    shown = AppTest.from_string(
        f"""
from core.auth.people import find_by_username
from pages.sections import invite_people, person_detail
from pages.session import current
{call}
""",
        default_timeout=60,
    )
    return shown.run()


def test_a_confirmed_role_change_ends_sessions(page, person):
    ada = person("ada")
    session = sessions.start(ada.id, Origin())
    assert "Their sessions end" in page_text(press(page(person="ada"), "role-change"))
    assert people.get(ada.id).role == "analyst"
    press(
        run_dialog(
            "person_detail.confirm_role_change(current.require_identity('admin'), find_by_username('ada'), 'admin')"
        ),
        "role-sure",
    )
    assert people.get(ada.id).role == "admin"
    assert sessions.get_live(session.session_id) is None


def test_deactivation_is_confirmed_and_can_be_undone(page, person):
    ada = person("ada")
    assert "can no longer sign in" in page_text(press(page(person="ada"), "deactivate"))
    assert people.get(ada.id).active
    press(
        run_dialog("person_detail.confirm_deactivation(current.require_identity('admin'), find_by_username('ada'))"),
        "deactivate-sure",
    )
    assert not people.get(ada.id).active
    press(page(person="ada"), "activate")
    assert people.get(ada.id).active


def test_an_admin_is_warned_before_locking_themselves_out(admin, person):
    person("other", role="admin")
    for call in (
        "confirm_role_change(current.require_identity('admin'), find_by_username('boss'), 'analyst')",
        "confirm_deactivation(current.require_identity('admin'), find_by_username('boss'))",
        "confirm_end_sessions(current.require_identity('admin'), find_by_username('boss'))",
    ):
        assert "This is you" in page_text(run_dialog(f"person_detail.{call}"))


def test_the_last_admin_cannot_be_demoted_and_the_page_says_why(page):
    shown = page(person="boss")
    assert shown.button(key="role-change").disabled
    assert shown.button(key="deactivate").disabled
    assert "last active admin" in page_text(shown)


def test_the_last_admin_cannot_be_demoted_from_an_outdated_page(admin, person, database):
    """Two admins demote each other at once: the page still shows the buttons, the rule holds."""
    other = person("other", role="admin")
    shown = run_dialog(
        "person_detail.confirm_role_change(current.require_identity('admin'), find_by_username('boss'), 'analyst')"
    )
    database.execute(text("UPDATE person SET active = false WHERE id = :id"), {"id": other.id})
    press(shown, "role-sure")
    assert people.find_by_username("boss").role == "admin"
    assert "last" in page_text(shown)


def test_ending_all_sessions_is_audited_as_the_admin(admin, person, database):
    ada = person("ada")
    started = [sessions.start(ada.id, Origin()) for _ in range(2)]
    press(
        run_dialog("person_detail.confirm_end_sessions(current.require_identity('admin'), find_by_username('ada'))"),
        "end-sure",
    )
    assert [sessions.get_live(one.session_id) for one in started] == [None, None]
    event = database.execute(
        text("SELECT actor, target, ip_address FROM audit_event WHERE action = 'session_ended'")
    ).one()
    assert (event.actor, event.target, str(event.ip_address)) == ("boss", "ada", "127.0.0.1")


def test_a_reset_link_is_shown_once_and_works(admin, person):
    person("ada")
    shown = press(
        run_dialog("person_detail.confirm_reset_link(current.require_identity('admin'), find_by_username('ada'))"),
        "reset-sure",
    )
    url, _, secret = shown_link(shown).partition("#")
    assert url.endswith("/reset")
    assert tickets.check_reset(secret).username == "ada"
    assert re.search(r"Valid until \d{4}-\d\d-\d\d \d\d:\d\d UTC", page_text(shown))
    assert secret not in str(shown.session_state)
    assert not shown.run().code


def test_an_admin_demoted_meanwhile_can_change_nothing(admin, person):
    ada = person("ada")
    shown = run_dialog("person_detail.confirm_deactivation(current.current_identity(), find_by_username('ada'))")
    person("other", role="admin")
    people.change_role("tests", admin.id, "analyst", Origin())
    press(shown, "deactivate-sure")
    assert people.get(ada.id).active


def test_adding_a_person_shows_a_link_to_set_their_password(admin):
    shown = submit(
        fill(run_dialog("invite_people.add_person(current.require_identity('admin'))"), "Username", "ada"), "Add"
    )
    added = people.find_by_username("ada")
    assert added.role == "analyst"
    assert tickets.check_reset(shown_link(shown).partition("#")[2]).id == added.id


def test_a_taken_username_is_refused(admin, person):
    person("ada")
    shown = submit(
        fill(run_dialog("invite_people.add_person(current.require_identity('admin'))"), "Username", "ADA"), "Add"
    )
    assert "taken" in page_text(shown)
    assert not shown.code


def test_an_invitation_is_a_link_to_register(admin, monkeypatch):
    from core.settings import settings

    monkeypatch.setenv("REGISTRATION", "invite")
    settings.cache_clear()
    shown = submit(run_dialog("invite_people.invite_person(current.require_identity('admin'))"), "Create link")
    url, _, secret = shown_link(shown).partition("#")
    assert url.endswith("/register")
    assert tickets.check_invite(secret).role == "analyst"


def test_an_invitation_can_be_revoked(admin):
    token = tickets.issue_invite("tests", Origin(), role="admin", email="eve@example.org")
    shown = run_dialog("invite_people.show_pending_invitations(current.require_identity('admin'))")
    assert "**admin** for eve" in page_text(shown)
    press(shown, "withdraw-0")
    assert "There are none." in page_text(shown)
    with pytest.raises(tickets.InvalidTicket):
        tickets.check_invite(token)


def test_closed_registration_disables_invitations(page, monkeypatch):
    from core.settings import settings

    monkeypatch.setenv("REGISTRATION", "closed")
    settings.cache_clear()
    assert page().button(key="invite").disabled


def fill(shown: AppTest, label: str, value: str) -> AppTest:
    next(field for field in shown.text_input if field.label == label).set_value(value)
    return shown


def submit(shown: AppTest, label: str) -> AppTest:
    next(button for button in shown.button if button.label == label).click()
    return shown.run()


def test_the_audit_trail_is_paged_in_both_directions(page, database):
    now = datetime.now(UTC)
    for minute in range(120):
        add_audit_event(database, f"person{minute:03}", at=now + timedelta(minutes=minute))
    shown = page()

    def first() -> str:
        return shown.dataframe[-1].value["actor"].iloc[0]

    assert first() == "person119"
    press(shown, "trail-older")
    assert first() == "person069"
    press(shown, "trail-newer")
    assert first() == "person119"
    assert shown.button(key="trail-newer").disabled


def test_audit_filters_are_in_the_url_and_start_at_the_first_page(page, database):
    for _ in range(60):
        add_audit_event(database, "ada")
    add_audit_event(database, "bob", "role_changed", target="ada", details={"before": "analyst", "after": "admin"})
    shown = page(by="ADA", did="Changed the role")
    rows = shown.dataframe[-1].value
    assert rows["actor"].tolist() == ["bob"]
    assert rows["what"].tolist() == ["changed the role"]
    assert "analyst" in rows["details"].iloc[0]
    assert "No events match" in page_text(page(by="nobody"))


def test_an_unknown_action_in_the_url_is_reported(page):
    assert "did=flew" in page_text(page(did="flew"))


def test_every_audit_action_has_a_label():
    from typing import get_args

    from core.auth.audit import Action
    from pages.sections import audit_trail

    assert sorted(audit_trail.ACTION_LABELS) == sorted(get_args(Action))
    assert len(audit_trail.ACTION_BY_LABEL) == len(audit_trail.ACTION_LABELS)
    assert not [label for label in audit_trail.ACTION_BY_LABEL if "_" in label]


def test_the_export_holds_all_matching_events_without_our_ids(admin, database):
    from core.auth.identity import Identity
    from core.queries.audit import EventFilter
    from pages.sections import audit_trail

    for _ in range(60):
        add_audit_event(database, "ada")
    live = sessions.get_live(sessions.start(admin.id, Origin()).session_id)
    rows = audit_trail.events_to_export(live.identity, EventFilter(who="ada"))
    assert len(rows) == 60
    assert "id" not in rows.columns
    people.create("other", actor="tests", role="admin")
    people.change_role("tests", admin.id, "analyst", Origin())
    with pytest.raises(Exception, match=r"Sign in|admins"):
        audit_trail.events_to_export(live.identity, EventFilter())
    with pytest.raises(Exception, match="Sign in"):
        audit_trail.events_to_export(Identity(1, "nobody", "admin"), EventFilter())
