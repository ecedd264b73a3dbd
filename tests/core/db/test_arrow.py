"""`read_arrow`: bound values, types, caching and lost connections."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from adbc_driver_manager import Error as ADBCError
from sqlalchemy import text
from sqlalchemy.pool import StaticPool

from core.db.arrow import close_idle_connections, read_arrow, to_numbered_parameters
from core.db.data_version import publish_data_version
from core.db.engine import create_engine_for, transaction
from core.db.errors import is_server_unavailable
from core.db.frames import read_frame
from core.db.override import use_engine
from core.errors import ServerUnavailable
from tests.socket_proxy import socket_proxy

SQL = """
    SELECT login, first_captured_at, ARRAY[login, NULL] AS names, id, 1::smallint AS small, 2.5::float8 AS share,
           login = ANY(CAST(:logins AS text[])) AS wanted, DATE '2026-03-01' AS day, NULL::int AS unknown
      FROM account WHERE first_captured_at <= :until AND id > :least ORDER BY login
"""
VALUES = {"logins": ["b", "it's"], "until": datetime(2027, 1, 1, tzinfo=UTC), "least": 0}


def add_accounts(connection):
    connection.execute(
        text("INSERT INTO account (login, first_captured_at) VALUES ('a', '2026-01-01Z'), ('b', '2026-02-01Z')")
    )


def test_columns_are_arrow_backed_and_values_bound(committing_database):
    with transaction() as connection:
        add_accounts(connection)
    frame = read_arrow(SQL, **VALUES)
    assert frame["login"].tolist() == ["a", "b"]
    assert frame["wanted"].tolist() == [False, True]
    assert frame["first_captured_at"].iloc[0] == datetime(2026, 1, 1, tzinfo=UTC)
    assert frame["names"].dtype.pyarrow_dtype == pa.list_(pa.string())
    assert frame.attrs["values"] == VALUES
    assert frame.attrs["sql"].startswith("SELECT login")


def test_inside_a_transaction_its_uncommitted_rows_are_read_with_the_same_types(committing_database, database):
    with use_engine(committing_database), transaction() as connection:
        add_accounts(connection)
        connection.execute(text("UPDATE account SET id = DEFAULT"))
    with use_engine(committing_database):
        outside = read_arrow(SQL, **VALUES)
    add_accounts(database)
    inside = read_arrow(SQL, **VALUES)
    assert inside["login"].tolist() == ["a", "b"]
    assert [str(kind) for kind in inside.dtypes] == [str(kind) for kind in outside.dtypes]


def test_a_frame_is_cached_until_the_next_data_version(committing_database):
    assert read_arrow(SQL, **VALUES).empty
    with transaction() as connection:
        add_accounts(connection)
    assert read_arrow(SQL, **VALUES).empty
    with transaction() as connection:
        publish_data_version(connection)
    assert len(read_arrow(SQL, **VALUES)) == 2


def test_a_value_is_never_part_of_the_sql():
    statement, order = to_numbered_parameters(
        "SELECT :name, :name, :other", {"name": "'; DROP TABLE account", "other": 1}
    )
    assert "DROP" not in statement
    assert statement.count("$1") == 2
    assert order == ["name", "other"]


def test_values_that_the_sql_does_not_name_are_left_out(committing_database):
    for read in (read_arrow, read_frame):
        assert read("SELECT :number AS number", number=7, days=[30])["number"].tolist() == [7]


def test_an_unavailable_database_raises_and_nothing_is_cached(committing_database, monkeypatch):
    from core.db import arrow

    with monkeypatch.context() as patch:
        patch.setattr(arrow, "_libpq_conninfo", lambda _: "host=/nonexistent dbname=none connect_timeout=1")
        with pytest.raises(ServerUnavailable):
            read_arrow(SQL, **VALUES)
    assert read_arrow(SQL, **VALUES).empty


@pytest.mark.parametrize("end", ["-- the end", "/* the end */", ";", "; ", ";\n", "\n;\n"])
def test_sql_may_end_in_a_comment_or_a_semicolon(committing_database, end):
    for read in (read_arrow, read_frame):
        assert read(f"SELECT :number AS number {end}", number=7)["number"].tolist() == [7]


@pytest.fixture
def cut(committing_database):
    """Run `read()` on a connection of its own that ends after that many bytes from the server; None: never."""
    socket_file = Path(committing_database.url.query["host"]) / ".s.PGSQL.5432"
    with socket_proxy(None, socket_file) as proxy:
        url = f"postgresql://almanac@127.0.0.1:{proxy.port}/{committing_database.url.database}"

        def reading(allowance, read):
            engine = create_engine_for(url, poolclass=StaticPool)
            try:
                with engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
                    connection.commit()
                    proxy.allowance = allowance
                    with use_engine(engine):
                        return read()
            finally:
                proxy.allowance = None
                engine.dispose()
                close_idle_connections()

        yield reading


def test_a_connection_that_ends_anywhere_gives_all_rows_or_the_unavailable_error(cut):
    """The engine's connection lives on; ADBC's ends while it signs in, prepares, begins or fetches."""
    sql, whole = "SELECT n, repeat('x', 20) AS text FROM generate_series(1, 1000) n", list(range(1, 1001))
    outcomes = set()
    for allowance in [*range(0, 3000, 137), *range(3000, 60_000, 4999), None]:
        try:
            found = cut(allowance, lambda: read_arrow(sql))["n"].tolist()
        except ServerUnavailable:
            outcomes.add("unavailable")
        else:
            assert found == whole, allowance
            outcomes.add("all")
    assert outcomes == {"unavailable", "all"}


def test_a_backend_that_is_terminated_while_it_sends_makes_the_database_unavailable(committing_database):
    sql = """
        SELECT n, CASE n WHEN 200000 THEN pg_terminate_backend(pg_backend_pid()) END AS ended, repeat('x', 100) AS text
          FROM generate_series(1, 400000) n
    """
    with pytest.raises(ServerUnavailable) as raised:
        read_arrow(sql)
    assert is_server_unavailable(raised.value)


def test_a_row_that_fails_after_others_came_is_the_statements_fault(committing_database):
    with pytest.raises(ADBCError, match="division by zero") as raised:
        read_arrow("SELECT n, 1 / (200000 - n) AS share, repeat('x', 100) AS text FROM generate_series(1, 400000) n")
    assert not is_server_unavailable(raised.value)


def test_concurrent_threads_get_the_same_rows(committing_database):
    with transaction() as connection:
        add_accounts(connection)
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(len(read_arrow(SQL, **VALUES)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2] * 8


def test_a_connection_that_was_lost_while_idle_is_replaced(committing_database):
    own_pid = "SELECT pg_backend_pid() AS pid, :number AS number"
    first = read_arrow(own_pid, number=1)["pid"].iloc[0]
    assert read_arrow(own_pid, number=2)["pid"].iloc[0] == first
    with transaction() as connection:
        assert connection.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": int(first)})
    assert read_arrow(own_pid, number=3)["pid"].iloc[0] != first
