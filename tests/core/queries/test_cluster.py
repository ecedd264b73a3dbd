"""What is reported of the nodes of Citus."""

import psycopg
import pytest

from core.db import citus
from core.db.migrations import distribute_if_needed
from core.db.schema import metadata
from core.queries.cluster import ClusterNode, ClusterStatus, cluster_status

COORDINATOR = ClusterNode("one:5432", is_coordinator=True, is_available=True, shards=11, bytes=1_000)


def worker(name: str, size: int | None, *, is_available: bool = True) -> ClusterNode:
    return ClusterNode(name, is_coordinator=False, is_available=is_available, shards=40, bytes=size)


def test_skew_compares_the_largest_worker_node_with_the_mean():
    """300 beside 100: the mean is 200, the largest holds 1.5 times of it; the coordinator does not count."""
    status = ClusterStatus((COORDINATOR, worker("two:5432", 300_000), worker("three:5432", 100_000)))
    assert status.skew == pytest.approx(1.5)
    assert status.summary == "3 nodes, 91 shards, 401 kB, the largest worker node holds 1.50 times the mean"
    assert status.unavailable == []


def test_sizes_are_unknown_while_a_node_is_unavailable():
    status = ClusterStatus((COORDINATOR, worker("two:5432", None), worker("three:5432", None, is_available=False)))
    assert (status.skew, status.unavailable) == (None, ["three:5432"])
    assert status.summary == "3 nodes, 91 shards"


def test_a_running_rebalance_is_reported_with_what_it_delays():
    status = ClusterStatus((COORDINATOR,), moves_done=1, moves_planned=3)
    assert status.summary == (
        "1 node, 11 shards, 1.0 kB, rebalancing (1 of 3 moves done): what is stored meanwhile may wait until its shard"
        " is moved"
    )


@pytest.mark.one_postgres("it has Citus")
def test_without_citus_there_is_no_cluster_and_nothing_to_distribute(database, database_url):
    assert cluster_status(database) is None
    assert not distribute_if_needed(database_url)


def test_every_table_with_a_required_repository_is_spread_and_none_is_also_on_every_node(database_url):
    assert "repository" in citus.BY_REPOSITORY
    assert not set(citus.BY_REPOSITORY) & set(citus.ON_EVERY_NODE)
    assert set(citus.ON_EVERY_NODE) <= set(metadata.tables)


def test_references_of_repositories_come_only_from_tables_that_are_spread_too(database_url):
    """Citus has no other foreign keys to them."""
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        found = {str(table) for table, _ in connection.execute(citus.REFERENCES_SQL)}
    assert found
    assert found <= set(citus.BY_REPOSITORY)
