"""The cluster of tests leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.citus_cluster import find_postgres_with_citus
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
START = """
import sys
from tests.citus_cluster import find_postgres_with_citus, folder_of_nodes, running_node
with folder_of_nodes() as folder, running_node(find_postgres_with_citus(), folder / "node") as node:
    print(folder, node.url(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["closed", "killed"])
def test_nodes_are_stopped_and_their_folder_is_deleted(end):
    """A run of tests may be killed: by somebody, or because it takes too long."""
    if not find_postgres_with_citus():
        pytest.skip("Citus is not installed beside any Postgres here")
    command = [sys.executable, "-c", START]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        folder, url = process.stdout.readline().split()
        psycopg.connect(url).close()
        if end == "killed":
            process.kill()
        process.stdin.close()
        process.wait()
    wait_until(lambda: not Path(folder).exists())
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
