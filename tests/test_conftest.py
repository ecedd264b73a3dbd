"""The shared fixtures keep their promises."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from core import redis_client
from core.db.engine import transaction
from core.settings import settings
from tests.reusable_database import ReusableDatabase


def test_a_test_can_read_its_own_writes(database: Connection) -> None:
    """Work committed through `core.db.engine` is visible within the test."""
    with transaction() as connection:
        connection.execute(text("CREATE TABLE left_behind (x int)"))
    with transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM left_behind")) == 0


def test_writes_of_another_test_are_rolled_back(database: Connection) -> None:
    """Even a table does not outlive the test that made it, whichever ran first."""
    assert database.scalar(text("SELECT to_regclass('left_behind')")) is None


@pytest.fixture(scope="module")
def filled_engine(
    filled: Callable[[Callable[[Connection], object]], AbstractContextManager[Engine]],
) -> Iterator[Engine]:
    with filled(lambda connection: connection.execute(text("INSERT INTO account (login) VALUES ('octo')"))) as engine:
        yield engine


@pytest.mark.parametrize("run", ["first", "second"])
def test_rows_of_a_module_are_those_that_it_inserted_in_each_test(
    filled_engine: Engine, database: Connection, run: str
) -> None:
    with transaction() as connection:
        assert connection.execute(text("SELECT login FROM account")).all() == [("octo",)]
        connection.execute(text("UPDATE account SET login = 'another'"))


def test_a_test_that_does_not_ask_for_the_rows_of_its_module_has_none(database: Connection) -> None:
    assert database.scalar(text("SELECT count(*) FROM account")) == 0


def test_a_committing_test_sees_its_commits_from_another_connection(committing_database: Engine) -> None:
    with committing_database.begin() as one:
        one.execute(text("CREATE TABLE t AS SELECT 1 AS x"))
    with committing_database.connect() as other:
        assert other.scalar(text("SELECT x FROM t")) == 1


def test_redis_is_real_and_empty(redis: object) -> None:
    assert redis_client.redis().dbsize() == 0
    assert redis_client.redis().eval("return 7", 0) == 7
    redis_client.redis().set("left", "behind")


def test_redis_is_empty_again(redis: object) -> None:
    assert redis_client.redis().get("left") is None


def test_the_developers_settings_do_not_reach_a_test() -> None:
    assert settings().database_url == ""
    assert settings().github_tokens == ()


@pytest.mark.parametrize("run", ["first", "second"])
def test_a_committing_test_begins_with_the_rows_of_the_migration(committing_database: Engine, run: str) -> None:
    with committing_database.begin() as connection:
        assert connection.execute(text("SELECT id, name FROM source")).all() == [(1, "github")]
        assert connection.scalar(text("SELECT count(*) FROM account")) == 0
        assert connection.scalar(text("INSERT INTO account (login) VALUES ('octo') RETURNING id")) == 1
        connection.execute(text("UPDATE source SET name = 'another'"))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE account ADD COLUMN left_behind int",
        "CREATE TABLE left_behind (x int)",
        "DROP INDEX account_login_idx",
        "CREATE FUNCTION left_behind() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER DATABASE {name} SET work_mem = '1MB'",
        "ALTER DATABASE {name} CONNECTION LIMIT 5",
    ],
)
def test_a_database_with_another_schema_or_setting_is_not_used_again(committing_database: Engine, change: str) -> None:
    url = committing_database.url
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(False), autocommit=True) as connection:
        learned = ReusableDatabase.learn(str(url.database), connection)
        assert learned.restore(connection)
        connection.execute(change.format(name=url.database).encode())
        assert not learned.restore(connection)
