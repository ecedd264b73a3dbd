"""The shared fixtures keep their promises."""

from sqlalchemy import Connection, Engine, text

from core import redis_client
from core.db.engine import transaction
from core.settings import settings


def test_a_test_can_read_its_own_writes(database: Connection) -> None:
    """Work committed through `core.db.engine` is visible within the test."""
    with transaction() as connection:
        connection.execute(text("CREATE TABLE left_behind (x int)"))
    with transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM left_behind")) == 0


def test_writes_of_another_test_are_rolled_back(database: Connection) -> None:
    """Even a table does not outlive the test that made it, whichever ran first."""
    assert database.scalar(text("SELECT to_regclass('left_behind')")) is None


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
