"""A capture says when the next one was expected."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from core.db import schema
from ingest.refresh import writer
from tests import seed_data
from tests.seed_data import utc

AT = utc("2026-03-01")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("tracking", "default", "stored"),
    [
        (None, 6 * HOUR, None),
        (None, 3 * DAY, 3 * DAY),
        ({"cadence": HOUR}, 3 * DAY, None),
        ({"cadence": DAY}, 6 * HOUR, None),
        ({"cadence": 7 * DAY, "planned_cadence": HOUR}, 6 * HOUR, 7 * DAY),
        ({"planned_cadence": 2 * DAY}, 6 * HOUR, 2 * DAY),
        ({}, 2 * DAY, 2 * DAY),
    ],
)
def test_a_capture_has_the_cadence_of_its_time_if_longer_than_a_day(database, tracking, default, stored):
    octo = seed_data.add_account(database, "octo")
    if tracking is not None:
        database.execute(insert(schema.tracked_account).values(account_id=octo, **tracking))
    writer.write_captures(database, {octo: AT}, 1, default)
    writer.write_captures(database, {octo: AT}, 1, default)
    rows = database.execute(schema.capture_open.select()).mappings().all()
    assert [(row["account_id"], row["captured_at"], row["cadence"]) for row in rows] == [(octo, AT, stored)]
