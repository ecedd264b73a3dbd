"""Spreads the tables over the nodes of Citus, where the database has the extension; elsewhere nothing is done.

What belongs to a repository lies on one node, by the repository's id. Tables that are joined with it are on every node
(reference tables in Citus' words). People, queue and runs stay on the coordinator.

Each table is a transaction of its own, and what is done already is skipped: an interrupted call is completed by the
next one.
"""

from collections.abc import Callable

import psycopg
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint

from core.db import libpq
from core.db.schema import metadata
from core.errors import AlmanacError

DISTRIBUTION_LOCK = 0x6369747573  # "citus"
ON_EVERY_NODE = (
    *("account", "account_snapshot", "account_summary", "account_version"),
    *("source", "capture_open", "capture_month", "change", "enrichment", "page_open", "alert_rule", "alert"),
)
BY_REPOSITORY = (
    "repository",
    *(
        table.name
        for table in metadata.sorted_tables
        if "repository_id" in table.columns and not table.columns["repository_id"].nullable
    ),
)
# Inside one transaction Citus would otherwise ask shards over several connections, and then refuse a write to a table
# that is on every node.
MODIFY_MODE = "citus.multi_shard_modify_mode"
# What our sessions set holds on the coordinator alone. Set for the role, Citus takes it to all nodes, later ones too.
# Compiling a query (`jit`) takes each node up to seconds.
NODE_SETTINGS = {"TimeZone": "UTC", "jit": "off"}
DONE_SQL = "SELECT logicalrelid::regclass::text FROM pg_dist_partition WHERE partmethod = 'h' OR repmodel = 't'"
REFERENCES_SQL = """
    SELECT conrelid::regclass::text, conname FROM pg_constraint
     WHERE contype = 'f' AND confrelid = 'repository'::regclass AND conparentid = 0
"""

Connection = psycopg.Connection[tuple[object, ...]]


class CoordinatorNotNamed(AlmanacError):
    """Worker nodes exist, and none of them knows how to reach the coordinator."""

    code = "coordinator_not_named"

    def __init__(self) -> None:
        super().__init__(
            "Citus has worker nodes that do not know the coordinator; run SELECT citus_set_coordinator_host('its name')"
            " in this database, then migrate again"
        )


def is_installed(connection: Connection) -> bool:
    return bool(connection.execute("SELECT FROM pg_extension WHERE extname = 'citus'").rowcount)


def missing_tables(connection: Connection) -> list[str]:
    """List the tables that are to be spread over the nodes and are not; needs Citus."""
    done = {str(name) for (name,) in connection.execute(DONE_SQL)}
    return [name for name in (*ON_EVERY_NODE, *BY_REPOSITORY) if name not in done]


def distribute(url: str, progress: Callable[[str], None] = lambda _line: None) -> bool:
    """Spread the tables of the migrated database at *url*, which has Citus, over its nodes; returns whether any was
    left.

    Others must not write meanwhile. Raises CoordinatorNotNamed.
    """
    with psycopg.connect(libpq.conninfo(url), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [DISTRIBUTION_LOCK])
        missing = missing_tables(connection)
        if not missing and not _missing_references(connection):
            return False
        _check_nodes(connection)
        database = sql.Identifier(str(connection.info.dbname))
        connection.execute(sql.SQL("ALTER DATABASE {} SET {} = 'sequential'").format(database, sql.SQL(MODIFY_MODE)))
        connection.execute(sql.SQL("SET {} = 'sequential'").format(sql.SQL(MODIFY_MODE)))
        for name, value in NODE_SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}").format(
                    database, sql.Identifier(name), sql.Literal(value)
                )
            )
        if missing:
            _drop_references(connection)
        for number, table in enumerate(missing, start=1):
            progress(f"Citus: {table}, {number} of {len(missing)} tables")
            with connection.transaction():
                _distribute_table(connection, table)
        _restore_sequences(connection)
        for table, statement in _missing_references(connection).items():
            progress(f"Citus: foreign key of {table}")
            connection.execute(statement.encode())
        for table in (*ON_EVERY_NODE, *BY_REPOSITORY):
            progress(f"Citus: statistics of {table}")
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
        return True


def _check_nodes(connection: Connection) -> None:
    row = connection.execute("SELECT count(*), count(*) FILTER (WHERE groupid = 0) FROM pg_dist_node").fetchone()
    assert row is not None
    if row[0] and not row[1]:
        raise CoordinatorNotNamed


def _drop_references(connection: Connection) -> None:
    """Drop the foreign keys to repositories: Citus spreads no table that one of a table on one node refers to."""
    for table, name in connection.execute(REFERENCES_SQL).fetchall():
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.SQL(str(table)), sql.Identifier(str(name)))
        )


def _distribute_table(connection: Connection, table: str) -> None:
    if table in ON_EVERY_NODE:
        connection.execute("SELECT create_reference_table(%s)", [table])
        return
    key, home = ("id", "none") if table == "repository" else ("repository_id", "repository")
    connection.execute("SELECT create_distributed_table(%s, %s, colocate_with => %s)", [table, key, home])
    # The rows are on the nodes now. No foreign key leads here yet, by which other tables would be emptied too.
    connection.execute("SELECT truncate_local_data_after_distributing_table(%s)", [table])


def _restore_sequences(connection: Connection) -> None:
    """Let the numbers go on behind those that are taken: tables beside a distributed one get new sequences by that."""
    for table in metadata.sorted_tables:
        if table.primary_key.columns.keys() == ["id"] and table.columns["id"].identity:
            name = sql.Identifier(table.name)
            connection.execute(
                sql.SQL(
                    "SELECT setval(sequence, greatest(taken, pg_sequence_last_value(sequence)))"
                    "  FROM (SELECT pg_get_serial_sequence({}, 'id')::regclass AS sequence,"
                    "               (SELECT max(id) FROM {}) AS taken) AS found WHERE taken IS NOT NULL"
                ).format(sql.Literal(table.name), name)
            )


def _missing_references(connection: Connection) -> dict[str, str]:
    """Return the statements that add the foreign keys to repositories which the database lacks, by table."""
    existing = {str(name) for _, name in connection.execute(REFERENCES_SQL)}
    return {
        table.name: str(AddConstraint(key.constraint).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "repository" and key.constraint and key.constraint.name not in existing
    }
