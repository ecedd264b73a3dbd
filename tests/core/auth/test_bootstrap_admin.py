"""The first start creates one admin and prints the generated password once; later starts create nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, text
from structlog.testing import capture_logs

from core.auth import bootstrap_admin, passwords, people, sign_in
from core.auth.bootstrap_admin import FIRST_ADMIN_HANDLED_VARIABLE, bootstrap_first_admin
from core.db.engine import transaction
from core.errors import BadInput
from core.settings import settings
from tests.core.auth.conftest import ORIGIN, AddPerson, audit_events

Setting = Callable[..., None]


def test_the_generated_password_signs_in(database: Connection, redis: Redis) -> None:
    generated = bootstrap_admin.ensure_first_admin()
    assert generated is not None
    passwords.check_strength(generated)
    assert sign_in.sign_in("admin", generated, ORIGIN).role == "admin"
    assert bootstrap_admin.ensure_first_admin() is None
    (event,) = audit_events(database, "person_created")
    assert (event.actor, event.target) == ("first start", "admin")


def test_a_configured_password_is_used_and_not_printed(database: Connection, redis: Redis, setting: Setting) -> None:
    setting(admin_username="root", admin_password="My own one 1")
    assert bootstrap_admin.ensure_first_admin() is None
    assert sign_in.sign_in("root", "My own one 1", ORIGIN).role == "admin"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"admin_password": "weak"}, "ADMIN_PASSWORD cannot be used: A password has at least 8 characters"),
    ],
)
def test_an_invalid_configured_admin_is_reported_in_one_sentence(
    database: Connection, setting: Setting, given: dict[str, str], sentence: str
) -> None:
    setting(**given)
    with pytest.raises(BadInput, match=sentence):
        bootstrap_admin.ensure_first_admin()
    assert database.scalar(text("SELECT count(*) FROM person")) == 0


def test_no_admin_is_created_where_there_is_one(add: AddPerson, setting: Setting) -> None:
    add("ada", role="admin")
    setting(admin_password="weak")
    assert bootstrap_admin.ensure_first_admin() is None
    assert people.find_by_username("admin") is None


def test_a_configured_password_makes_an_admin_among_people_without_one(add: AddPerson, setting: Setting) -> None:
    add("ada")
    deactivated = add("eve", role="admin")
    add("bob", role="admin")
    people.set_active("test", deactivated.id, False, ORIGIN)
    people.change_role("test", deactivated.id, "admin", ORIGIN)
    bob = people.find_by_username("bob")
    setting(admin_password="My own one 1")
    assert bootstrap_admin.ensure_first_admin() is None
    assert people.find_by_username("admin") is None  # bob is one
    with transaction() as connection:
        connection.execute(text("UPDATE person SET role = 'analyst' WHERE id = :id"), {"id": bob.id})
    assert bootstrap_admin.ensure_first_admin() is None
    assert sign_in.sign_in("admin", "My own one 1", ORIGIN).role == "admin"


def test_without_a_configured_password_nobody_becomes_admin_among_people(add: AddPerson) -> None:
    add("ada")
    with capture_logs() as lines:
        assert bootstrap_admin.ensure_first_admin() is None
    assert [line["event"] for line in lines] == ["nobody is an admin, set ADMIN_PASSWORD or create one"]
    assert people.find_by_username("admin") is None


def test_a_name_that_belongs_to_an_analyst_is_refused_in_one_sentence(add: AddPerson, setting: Setting) -> None:
    add("Root")
    setting(admin_username="root", admin_password="My own one 1")
    with pytest.raises(BadInput, match=r"ADMIN_USERNAME root belongs to a person who is no active admin\. Set another"):
        bootstrap_admin.ensure_first_admin()
    assert people.find_by_username("root").role == "analyst"


def test_simultaneous_starts_create_one_admin(committing_database: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        passwords_or_none = list(pool.map(lambda _: bootstrap_admin.ensure_first_admin(), range(4)))
    assert sum(one is not None for one in passwords_or_none) == 1
    with committing_database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM person")) == 1


def test_a_web_process_prints_the_password_to_stderr_once_and_never_logs_it(
    database: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    with capture_logs() as lines:
        bootstrap_admin.create_and_announce()
        bootstrap_admin.create_and_announce()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Sign in as admin with the password ")
    assert printed.err.count("\n") == 1
    password = printed.err.split()[7]
    assert passwords.verify_password(password, database.scalar(text("SELECT password_hash FROM person")))
    assert password not in str(lines)


def test_it_waits_for_migrations_and_does_nothing_when_the_supervisor_did_it(
    committing_database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with committing_database.begin() as connection:
        connection.execute(text("ALTER TABLE person RENAME TO later"))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            with committing_database.begin() as connection:
                connection.execute(text("ALTER TABLE later RENAME TO person"))

    printed: list[str] = []
    monkeypatch.setenv(FIRST_ADMIN_HANDLED_VARIABLE, "yes")
    bootstrap_admin.create_and_announce(printed.append, sleep)
    assert (printed, slept) == ([], [])
    monkeypatch.delenv(FIRST_ADMIN_HANDLED_VARIABLE)
    bootstrap_admin.create_and_announce(printed.append, sleep)
    assert (len(printed), len(slept)) == (1, 2)


def test_the_stack_prints_how_to_sign_in(committing_database: Engine, setting: Setting, tmp_path: Path) -> None:
    url = committing_database.url.render_as_string(hide_password=False)
    first = bootstrap_first_admin(url, settings())
    assert first.immediate_message.startswith("Sign in as admin with the password ")
    later = bootstrap_first_admin(url, settings(), "DATA_DIR=demo ")
    assert later.immediate_message == ""
    assert later.later == (
        "Sign in as admin; if the password is lost: DATA_DIR=demo python -m core reset-password admin"
    )


def test_of_two_simultaneous_first_starts_the_second_names_the_first(
    committing_database: Engine, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = committing_database.url.render_as_string(hide_password=False)
    bootstrap_first_admin(url, settings())
    monkeypatch.setattr(bootstrap_admin, "_oldest_admin", lambda _url: ("", False))  # as it was a moment before
    assert bootstrap_first_admin(url, settings()).later == (
        "Sign in as admin with the password that another start of Almanac printed;"
        " if it is lost: python -m core reset-password admin"
    )


def test_the_stack_says_what_to_do_where_nobody_is_an_admin(committing_database: Engine, setting: Setting) -> None:
    url = committing_database.url.render_as_string(hide_password=False)
    people.create("ada", actor="test")
    assert bootstrap_first_admin(url, settings(), "DATA_DIR=demo ").later == (
        "Nobody is an admin: set ADMIN_PASSWORD, or run DATA_DIR=demo python -m core create-person NAME --role admin"
    )
    setting(admin_password="My own one 1")
    assert bootstrap_first_admin(url, settings()).later == "Sign in as admin with your ADMIN_PASSWORD."


def test_the_stack_does_not_print_a_configured_password(committing_database: Engine, setting: Setting) -> None:
    setting(admin_password="My own one 1")
    result = bootstrap_first_admin(committing_database.url.render_as_string(hide_password=False), settings())
    assert (result.immediate_message, result.later) == ("", "Sign in as admin with your ADMIN_PASSWORD.")


def test_production_generates_no_password(database, monkeypatch):
    for name, value in {"ENVIRONMENT": "production", "SECRET_KEY": "k" * 32, "PUBLIC_URL": "https://a.example"}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with pytest.raises(BadInput, match="ADMIN_PASSWORD is needed"):
        bootstrap_admin.ensure_first_admin()
    assert database.scalar(text("SELECT count(*) FROM person")) == 0
