"""Partitions are created beside a running backup without holding up anybody who reads."""

import threading
from datetime import date

import pytest
from sqlalchemy import text

from core.db import partitions

MONTH = date(2031, 5, 1)
READ = "SELECT count(*) FROM repository_snapshot"


@pytest.fixture
def backup(committing_database):
    """A transaction that has read all tables, as a backup does for hours."""
    with committing_database.connect() as connection:
        tables = connection.scalars(text("SELECT relname FROM pg_class WHERE relname ~ '^repository_.*snapshot'"
                                         " AND relkind IN ('r', 'p')")).all()  # fmt: skip
        connection.execute(text(f"LOCK TABLE {', '.join(tables)} IN ACCESS SHARE MODE"))
        yield connection


def month_exists(engine):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT to_regclass('repository_snapshot_open_2031_05') IS NOT NULL"))


def test_readers_go_on_while_partitions_wait_for_a_backup(committing_database, backup):
    """Whoever waits for the backup's lock without end would queue every reader behind it."""
    tries, enough, created = [], threading.Event(), []

    def wait(_seconds):
        tries.append(1)
        if len(tries) >= 5:
            enough.set()

    def create():
        created.append(
            partitions.create_partitions(committing_database.begin, MONTH, MONTH, max_tries=10_000, sleep=wait)
        )

    creator = threading.Thread(target=create)
    creator.start()
    try:
        while not enough.is_set():
            with committing_database.begin() as connection:
                # Much longer than a creator may wait: a reader that is held up for as long as the backup fails here.
                connection.execute(text("SET LOCAL statement_timeout = '60s'"))
                connection.execute(text(READ))
        assert not month_exists(committing_database)
    finally:
        backup.rollback()
        creator.join()
    assert created == [2]
    assert month_exists(committing_database)


def test_after_all_tries_a_sentence_says_what_is_in_the_way(committing_database, backup):
    with pytest.raises(partitions.PartitionsLocked, match="May 2031 can be made while a backup"):
        partitions.create_partitions(committing_database.begin, MONTH, MONTH, max_tries=2, sleep=lambda _: None)
    assert not month_exists(committing_database)


def test_a_locked_partition_leaves_the_callers_transaction_usable(committing_database, backup):
    with committing_database.begin() as connection:
        with pytest.raises(partitions.PartitionsLocked):
            partitions.ensure_partitions(connection, MONTH, MONTH)
        assert connection.scalar(text("SHOW lock_timeout")) == "0"


def test_a_created_partition_is_like_one_created_in_place(database):
    """Rows of the month go there, and it has the parent's columns, defaults, constraints and indexes."""
    partitions.ensure_partitions(database, MONTH, MONTH)
    database.execute(text("CREATE TABLE reference PARTITION OF repository_snapshot_open"
                          " FOR VALUES FROM ('2031-06-01Z') TO ('2031-07-01Z')"))  # fmt: skip
    database.execute(
        text(
            "INSERT INTO repository_snapshot_open (repository_id, captured_at, stars)"
            " VALUES (1, '2031-05-31 23:59Z', 5)"
        )
    )
    assert database.scalar(text("SELECT source_id FROM repository_snapshot_open_2031_05")) == 1

    def shape(table):
        columns = database.execute(
            text("SELECT attname, format_type(atttypid, atttypmod), attnotnull, attstorage, attcompression,"
                 " pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND"
                 " adnum = attnum WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 ORDER BY attnum"),
            {"table": table},
        ).all()  # fmt: skip
        indexes = database.scalars(
            text("SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = CAST(:table AS regclass)"
                 " ORDER BY 1"), {"table": table},
        ).all()  # fmt: skip
        constraints = database.execute(
            text("SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint"
                 " WHERE conrelid = CAST(:table AS regclass) ORDER BY 1, 2"), {"table": table},
        ).all()  # fmt: skip
        return columns, [one.split("USING")[1] for one in indexes], constraints

    assert shape("repository_snapshot_open_2031_05") == shape("reference")
    attached = database.scalar(text("SELECT count(*) FROM pg_inherits WHERE inhparent IN (SELECT indexrelid FROM"
                                    " pg_index WHERE indrelid = 'repository_snapshot_open'::regclass) AND inhrelid IN"
                                    " (SELECT indexrelid FROM pg_index WHERE indrelid ="
                                    " 'repository_snapshot_open_2031_05'::regclass)"))  # fmt: skip
    assert attached == len(shape("reference")[1])


def test_the_lock_timeout_of_the_caller_is_kept(database):
    database.execute(text("SET LOCAL lock_timeout = '7s'"))
    partitions.ensure_partitions(database, MONTH, MONTH)
    assert database.scalar(text("SHOW lock_timeout")) == "7s"
