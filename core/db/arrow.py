"""Read many rows from Postgres into Arrow columns by ADBC, cached per data version like other frames."""

import atexit
import threading
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
from adbc_driver_manager import Error as ADBCError
from adbc_driver_manager import OperationalError
from adbc_driver_postgresql import dbapi
from pandas import DataFrame
from psycopg.conninfo import make_conninfo
from psycopg.postgres import types
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from core.db.engine import SESSION_SQL, retry_read, transaction
from core.db.errors import CONNECTION_SQLSTATE_PREFIXES, is_unavailable_sqlstate, unavailable_part
from core.db.frames import cached_per_version, query_attrs
from core.errors import ServerUnavailable

ARROW_TYPES = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float8": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}


def read_arrow(sql: str, *, only_until: datetime | None = None, **values: Any) -> DataFrame:
    """Run *sql* with *values* bound, like `read_frame`, but with a tenth of its time and memory for many rows.

    The columns are Arrow-backed: tables, files and charts use them without a copy.
    """
    return cached_per_version(_query_arrow, sql, values, only_until)


def _query_arrow(sql: str, values: dict[str, Any]) -> DataFrame:
    statement, order = to_numbered_parameters(sql, values)
    bound = [values[name] for name in order]

    def read() -> DataFrame:
        with transaction() as connection:
            if connection.in_nested_transaction():
                # Another connection would not see its uncommitted rows.
                return _query_by_psycopg(connection, sql, values)
            return _query_by_adbc(_libpq_conninfo(connection), statement, bound)

    frame = retry_read(read)
    frame.attrs = query_attrs(sql, values)
    return frame


def _query_by_adbc(conninfo: str, statement: str, bound: list[Any]) -> DataFrame:
    # ADBC writes `COPY (statement) TO STDOUT`: a semicolon is an error there, and a comment would go on after it.
    statement = f"{statement.rstrip().rstrip(';')}\n"
    if (idle := _take_idle_connection(conninfo)) is not None:
        try:
            return _fetch(idle, conninfo, statement, bound)
        except (OperationalError, OSError) as error:
            if _is_statements_fault(error):
                raise
            if _is_answer(error):
                raise _unavailable(error) from error
            # The server may have restarted since it was last used.
    try:
        return _fetch(dbapi.connect(conninfo), conninfo, statement, bound)
    except (OperationalError, OSError) as error:
        if _is_statements_fault(error):
            raise
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> ServerUnavailable:
    return ServerUnavailable(unavailable_part(error) or "The database is unavailable")


def _is_statements_fault(error: Exception) -> bool:
    # ADBC raises the same classes for failed statements; a connection that was refused or lost has no SQLSTATE.
    sqlstate = getattr(error, "sqlstate", None)
    return bool(sqlstate) and not is_unavailable_sqlstate(sqlstate) and unavailable_part(error) is None


def _is_answer(error: Exception) -> bool:
    """Return whether the server answered on a connection that it keeps, as with a conflict, and not by ending it."""
    sqlstate = getattr(error, "sqlstate", None)
    return bool(sqlstate) and not str(sqlstate).startswith(CONNECTION_SQLSTATE_PREFIXES)


def _fetch(connection: dbapi.Connection, conninfo: str, statement: str, bound: list[Any]) -> DataFrame:
    """Run *statement*; the connection is kept for the next one, or closed after an error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(SESSION_SQL)
            cursor.execute(statement, bound)
            frame: DataFrame = cursor.fetch_arrow_table().to_pandas(types_mapper=pd.ArrowDtype)
        connection.rollback()
    except BaseException:
        with suppress(ADBCError):
            connection.close()
        raise
    _keep_idle_connection(connection, conninfo)
    return frame


# A new connection of ADBC reads all types of the database first, those of every partition too: many times the cost of a
# short query.
MAX_IDLE_CONNECTIONS = 2
_idle_connections: list[tuple[str, dbapi.Connection]] = []
_idle_lock = threading.Lock()


def _take_idle_connection(conninfo: str) -> dbapi.Connection | None:
    with _idle_lock:
        for entry in _idle_connections:
            if entry[0] == conninfo:
                _idle_connections.remove(entry)
                return entry[1]
    return None


def _keep_idle_connection(connection: dbapi.Connection, conninfo: str) -> None:
    with _idle_lock:
        _idle_connections.append((conninfo, connection))
        surplus = [_idle_connections.pop(0)] if len(_idle_connections) > MAX_IDLE_CONNECTIONS else []
    _close(surplus)


@atexit.register
def close_idle_connections() -> None:
    """Close the connections that wait for the next query."""
    with _idle_lock:
        waiting = list(_idle_connections)
        _idle_connections.clear()
    _close(waiting)


def _close(connections: list[tuple[str, dbapi.Connection]]) -> None:
    for _, connection in connections:
        with suppress(ADBCError):
            connection.close()


def _query_by_psycopg(connection: Connection, sql: str, values: dict[str, Any]) -> DataFrame:
    """Return the same columns and types as `_query_by_adbc`, read row by row."""
    result = connection.execute(text(sql), values)
    described: Any = result.cursor.description
    kinds = {column.name: _arrow_type(column.type_code) for column in described}
    rows = [dict(row) for row in result.mappings()]
    frame: DataFrame = pa.Table.from_pylist(rows, pa.schema(kinds)).to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _arrow_type(oid: int) -> pa.DataType:
    info = types[oid]
    kind = ARROW_TYPES[info.name]
    return pa.list_(kind) if info.array_oid == oid else kind


def to_numbered_parameters(sql: str, values: dict[str, Any]) -> tuple[str, list[str]]:
    """Rewrite `:name` as `$1`, as libpq expects; returns the SQL and the names in the order of their numbers.

    As for `read_frame`, *values* may have more than *sql* names.
    """
    statement = text(sql)
    named = {name: values[name] for name in statement.compile().params}
    compiled = statement.bindparams(**named).compile(dialect=_dialect())
    return str(compiled), list(compiled.positiontup or ())


@cache
def _dialect() -> PGDialect_asyncpg:
    # Only its parameter style is used; asyncpg itself is not needed.
    return PGDialect_asyncpg()  # type: ignore[no-untyped-call]


def _libpq_conninfo(connection: Connection) -> str:
    """Return the connection string that *connection* was opened with, of the one host that it reached."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    options = [option for option in driver.pgconn.info if option.val is not None and option.val != option.compiled]
    return make_conninfo("", **{option.keyword.decode(): option.val.decode() for option in options if option.val})
