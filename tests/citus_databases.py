"""Migrated databases on a cluster, spread over its nodes; with TEST_ON_CITUS=1 all tests use them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from core.db.migrations import distribute_if_needed, upgrade
from core.db.schema import metadata
from tests.citus_cluster import CitusCluster
from tests.databases import new_name

SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename), last_value, start_value FROM pg_sequences"
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhparent WHERE relkind = 'p'"
# Beside ours those of the queue, what refers to others first.
TABLES = (
    *("procrastinate_events", "procrastinate_periodic_defers", "procrastinate_jobs", "procrastinate_workers"),
    *(table.name for table in reversed(metadata.sorted_tables)),
)

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass
class SpreadDatabase:
    """A database of a cluster, and the rows, numbers and partitions it had when new."""

    url: str
    rows: dict[str, bytes]
    numbers: dict[str, int | None]
    partitions: set[str]

    @classmethod
    def learn(cls, url: str) -> "SpreadDatabase":
        with psycopg.connect(url) as connection:
            rows = {}
            for table in TABLES:
                with (
                    connection.cursor() as cursor,
                    cursor.copy(_sql("COPY (SELECT * FROM {}) TO STDOUT", table)) as copy,
                ):
                    if block := b"".join(bytes(block) for block in copy):
                        rows[table] = block
            return cls(url, rows, _numbers(connection), _partitions(connection))

    def restore(self) -> bool:
        """Make it what it was when new, without the connections of others; False where that takes a new one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            now = _partitions(connection)
            for partition in now - self.partitions:
                connection.execute(_sql("DROP TABLE {}", partition))
            if not self.partitions <= now:
                return False
            for table in TABLES:
                connection.execute(_sql("DELETE FROM {}", table))
            for table in reversed(TABLES):
                if rows := self.rows.get(table):
                    with connection.cursor() as cursor, cursor.copy(_sql("COPY {} FROM STDIN", table)) as copy:
                        copy.write(rows)
            for name, number in _numbers(connection).items():
                if number != self.numbers.get(name):
                    connection.execute(
                        "SELECT setval(%(name)s::regclass, coalesce(%(last)s, seqstart), %(last)s::bigint IS NOT NULL)"
                        " FROM pg_sequence WHERE seqrelid = %(name)s::regclass",
                        {"name": name, "last": self.numbers.get(name)},
                    )
            return True


class CitusDatabases:
    """Databases of a cluster: made on every node, migrated and distributed."""

    def __init__(self, cluster: CitusCluster) -> None:
        self.cluster = cluster
        # To make and drop databases on the other nodes, whose names may be known to the coordinator only.
        cluster.execute("CREATE EXTENSION IF NOT EXISTS dblink")
        self._spare: list[SpreadDatabase] = []

    @contextmanager
    def cloned(self) -> Iterator[str]:
        url = self._create()
        try:
            yield _for_sqlalchemy(url)
        finally:
            self._drop(url)

    @contextmanager
    def emptied(self) -> Iterator[str]:
        database = self._spare.pop() if self._spare else SpreadDatabase.learn(self._create())
        try:
            yield _for_sqlalchemy(database.url)
        finally:
            is_restored = False
            try:
                is_restored = database.restore()
            finally:
                if is_restored:
                    self._spare.append(database)
                else:
                    self._drop(database.url)

    def close(self) -> None:
        for database in self._spare:
            self._drop(database.url)

    def _create(self) -> str:
        name = new_name()
        self._on_all_nodes("postgres", f"CREATE DATABASE {name}")
        self._on_all_nodes(name, "CREATE EXTENSION citus")
        url = f"{self.cluster.url.rpartition('/')[0]}/{name}"
        nodes = self.cluster.execute("SELECT groupid = 0, nodename, nodeport FROM pg_dist_node ORDER BY groupid")
        with psycopg.connect(url, autocommit=True) as connection:
            for is_coordinator, *address in nodes:
                function = "citus_set_coordinator_host" if is_coordinator else "citus_add_node"
                connection.execute(f"SELECT {function}(%s, %s)".encode(), address)
        upgrade(_for_sqlalchemy(url))
        distribute_if_needed(url)
        return url

    def _drop(self, url: str) -> None:
        drop = f"DROP DATABASE IF EXISTS {conninfo_to_dict(url)['dbname']} WITH (FORCE)"
        # On a busy machine a session may take longer to end than the five seconds that Postgres waits for it.
        busy = retry_if_exception_type(psycopg.errors.ObjectInUse)
        for attempt in Retrying(retry=busy, stop=stop_after_attempt(5), reraise=True):
            with attempt:
                self._on_all_nodes("postgres", drop)

    def _on_all_nodes(self, database: str, statement: str) -> None:
        user = conninfo_to_dict(self.cluster.url)["user"]
        for host, port in self.cluster.execute("SELECT nodename, nodeport FROM pg_dist_node ORDER BY groupid DESC"):
            dsn = make_conninfo("", host=str(host), port=str(port), user=user, dbname=database)
            with psycopg.connect(self.cluster.url, autocommit=True) as connection:
                connection.execute("SELECT dblink_exec(%s, %s)", [dsn, statement])


def _numbers(connection: Connection) -> dict[str, int | None]:
    return {str(name): last_value for name, last_value, _ in connection.execute(SEQUENCES)}  # type: ignore[misc]


def _partitions(connection: Connection) -> set[str]:
    return {str(name) for (name,) in connection.execute(PARTITIONS)}


def _sql(statement: str, table: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(table))


def _for_sqlalchemy(url: str) -> str:
    return url.replace("postgresql:", "postgresql+psycopg:")
