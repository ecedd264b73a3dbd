"""Alert rules as they are stored: each once, also where two admins add it at the same moment."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from core.alerts import rules
from core.errors import Conflict
from tests.seed_data import add_account

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_a_rule_is_the_same_by_kind_settings_and_account(database):
    one, two = (add_account(database, login) for login in ("octo", "cat"))
    gained = {"gained": 7}
    for settings, account in ((gained, None), (gained, one), (gained, two), ({"gained": 8}, None)):
        rules.add_rule(database, "stars_jumped", settings, "ada", account)
        with pytest.raises(Conflict, match="The same rule exists already"):
            rules.add_rule(database, "stars_jumped", {"days": 1, **settings}, "bob", account)


@pytest.mark.one_postgres("who waits on another node is not in this one's list")
@pytest.mark.parametrize("is_of_account", [False, True])
def test_of_two_admins_who_add_the_same_rule_at_once_one_is_refused(committing_database: Engine, is_of_account: bool):
    with committing_database.begin() as connection:
        account = connection.scalar(text("INSERT INTO account (login) VALUES ('octo') RETURNING id"))

    def add(connection) -> int:
        return rules.add_rule(connection, "stars_jumped", {"gained": 7}, "ada", account if is_of_account else None)

    def add_as_the_second() -> str:
        with committing_database.connect() as connection, pytest.raises(Conflict) as refused:
            add(connection)
        return str(refused.value)

    with ThreadPoolExecutor(1) as pool, committing_database.connect() as first:
        add(first)
        second = pool.submit(add_as_the_second)
        with committing_database.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            while not other.scalar(text(WAITS)):
                assert not second.done(), second.result()
        first.commit()
        assert second.result(60) == "The same rule exists already"
    with committing_database.begin() as connection:
        stored = "SELECT count(*) FROM alert_rule WHERE created_by = 'ada'"
        assert connection.scalar(text(stored)) == 1


@pytest.mark.one_postgres("who waits on another node is not in this one's list")
def test_of_two_admins_who_change_two_rules_into_the_same_at_once_one_is_refused(committing_database: Engine):
    with committing_database.begin() as connection:
        one, two = (rules.add_rule(connection, "stars_jumped", {"gained": gained}, "ada") for gained in (7, 8))

    def change_as_the_second() -> None:
        with committing_database.connect() as connection, pytest.raises(Conflict, match="same rule"):
            rules.change_rule(connection, two, {"gained": 9}, enabled=True)

    with ThreadPoolExecutor(1) as pool, committing_database.connect() as first:
        rules.change_rule(first, one, {"gained": 9}, enabled=True)
        second = pool.submit(change_as_the_second)
        with committing_database.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            while not other.scalar(text(WAITS)):
                assert not second.done(), second.result()
        first.commit()
        second.result(60)
