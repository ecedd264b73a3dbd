"""Through PgBouncer in transaction mode, where a client's next transaction may run on another server connection."""

import tempfile
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from core.db import libpq
from core.db.arrow import read_arrow
from core.db.engine import create_engine_for, transaction
from core.db.frames import read_frame
from core.db.override import use_engine
from core.db.pooler import check_sessions
from core.errors import BadInput
from tests.pgbouncer import pgbouncer

ZONE = "SELECT current_setting('TimeZone') AS zone, '2026-01-01T00:00Z'::timestamptz::text AS moment"


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="almanac-") as name:
        yield Path(name)


@pytest.fixture
def direct_url(committing_database):
    return committing_database.url.render_as_string(hide_password=False)


@pytest.fixture
def pooled_url(committing_database, folder):
    """One server connection for all clients: whatever one leaves behind is met by the others."""
    with committing_database.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {committing_database.url.database} SET timezone = 'America/New_York'"))
    with pgbouncer(committing_database.url, folder, pool_size=1) as url:
        yield url


@pytest.fixture
def two_engines(pooled_url):
    engines = [create_engine_for(pooled_url), create_engine_for(pooled_url)]
    yield engines
    for engine in engines:
        engine.dispose()


def test_a_statement_is_never_answered_by_another_clients(two_engines):
    """Prepared statements have the same names in all clients; psycopg prepares what runs for the sixth time."""
    for n in range(20):
        for who, engine in enumerate(two_engines):
            with engine.begin() as connection:
                assert connection.scalar(text(f"SELECT {who} * 1000 + :n"), {"n": n}) == who * 1000 + n


def test_the_time_zone_is_utc_whatever_the_servers_default(two_engines, pooled_url):
    other = create_engine("postgresql+psycopg://", connect_args=libpq.parameters(pooled_url))
    for _ in range(3):
        for engine in two_engines:
            with use_engine(engine):
                for read in (read_frame, read_arrow):
                    found = read(ZONE)
                    assert found["zone"].tolist() == ["UTC"]
                    assert found["moment"].tolist() == ["2026-01-01 00:00:00+00"]
        with other.begin() as connection:  # which is not ours, and keeps its own
            assert connection.execute(text(ZONE)).one().zone == "America/New_York"
    other.dispose()


def test_many_rows_and_values_are_read_and_written(two_engines):
    with use_engine(two_engines[0]):
        with transaction() as connection:
            connection.execute(text("CREATE TEMPORARY TABLE given (n int) ON COMMIT DROP"))
            driver = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy("COPY given FROM STDIN") as copy:
                for n in range(1000):
                    copy.write_row((n,))
            connection.execute(text("INSERT INTO account (login) SELECT 'a' || n FROM given"))
        for read in (read_frame, read_arrow):
            found = read("SELECT count(*) AS n FROM account WHERE login <> :not", **{"not": "a7"})
            assert found["n"].tolist() == [999]


def test_a_pooler_in_transaction_mode_is_recognized(pooled_url, direct_url, committing_database, folder):
    with pytest.raises(BadInput, match="set DATABASE_DIRECT_URL"):
        check_sessions(pooled_url)
    check_sessions(direct_url)
    with pgbouncer(committing_database.url, folder, pool_mode="session") as sessions_kept:
        check_sessions(sessions_kept)


def test_with_a_busy_pooler_it_is_recognized_too(committing_database, direct_url, folder):
    with pgbouncer(committing_database.url, folder) as url:
        clients = [psycopg.connect(libpq.conninfo(url)) for _ in range(5)]
        for client in clients:
            client.execute("SELECT 1")  # each has a server connection now
        with pytest.raises(BadInput):
            check_sessions(url)
        for client in clients:
            client.close()


def test_options_in_the_url_are_refused_by_the_pooler_and_reported(pooled_url):
    engine = create_engine_for(f"{pooled_url}?options=-c%20work_mem%3D64MB")
    with pytest.raises(OperationalError, match="unsupported startup parameter: options"):
        engine.connect()
