"""Read many rows from Postgres into Arrow columns by ADBC, cached per data version like other frames."""

from functools import cache
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
from adbc_driver_manager import OperationalError
from adbc_driver_postgresql import dbapi
from pandas import DataFrame
from psycopg.conninfo import make_conninfo
from psycopg.postgres import types
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from core.db.engine import SESSION_SQL, retry_read, transaction
from core.db.errors import is_unavailable_sqlstate
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


def read_arrow(sql: str, **values: Any) -> DataFrame:
    """Run *sql* with *values* bound, like `read_frame`, but with a tenth of its time and memory for many rows.

    The columns are Arrow-backed: tables, files and charts use them without a copy.
    """
    return cached_per_version(_query_arrow, sql, values)


def _query_arrow(sql: str, values: dict[str, Any]) -> DataFrame:
    def read() -> DataFrame:
        with transaction() as connection:
            if connection.in_nested_transaction():
                # Another connection would not see its uncommitted rows.
                return _query_by_psycopg(connection, sql, values)
            return _query_by_adbc(_libpq_conninfo(connection), sql, values)

    frame = retry_read(read)
    frame.attrs = query_attrs(sql, values)
    return frame


def _query_by_adbc(conninfo: str, sql: str, values: dict[str, Any]) -> DataFrame:
    statement, order = to_numbered_parameters(sql, values)
    # ADBC writes `COPY (statement) TO STDOUT`: a semicolon is an error there, and a comment would go on after it.
    statement = f"{statement.rstrip().rstrip(';')}\n"
    try:
        with dbapi.connect(conninfo) as connection, connection.cursor() as cursor:
            cursor.execute(SESSION_SQL)
            cursor.execute(statement, [values[name] for name in order])
            frame: DataFrame = cursor.fetch_arrow_table().to_pandas(types_mapper=pd.ArrowDtype)
            return frame
    except (OperationalError, OSError) as error:
        # ADBC raises these for failed statements too; a connection that was refused or lost has no SQLSTATE.
        sqlstate = getattr(error, "sqlstate", None)
        if sqlstate and not is_unavailable_sqlstate(sqlstate):
            raise
        raise ServerUnavailable("The database is unavailable") from error


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
    """Rewrite `:name` as `$1`, as libpq expects; returns the SQL and the names in the order of their numbers."""
    compiled = text(sql).bindparams(**values).compile(dialect=_dialect())
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
