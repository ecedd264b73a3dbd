"""The first start makes one admin, prints the generated password once, and no later start makes another."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, text
from structlog.testing import capture_logs

from core.auth import bootstrap_admin, passwords, people, sign_in
from core.auth.bootstrap_admin import FIRST_ADMIN_HANDLED_VARIABLE, bootstrap_first_admin
from core.errors import BadInput
from core.settings import settings
from tests.core.auth.conftest import ORIGIN, AddPerson, audit_events

Setting = Callable[..., None]


def test_the_generated_password_opens(database: Connection, redis: Redis) -> None:
    generated = bootstrap_admin.ensure_first_admin()
    assert generated is not None
    passwords.check_strength(generated)
    assert sign_in.sign_in("admin", generated, ORIGIN).role == "admin"
    assert bootstrap_admin.ensure_first_admin() is None
    (event,) = audit_events(database, "person_created")
    assert (event.actor, event.target) == ("first start", "admin")


def test_a_password_that_is_set_is_used_and_not_told(database: Connection, redis: Redis, setting: Setting) -> None:
    setting(admin_username="root", admin_password="My own one 1")
    assert bootstrap_admin.ensure_first_admin() is None
    assert sign_in.sign_in("root", "My own one 1", ORIGIN).role == "admin"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"admin_password": "weak"}, "ADMIN_PASSWORD cannot be used: A password has at least 8 characters"),
        ({"admin_username": "a/b"}, "ADMIN_USERNAME cannot be used: A username cannot contain a slash"),
        ({"admin_username": ""}, "ADMIN_USERNAME cannot be used: A username needs"),
    ],
)
def test_what_is_set_and_cannot_be_used_is_one_sentence(
    database: Connection, setting: Setting, given: dict[str, str], sentence: str
) -> None:
    setting(**given)
    with pytest.raises(BadInput, match=sentence):
        bootstrap_admin.ensure_first_admin()
    assert database.scalar(text("SELECT count(*) FROM person")) == 0


def test_where_there_are_people_nothing_is_made_whatever_is_set(add: AddPerson, setting: Setting) -> None:
    add("ada")
    setting(admin_password="weak")
    assert bootstrap_admin.ensure_first_admin() is None
    assert people.find_by_username("admin") is None


def test_who_starts_at_once_makes_one_admin(committing_database: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        told_to = list(pool.map(lambda _: bootstrap_admin.ensure_first_admin(), range(4)))
    assert sum(one is not None for one in told_to) == 1
    with committing_database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM person")) == 1


def test_a_web_process_alone_tells_it_on_standard_error_once_and_never_in_a_log(
    database: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    with capture_logs() as lines:
        bootstrap_admin.create_and_announce()
        bootstrap_admin.create_and_announce()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Sign in as admin with the password ")
    assert said.err.count("\n") == 1
    password = said.err.split()[7]
    assert passwords.verify_password(password, database.scalar(text("SELECT password_hash FROM person")))
    assert password not in str(lines)


def test_it_waits_for_tables_and_leaves_it_to_its_starter(
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

    said: list[str] = []
    monkeypatch.setenv(FIRST_ADMIN_HANDLED_VARIABLE, "yes")
    bootstrap_admin.create_and_announce(said.append, sleep)
    assert (said, slept) == ([], [])
    monkeypatch.delenv(FIRST_ADMIN_HANDLED_VARIABLE)
    bootstrap_admin.create_and_announce(said.append, sleep)
    assert (len(said), len(slept)) == (1, 2)


def test_the_stack_says_how_to_come_in(committing_database: Engine, setting: Setting, tmp_path: Path) -> None:
    url = committing_database.url.render_as_string(hide_password=False)
    first = bootstrap_first_admin(url, settings())
    assert first.immediate_message.startswith("Sign in as admin with the password ")
    later = bootstrap_first_admin(url, settings(), "DATA_DIR=demo ")
    assert later.immediate_message == ""
    assert later.later == (
        "Sign in as admin; if the password is lost: DATA_DIR=demo python -m core reset-password admin"
    )


def test_the_stack_keeps_a_password_that_was_set_to_itself(committing_database: Engine, setting: Setting) -> None:
    setting(admin_password="My own one 1")
    found = bootstrap_first_admin(committing_database.url.render_as_string(hide_password=False), settings())
    assert (found.immediate_message, found.later) == ("", "Sign in as admin with your ADMIN_PASSWORD.")


def test_production_makes_no_password_of_its_own(database, monkeypatch):
    for name, value in {"ENVIRONMENT": "production", "SECRET_KEY": "k" * 32, "PUBLIC_URL": "https://a.example"}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with pytest.raises(BadInput, match="ADMIN_PASSWORD is needed"):
        bootstrap_admin.ensure_first_admin()
    assert database.scalar(text("SELECT count(*) FROM person")) == 0
