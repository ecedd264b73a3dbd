"""Many rows at once: from Postgres straight into Arrow's columns, cached by data version like any other frame."""

from functools import cache
from textwrap import dedent
from typing import Any

import pandas as pd
import pyarrow as pa
from adbc_driver_manager import OperationalError
from adbc_driver_postgresql import dbapi
from pandas import DataFrame
from psycopg.conninfo import make_conninfo
from psycopg.postgres import types
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import URL

from core.db.engine import transaction
from core.db.frames import cached_per_version
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
    """Answer *sql* with *values* bound, as `read_frame` does, in a tenth of its time and memory when rows are many.

    The columns are Arrow's own: they go into a table, a file or a chart without being copied.
    """
    return cached_per_version(_query_arrow, sql, values)


def _query_arrow(sql: str, values: dict[str, Any]) -> DataFrame:
    with transaction() as connection:
        if connection.in_nested_transaction():
            # Its rows are not committed: a connection of our own would not see them.
            frame = _query_by_psycopg(connection, sql, values)
        else:
            frame = _query_by_adbc(_libpq_conninfo(connection), sql, values)
    frame.attrs = {"sql": dedent(sql).strip(), "values": values}
    return frame


def _query_by_adbc(address: str, sql: str, values: dict[str, Any]) -> DataFrame:
    statement, order = to_numbered_parameters(sql, values)
    try:
        with dbapi.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(statement, [values[name] for name in order])
            frame: DataFrame = cursor.fetch_arrow_table().to_pandas(types_mapper=pd.ArrowDtype)
            return frame
    except OperationalError as error:
        raise ServerUnavailable("The database does not answer") from error


def _query_by_psycopg(connection: Connection, sql: str, values: dict[str, Any]) -> DataFrame:
    """The same columns of the same types, read row by row."""
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
    """Rewrite `:name` as `$1`, as libpq wants it; also the order in which it wants the values."""
    compiled = text(sql).bindparams(**values).compile(dialect=_dialect())
    return str(compiled), list(compiled.positiontup or ())


@cache
def _dialect() -> PGDialect_asyncpg:
    # Only its way of writing parameters is used; asyncpg itself is not needed.
    return PGDialect_asyncpg()  # type: ignore[no-untyped-call]


def _libpq_conninfo(connection: Connection) -> str:
    """Where *connection*'s server is, as libpq writes it."""
    url: URL = connection.engine.url
    given = {**url.query, **url.translate_connect_args(username="user", database="dbname")}
    return make_conninfo("", **given, connect_timeout=5, options="-c timezone=UTC -c jit=off")
