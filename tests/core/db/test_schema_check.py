"""The schema check names what the database lacks."""

import pytest
from sqlalchemy import text

from core.db.schema_check import find_missing_objects


def test_a_migrated_database_lacks_nothing(database):
    assert find_missing_objects(database) == []


@pytest.mark.parametrize(
    ("sql", "missing"),
    [
        ("DROP TABLE traffic_day", ["table traffic_day"]),
        ("DROP TABLE procrastinate_periodic_defers", ["table procrastinate_periodic_defers"]),
        ("DROP VIEW repository_latest", ["view repository_latest"]),
        ("DROP INDEX alert_raised_at_idx", ["index alert_raised_at_idx"]),
        ("ALTER TABLE webhook DROP CONSTRAINT webhook_name_key", ["constraint webhook_name_key"]),
        ("ALTER TABLE alert DROP CONSTRAINT alert_rule_id_fkey", ["constraint alert_rule_id_fkey"]),
    ],
)
def test_what_is_missing_is_named(database, sql, missing):
    database.execute(text(sql))
    assert find_missing_objects(database) == missing
