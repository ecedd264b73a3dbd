"""`read_arrow`: bound values, types, caching and connection strings."""

import threading
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, text

from core.db.arrow import read_arrow, to_numbered_parameters
from core.db.data_version import publish_data_version
from core.db.engine import transaction
from core.db.override import use_engine
from core.errors import ServerUnavailable

SQL = """
    SELECT login, first_seen_at, ARRAY[login, NULL] AS names, id, 1::smallint AS small, 2.5::float8 AS share,
           login = ANY(CAST(:logins AS text[])) AS wanted, DATE '2026-03-01' AS day, NULL::int AS unknown
      FROM account WHERE first_seen_at <= :until AND id > :least ORDER BY login
"""
VALUES = {"logins": ["b", "it's"], "until": datetime(2027, 1, 1, tzinfo=UTC), "least": 0}


def add_accounts(connection):
    connection.execute(
        text("INSERT INTO account (login, first_seen_at) VALUES ('a', '2026-01-01Z'), ('b', '2026-02-01Z')")
    )


def test_columns_are_arrow_backed_and_values_bound(committing_database):
    with transaction() as connection:
        add_accounts(connection)
    frame = read_arrow(SQL, **VALUES)
    assert frame["login"].tolist() == ["a", "b"]
    assert frame["wanted"].tolist() == [False, True]
    assert frame["first_seen_at"].iloc[0] == datetime(2026, 1, 1, tzinfo=UTC)
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


def test_an_unavailable_database_raises_and_nothing_is_cached(committing_database, monkeypatch):
    from core.db import arrow

    with monkeypatch.context() as patch:
        patch.setattr(arrow, "_libpq_conninfo", lambda _: "host=/nonexistent dbname=none connect_timeout=1")
        with pytest.raises(ServerUnavailable):
            read_arrow(SQL, **VALUES)
    assert read_arrow(SQL, **VALUES).empty


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


def test_a_password_with_spaces_and_quotes_is_escaped_for_libpq():
    from core.db.arrow import _libpq_conninfo

    engine = create_engine("postgresql+psycopg://me:p%40ss%20'w@db.example:6543/facts?application_name=a%20b")

    class Connection:
        pass

    connection = Connection()
    connection.engine = engine
    from psycopg.conninfo import conninfo_to_dict

    parsed = conninfo_to_dict(_libpq_conninfo(connection))
    assert parsed["password"] == "p@ss 'w"
    assert (parsed["host"], parsed["port"], parsed["dbname"], parsed["user"]) == ("db.example", "6543", "facts", "me")
    assert parsed["application_name"] == "a b"
