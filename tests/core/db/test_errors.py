"""An unreachable or overloaded Postgres is distinguished from a failed statement; its tracebacks are not logged."""

import json
import logging

import psycopg
import pytest
from adbc_driver_manager import Error as ADBCError
from pandas.errors import DatabaseError
from procrastinate.exceptions import ConnectorException
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from core.command_line import describe
from core.db.arrow import read_arrow
from core.db.engine import optional_write, run_transaction, write_rows
from core.db.errors import (
    is_conflict,
    is_connection_error,
    is_server_unavailable,
    is_statement_cancelled,
    unavailable_node,
    unavailable_part,
    unavailable_reason,
)
from core.db.frames import read_frame
from core.db.log_filter import filter_connection_errors
from core.errors import NotFound, ServerUnavailable
from core.web.middleware.error_responses import known_error_response


def test_a_refused_connection_is_a_connection_error():
    with pytest.raises(DBAPIError) as raised:
        create_engine("postgresql+psycopg://almanac@/almanac?host=/nowhere").connect()
    assert is_connection_error(raised.value)
    assert is_server_unavailable(raised.value)


def test_a_failed_statement_is_no_connection_error(database):
    with pytest.raises(DBAPIError) as raised, database.begin_nested():
        database.execute(text("SELECT 1 / 0"))
    assert not is_connection_error(raised.value)
    assert not is_connection_error(psycopg.errors.DiskFull("no space"))
    assert not is_connection_error(None)


FAILED = (DBAPIError, DatabaseError, ADBCError, ServerUnavailable)


# What Citus says of a statement during which rows were moved from node to node, or a node was taken out.
NODE_TAKEN_OUT = "there is a shard placement in node group 3 but there are no nodes in that group"
SHARD_DROPPED = 'relation "public.repository_102292" does not exist'
ON_NODE = "\nCONTEXT:  while executing command on db3:5432"


def raising(database, sqlstate, *, times, message="no"):
    """Return SQL that fails with *sqlstate* as often as *times*, then returns 7. A sequence outlives rollbacks."""
    database.execute(text("CREATE SEQUENCE tries"))
    database.execute(
        text(f"""
            CREATE FUNCTION fail_first() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') <= {times} THEN RAISE EXCEPTION '{message}' USING ERRCODE = '{sqlstate}'; END IF;
                RETURN 7;
            END $$
        """)
    )
    return "SELECT fail_first() AS n"


def tries(database):
    return database.scalar(text("SELECT last_value FROM tries"))


@pytest.mark.parametrize(
    "message",
    [
        "connection to the remote node almanac@db3.example:5432 failed with the following error: Connection refused",
        "connection to the remote node db3.example:5432 failed",
        "could not establish any connections to the node db3.example:5432 after 30000 ms",
        "failure on connection marked as essential: db3.example:5432",
    ],
)
def test_a_lost_node_of_citus_is_named_without_the_user(database, message):
    """These are what Citus 12 and 13 say; the coordinator itself goes on."""
    escaped = message.replace("'", "''")
    with pytest.raises(DBAPIError) as raised, database.begin_nested():
        database.execute(text(f"DO $$ BEGIN RAISE EXCEPTION '{escaped}' USING ERRCODE = '08006'; END $$"))
    assert is_server_unavailable(raised.value)
    assert unavailable_node(raised.value) == "db3.example:5432"
    assert unavailable_reason(raised.value) == "node db3.example:5432 does not respond"
    part = "Part of the database is unavailable: its node db3.example:5432 does not respond"
    assert unavailable_part(raised.value) == part
    response = known_error_response(raised.value)
    assert response is not None
    assert response.status_code == 503
    assert json.loads(response.body)["message"] == f"{part}; nothing is lost, try again in a moment."
    sentence, _ = describe(raised.value) or ("", 0)
    assert sentence.endswith("its node db3.example:5432 does not respond")


@pytest.mark.parametrize(
    "error",
    [
        # As Citus 12 reports a node that is killed during a statement.
        psycopg.errors.InternalError_("SSL SYSCALL error: EOF detected\nCONTEXT:  while executing command on db3:5432"),
        psycopg.errors.InternalError_(
            "server closed the connection unexpectedly\n\tThis probably means that the server terminated abnormally\n"
            "CONTEXT:  while executing command on db3:5432"
        ),
        psycopg.errors.AdminShutdown(
            "terminating connection due to administrator command\nCONTEXT:  while executing command on db3:5432"
        ),
    ],
)
def test_a_node_that_goes_away_during_a_statement_is_unavailable(error):
    assert is_server_unavailable(error)
    assert unavailable_node(error) == "db3:5432"


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.InternalError_(NODE_TAKEN_OUT),
        psycopg.errors.InternalError_("node group 3 does not have a primary node"),
        psycopg.errors.UndefinedTable(SHARD_DROPPED + ON_NODE),
        # The coordinator may have shards too, and a long name has a digest in its middle.
        psycopg.errors.UndefinedTable('relation "repository_snapshot_open_2024_05_0f3a1c22_1022921" does not exist'),
        psycopg.errors.InternalError_("could not find valid entry for shard 102292"),
        psycopg.errors.InternalError_("could not find valid entry for shard placement 317"),
        psycopg.errors.InvalidParameterValue("could not find any healthy placement for shard 102292"),
        psycopg.errors.InternalError_("shard 102292 does not have any shard placements"),
        psycopg.errors.InternalError_("failed to assign 4 task(s) to worker nodes"),
        psycopg.errors.FeatureNotSupported("shard counts of co-located tables do not match"),
        psycopg.errors.FeatureNotSupported(
            "cannot find a worker that has active placements for all shards in the query"
        ),
        psycopg.errors.InternalError_("could not open relation with OID 22190" + ON_NODE),
    ],
)
def test_rows_that_move_to_another_node_are_a_conflict_with_a_name(error):
    assert is_conflict(error)
    assert is_server_unavailable(error)
    assert unavailable_node(error) is None
    assert unavailable_reason(error) == "rows moved between nodes"


MISSING_ACCOUNT = (
    'insert or update on table "account_snapshot_102009" violates foreign key constraint "account_fkey_102009"\n'
    'DETAIL:  Key (account_id)=(199) is not present in table "account_102008".'
)


def test_a_row_that_a_node_does_not_have_yet_is_an_outage_with_a_name():
    """A coordinator that was killed commits what its nodes have prepared within a minute of its start."""
    error = psycopg.errors.ForeignKeyViolation(MISSING_ACCOUNT + "\nCONTEXT:  while executing command on db3:5432")
    assert is_server_unavailable(error)
    assert not is_conflict(error)
    assert unavailable_node(error) is None
    assert unavailable_reason(error) == "a node has not committed an earlier transaction yet"


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.ForeignKeyViolation(MISSING_ACCOUNT),
        psycopg.errors.UndefinedTable('relation "repository_102292_log" does not exist'),
        psycopg.errors.UndefinedTable('relation "repository_snapshot_open_2024_05" does not exist'),
        psycopg.errors.UndefinedTable('relation "repositories" does not exist' + ON_NODE),
        psycopg.errors.UndefinedColumn('column "stars_102292" does not exist' + ON_NODE),
        psycopg.errors.InternalError_("could not open relation with OID 22190"),
        psycopg.errors.InternalError_("cache lookup failed" + ON_NODE),
    ],
)
def test_a_statement_that_fails_on_a_node_is_at_fault(error):
    assert not is_server_unavailable(error)
    assert unavailable_node(error) is None


def test_the_whole_server_is_not_taken_for_a_node():
    error = psycopg.OperationalError("connection to server at 127.0.0.1, port 5432 failed: Connection refused")
    assert unavailable_node(error) is None
    assert unavailable_part(error) is None


# The classes 53 and 57 of Postgres' error codes, and what it reports of transactions that got in each other's way.
@pytest.mark.parametrize(
    ("sqlstate", "reason"),
    [
        ("53000", "SQLSTATE 53000"),
        ("53100", "disk full"),
        ("53200", "out of memory"),
        ("53300", "too many connections"),
        ("57014", "statement cancelled"),
        ("57P05", "SQLSTATE 57P05"),
        ("40P01", "deadlock"),
        ("40001", "serialization failure"),
    ],
)
def test_a_server_that_cannot_serve_now_is_unavailable_and_the_reason_named(database, sqlstate, reason):
    sql = raising(database, sqlstate, times=2)
    for read in (read_frame, read_arrow):
        database.execute(text("ALTER SEQUENCE tries RESTART"))
        with pytest.raises(FAILED) as raised:
            read(sql)
        assert is_server_unavailable(raised.value)
        assert unavailable_reason(raised.value) == reason


@pytest.mark.parametrize("sqlstate", ["22012", "23505", "42P01", "XX000", "P0001"])
def test_a_statement_at_fault_does_not_make_the_server_unavailable(committing_database, sqlstate):
    with committing_database.begin() as connection:
        sql = raising(connection, sqlstate, times=2)
    for read in (read_frame, read_arrow):
        with pytest.raises(FAILED) as raised:
            read(sql)
        assert not is_server_unavailable(raised.value)
    with committing_database.connect() as connection:
        assert tries(connection) == 2  # neither was repeated


CONFLICTS = [("40P01", "no", 1), ("40001", "no", 1), ("XX000", NODE_TAKEN_OUT, 3), ("42P01", SHARD_DROPPED, 3)]


@pytest.mark.parametrize(("sqlstate", "message", "repeats"), CONFLICTS)
@pytest.mark.parametrize("read", [read_frame, read_arrow])
def test_a_query_that_met_a_conflict_is_repeated(committing_database, sqlstate, message, repeats, read):
    """Once; where Citus moves rows, three times: the next statement may meet the next move."""
    with committing_database.begin() as connection:
        sql = raising(connection, sqlstate, times=repeats, message=message)
    assert read(sql)["n"].tolist() == [7]
    with committing_database.begin() as connection:
        connection.execute(text("DROP SEQUENCE tries; DROP FUNCTION fail_first"))
        raising(connection, sqlstate, times=repeats + 1, message=message)
    with pytest.raises(FAILED):
        read(f"/* another, so not cached */ {sql}")
    with committing_database.connect() as connection:
        assert tries(connection) == repeats + 1


@pytest.mark.parametrize(("sqlstate", "message", "repeats"), CONFLICTS)
@pytest.mark.parametrize("transact", [run_transaction, lambda _engine, write: write_rows(write)])
def test_a_transaction_that_met_a_conflict_is_repeated_as_a_whole(
    committing_database, transact, sqlstate, message, repeats
):
    with committing_database.begin() as connection:
        sql = raising(connection, sqlstate, times=repeats, message=message)
        connection.execute(text("CREATE TABLE written (n int)"))

    def write_and_fail(connection):
        connection.execute(text("INSERT INTO written VALUES (1)"))
        return connection.scalar(text(sql))

    with capture_logs() as logs:
        assert transact(committing_database, write_and_fail) == 7
    assert [line["event"] for line in logs] == ["transaction repeated"] * repeats
    with committing_database.connect() as connection:
        assert connection.scalars(text("SELECT n FROM written")).all() == [1]


def test_a_full_disk_skips_an_optional_write_and_keeps_the_transaction(database):
    sql = raising(database, "53100", times=1)
    with optional_write(database):
        database.execute(text("UPDATE account SET name = 'x'"))
        database.execute(text(sql))
    assert database.scalar(text(sql)) == 7
    with pytest.raises(DBAPIError, match="division"), optional_write(database):
        database.execute(text("SELECT 1 / 0"))


def test_errors_wrapped_by_the_queue_are_unwrapped():
    wrapped = ConnectorException()
    wrapped.__cause__ = psycopg.errors.AdminShutdown("going down")
    assert is_connection_error(wrapped)
    assert not is_connection_error(ConnectorException())


def test_a_cancelled_statement_is_neither_failed_nor_a_connection_error():
    cancelled = DBAPIError("SELECT", {}, psycopg.errors.QueryCanceled("cancelled"))
    cancelled.__cause__ = cancelled.orig
    assert is_statement_cancelled(cancelled)
    assert not is_connection_error(cancelled)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(RedisConnectionError(), True), (ServerUnavailable(""), True), (NotFound(""), False), (ValueError(), False)],
)
def test_redis_counts_as_a_server_but_not_as_postgres(error, expected):
    assert is_server_unavailable(error) is expected
    assert not is_connection_error(error)


def test_only_connection_errors_are_dropped_from_the_log(caplog):
    filter_connection_errors("somebody")
    logger = logging.getLogger("somebody.else")
    for error in (psycopg.OperationalError("gone"), ValueError("a bug")):
        logger.error("it broke", exc_info=error)
    assert [str(record.exc_info[1]) for record in caplog.records] == ["a bug"]


def test_what_a_server_says_of_a_statement_is_reported_without_the_statement():
    refused = psycopg.errors.ReadOnlySqlTransaction(
        "cannot execute DELETE in a read-only transaction\nCONTEXT:  SQL statement DELETE FROM session"
    )
    sentence, _ = describe(refused) or ("", 0)
    assert sentence.endswith("): cannot execute DELETE in a read-only transaction")
