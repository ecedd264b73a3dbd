"""The nodes of Citus and what lies on them, for the system page, `/metrics` and `python -m core check`."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from core.wording import byte_size, quantity

NODES_SQL = """
    SELECT nodename || ':' || nodeport AS name, groupid = 0 AS is_coordinator,
           isactive AND citus_check_connection_to_node(nodename, nodeport) AS is_available,
           (SELECT count(*) FROM pg_dist_placement AS placement WHERE placement.groupid = node.groupid) AS shards,
           NULL::bigint AS bytes
      FROM pg_dist_node AS node
     WHERE noderole = 'primary'
     ORDER BY node.groupid
"""
BYTES_SQL = """
    SELECT nodename || ':' || nodeport AS name, sum(shard_size)::bigint AS bytes FROM citus_shards GROUP BY 1
"""
# A task moves a shard of each table, all of the same repositories.
MOVES_SQL = """
    SELECT count(*) FILTER (WHERE status = 'done') AS done, count(*) AS planned
      FROM pg_dist_background_task
     WHERE job_id IN (SELECT job_id FROM pg_dist_background_job
                       WHERE job_type = 'rebalance' AND state IN ('scheduled', 'running', 'failing'))
"""


@dataclass(frozen=True)
class ClusterNode:
    """A node: its shards, copies of tables that are on every node included, and their bytes, None while unknown."""

    name: str
    is_coordinator: bool
    is_available: bool
    shards: int
    bytes: int | None


@dataclass(frozen=True)
class ClusterStatus:
    """All nodes, the coordinator first, and how many moves of a running rebalance are done, of how many."""

    nodes: tuple[ClusterNode, ...]
    moves_done: int = 0
    moves_planned: int = 0

    @property
    def unavailable(self) -> list[str]:
        return [node.name for node in self.nodes if not node.is_available]

    @property
    def skew(self) -> float | None:
        """How many times the mean of the worker nodes the largest of them holds; None while that is unknown."""
        sizes = [node.bytes for node in self.nodes if not node.is_coordinator]
        if not sizes or None in sizes or not sum(size or 0 for size in sizes):
            return None
        known = [size or 0 for size in sizes]
        return max(known) * len(known) / sum(known)

    @property
    def summary(self) -> str:
        sizes = [node.bytes for node in self.nodes if node.bytes is not None]
        parts = [
            quantity(len(self.nodes), "node"),
            quantity(sum(node.shards for node in self.nodes), "shard"),
            *([byte_size(sum(sizes))] if len(sizes) == len(self.nodes) else []),
            *([f"the largest worker node holds {self.skew:.2f} times the mean"] if self.skew else []),
            *([self._rebalance] if self.moves_planned else []),
        ]
        return ", ".join(parts)

    @property
    def _rebalance(self) -> str:
        return (
            f"rebalancing ({self.moves_done} of {quantity(self.moves_planned, 'move')} done): what is stored meanwhile"
            " may wait until its shard is moved"
        )


def cluster_status(connection: Connection) -> ClusterStatus | None:
    """Read the nodes; None where the database has no Citus. Sizes are unknown while a node is unavailable."""
    if not connection.scalar(text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")):
        return None
    rows = [row._asdict() for row in connection.execute(text(NODES_SQL))]
    if all(row["is_available"] for row in rows):
        sizes = {row.name: row.bytes for row in connection.execute(text(BYTES_SQL))}
        rows = [row | {"bytes": sizes.get(row["name"], 0)} for row in rows]
    moves = connection.execute(text(MOVES_SQL)).one()
    return ClusterStatus(tuple(ClusterNode(**row) for row in rows), moves.done, moves.planned)
