"""A migrated database that tests which commit use one after another: emptying it costs a tenth of a new one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

Connection = psycopg.Connection[tuple[object, ...]]
# Any change of the schema adds, replaces or removes rows of these.
CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_inherits", "pg_trigger", "pg_rewrite"),
    *("pg_namespace", "pg_type", "pg_enum", "pg_proc", "pg_extension", "pg_policy", "pg_publication", "pg_collation"),
    *("pg_default_acl", "pg_event_trigger", "pg_largeobject_metadata", "pg_statistic_ext"),
)
TABLES = """
    SELECT relation.oid::regclass::text FROM pg_class AS relation
      JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
     WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_toast|^pg_temp'
       AND pg_relation_size(relation.oid) > 0
"""
SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename), last_value, start_value FROM pg_sequences"


@dataclass
class ReusableDatabase:
    """A clone of the template, and what to restore: its rows, sequences and schema are those of `learn`."""

    name: str
    rows: dict[str, bytes]
    sequences: dict[str, int | None]
    schema: list[tuple[object, ...]]

    @classmethod
    def learn(cls, name: str, connection: Connection) -> "ReusableDatabase":
        """Remember the state of the new database *name*."""
        rows = {table: _copy_out(connection, table) for table in _tables_with_rows(connection)}
        return cls(name, rows, _sequences(connection), _schema(connection))

    def restore(self, connection: Connection) -> bool:
        """Make it what it was when new; False if that takes more than its rows, as after a change of the schema."""
        if _schema(connection) != self.schema:
            return False
        used = _tables_with_rows(connection)
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # no foreign keys, no triggers
            for table in used:
                cursor.execute(sql.SQL("DELETE FROM ONLY {}").format(sql.SQL(table)))
            for table, rows in self.rows.items():
                with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.SQL(table))) as copy:
                    copy.write(rows)
        if used:
            # Gives the files back, so that the rows of the next test are stored in their order.
            connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(map(sql.SQL, used))))
        for name, last_value in _sequences(connection).items():
            if last_value != self.sequences[name]:
                connection.execute(
                    "SELECT setval(%(name)s::regclass, coalesce(%(last)s, seqstart), %(last)s::bigint IS NOT NULL)"
                    " FROM pg_sequence WHERE seqrelid = %(name)s::regclass",
                    {"name": name, "last": self.sequences[name]},
                )
        return True


@contextmanager
def sole_connection(admin: Connection, dsn: str) -> Iterator[Connection]:
    """Connect to the database of *dsn* after ending all its connections; at the end it has none either."""
    name = conninfo_to_dict(dsn)["dbname"]
    _end_connections(admin, name)
    connection = psycopg.connect(dsn, autocommit=True)
    try:
        yield connection
    finally:
        # Waits until the server process is gone, which closing alone does not.
        _end_connections(admin, name)
        connection.close()


def _end_connections(admin: Connection, name: object) -> None:
    admin.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [name])


def _tables_with_rows(connection: Connection) -> list[str]:
    return [str(table) for (table,) in connection.execute(TABLES)]


def _sequences(connection: Connection) -> dict[str, int | None]:
    return {str(name): last_value for name, last_value, _ in connection.execute(SEQUENCES)}  # type: ignore[misc]


def _copy_out(connection: Connection, table: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.SQL(table))) as copy:
        return b"".join(bytes(block) for block in copy)


def _schema(connection: Connection) -> list[tuple[object, ...]]:
    """Return how many rows each catalog has, and the transaction that last wrote one."""
    counted = [
        sql.SQL("SELECT {}, count(*), max(xmin::text::bigint) FROM {}").format(sql.Literal(name), sql.Identifier(name))
        for name in CATALOGS
    ]
    settings = sql.SQL(
        "SELECT 'settings', count(setdatabase), max(datconnlimit) FROM pg_database AS own"
        " LEFT JOIN pg_db_role_setting ON setdatabase = own.oid WHERE datname = current_database()"
    )
    return connection.execute(sql.SQL(" UNION ALL ").join([*counted, settings])).fetchall()
