"""What follows from settled times alone is read once for all data versions with the same past."""

from datetime import timedelta

import pytest

from core.db.arrow import read_arrow
from core.db.data_version import announce_past_change, data_version, publish_data_version
from core.db.frames import collect_reads, have_equal_rows, pin_version, read_frame

SQL = "SELECT gen_random_uuid()::text AS mark"


@pytest.fixture
def settled(now):
    return now - timedelta(days=2)


@pytest.fixture(params=[read_frame, read_arrow])
def read(request, database):
    """Return a function that reads a text that differs each time it is read from Postgres."""
    publish_data_version(database)
    return lambda until, sql=SQL: (data_version(), str(request.param(sql, only_until=until)["mark"].iloc[0]))[1]


def test_it_is_read_once_while_refreshes_store_newer_captures(database, read, settled):
    first = read(settled)
    publish_data_version(database, keeps_past=True)
    publish_data_version(database, keeps_past=True)
    assert read(settled) == first
    assert read(settled - timedelta(days=1)) == first, "the values are the same"


@pytest.mark.parametrize("age", [None, timedelta(hours=20)])
def test_what_a_refresh_may_still_change_is_read_for_each_version(database, read, age, now):
    until = age and now - age
    first = read(until)
    assert read(until) == first
    publish_data_version(database, keeps_past=True)
    assert read(until) != first


def test_a_version_that_changed_the_past_is_read_again(database, read, settled):
    first = read(settled)
    publish_data_version(database)
    second = read(settled)
    assert second != first
    publish_data_version(database, keeps_past=True)
    assert read(settled) == second


def test_a_change_of_the_past_counts_from_the_version_that_shows_it(database, read, settled):
    first = read(settled)
    announce_past_change(database)
    assert read(settled) == first
    publish_data_version(database, keeps_past=True)
    second = read(settled)
    assert second != first
    publish_data_version(database, keeps_past=True)
    assert read(settled) == second


def test_a_run_that_reads_an_older_version_neither_gets_nor_leaves_rows_of_a_newer_past(database, read, settled):
    older = data_version()
    publish_data_version(database)
    newer = read(settled)
    pin_version(older)
    try:
        assert read(settled) != newer
    finally:
        pin_version(None)
    assert read(settled) == newer


def test_a_page_that_read_the_past_alone_is_unchanged_by_a_refresh(database, read, settled):
    with collect_reads() as reads:
        read(settled)
    publish_data_version(database, keeps_past=True)
    data_version()
    assert have_equal_rows(reads.versioned.values())
    publish_data_version(database)
    data_version()
    assert not have_equal_rows(reads.versioned.values())


def test_the_first_version_has_a_past_of_its_own(database):
    assert publish_data_version(database, keeps_past=True) == 1
    announce_past_change(database)
    publish_data_version(database, keeps_past=True)
    assert data_version() == 2
