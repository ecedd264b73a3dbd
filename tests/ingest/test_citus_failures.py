"""Nodes of a cluster are killed while workers store and people read. Skips where Citus is not installed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from core.auth import sessions
from core.auth.identity import Origin
from core.clock import now_utc
from core.db.errors import is_server_unavailable
from core.db.override import use_engine
from core.export import table_files
from core.launcher.embedded import Servers
from core.queries import repository_list
from core.queue import jobs
from core.settings import settings
from core.tracking import accounts as accounts_tracked
from core.web import identify
from ingest.sandbox import Sandbox, World, serve
from ingest.scheduler import ScheduledJobs
from tests.citus_cluster import CitusCluster, Node, delete_all_rows, migrated_cluster
from tests.core.web.api.conftest import api_client
from tests.ingest.conftest import TOKEN, Ingestor, github_client
from tests.ingest.test_citus import without_times
from tests.pages.conftest import browser, person, visit  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
WORKERS, ACCOUNTS_PER_JOB = 3, 3
TIMEOUT_SECONDS = 120


@pytest.fixture(scope="module")
def cluster() -> Iterator[CitusCluster]:
    with migrated_cluster() as cluster:
        if not cluster.nodes:
            pytest.skip("only nodes of our own can be killed")
        yield cluster


@pytest.fixture
def engine(cluster: CitusCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("DATABASE_URL", cluster.url)
    settings.cache_clear()
    delete_all_rows(cluster.url)
    cluster.execute("DELETE FROM procrastinate_jobs")
    url = cluster.url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c timezone=UTC"})
    yield engine
    engine.dispose()


@pytest.fixture
def database(engine: Engine) -> Iterator[Engine]:
    """Let pages and API read the cluster."""
    with use_engine(engine, everywhere=True):
        yield engine


@pytest.fixture
def ingestor(sandbox: Sandbox, redis: Redis, engine: Engine) -> Iterator[Ingestor]:
    with github_client(sandbox, redis, TOKEN) as github:
        yield Ingestor(sandbox, github, engine)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Accounts enough for jobs of several workers, and a clock that stands: each refresh finds the same."""
    with serve(World(accounts=36, repositories=360, biggest=40, seed=3)) as sandbox:
        sandbox.world.freeze()
        yield sandbox


@dataclass
class Fleet:
    """Several workers on the cluster, and the accounts that they are to refresh."""

    engine: Engine
    environment: dict[str, str]
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def queue(self, logins: list[str]) -> None:
        with self.engine.begin() as connection:
            for login in logins:
                accounts_tracked.track(connection, login, "ada")
            ids = connection.scalars(text("SELECT account_id FROM tracked_account ORDER BY account_id")).all()
            jobs.defer_refresh(connection, ids, jobs.JobOrigin("schedule"), now_utc(), batch_size=ACCOUNTS_PER_JOB)

    def start(self) -> None:
        for number in range(WORKERS):
            with (self.folder / f"worker{number}.log").open("wb") as log:
                command = [sys.executable, "-m", "ingest", "worker"]
                worker = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
            self.running.append(worker)

    def stored(self) -> int:
        return self.count("SELECT count(DISTINCT account_id) FROM capture")

    def is_done(self) -> bool:
        """Return whether nothing is left to do; an outage is no failure of an account."""
        assert self.count("SELECT count(*) FROM ingest_item WHERE state = 'failed'") == 0, self.log()
        return not self.count("SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL OR due_at <= now()")

    def log(self) -> str:
        return "".join(file.read_text()[-5_000:] for file in self.folder.glob("worker*.log"))

    def retry_now(self) -> None:
        """Do the leader's part without its minutes; let waiting jobs begin, whose waits grow with each attempt."""
        ScheduledJobs(self.engine).release_abandoned_jobs()
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'"))

    def count(self, sql: str) -> int:
        with self.engine.begin() as connection:
            return int(connection.scalar(text(sql)) or 0)

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def fleet(engine: Engine, sandbox: Sandbox, servers: Servers, redis: Redis, tmp_path: Path) -> Iterator[Fleet]:
    given = {
        "DATABASE_URL": str(engine.url.render_as_string(hide_password=False)),
        "REDIS_URL": os.environ["REDIS_URL"],
        "GITHUB_API_URL": sandbox.url,
        "GITHUB_TOKENS": TOKEN,
        "DATA_DIR": str(tmp_path / "data"),
    }
    fleet = Fleet(engine, os.environ | given, tmp_path)
    yield fleet
    fleet.end()


def wait_until(condition: Callable[[], Any], meanwhile: Callable[[], Any] = lambda: None) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            if condition():
                return
            meanwhile()
        except DBAPIError:
            pass  # the node is down, or comes back
        assert time.monotonic() < until, condition
        time.sleep(0.2)


def node_of(cluster: CitusCluster, name: str) -> Node | None:
    return {"nobody": None, "a worker node": cluster.nodes[-1], "the coordinator": cluster.nodes[0]}[name]


@pytest.mark.parametrize("victim", ["nobody", "a worker node", "the coordinator"])
def test_several_workers_store_each_account_once_whoever_is_killed(
    cluster, engine, fleet, sandbox, redis, committing_database, victim
):
    """Killed in the middle of their transactions, and started again when the jobs in flight have failed."""
    logins = sandbox.world.logins()
    fleet.queue(logins)
    fleet.start()
    killed = node_of(cluster, victim)
    if killed:
        for share in (6, 3):
            wait_until(lambda share=share: fleet.stored() >= len(logins) // share)
            killed.kill()
            try:
                if killed is not cluster.nodes[0]:
                    wait_until(lambda: fleet.count("SELECT count(*) FROM procrastinate_jobs WHERE attempts > 0"))
            finally:
                killed.start()
            fleet.retry_now()
    wait_until(fleet.is_done, fleet.retry_now)
    wait_until(lambda: not any(node.prepared_transactions() for node in cluster.nodes))
    with github_client(sandbox, redis, TOKEN) as github:
        plain, spread = Ingestor(sandbox, github, committing_database), Ingestor(sandbox, github, engine)
        assert plain.refresh(*logins, urgent=False).stored == len(logins)
    assert spread.rows("SELECT count(*), count(DISTINCT account_id) FROM capture") == [(len(logins), len(logins))]
    for table in ("repository", "repository_current", "repository_snapshot_open", "repository_language", "change"):
        assert spread.count(table) == plain.count(table), table
    for login in logins:
        assert without_times(spread.stored_account(login)) == without_times(plain.stored_account(login))


# Pages about repositories, and those of people, queue and servers, which lie on the coordinator.
NEED_ALL_NODES = ("", "repositories", "repository", "languages", "movers", "changes", "scene")
NEED_THE_COORDINATOR = ("collections", "alerts", "tracking", "ingestion", "people", "system", "profile")


def test_a_lost_node_is_named_and_the_rest_answers(cluster, ingestor, database, person, browser, visit):  # noqa: F811
    """Pages, API, command line and `core check`; people sign in meanwhile. Afterwards all of it answers."""
    login = ingestor.login_with_most_repositories()
    assert ingestor.refresh(login).stored == 1
    admin = person("ada", role="admin")
    browser.sign_in(admin)
    node = cluster.nodes[-1]
    part = f"Part of the database is unavailable: its node {node.name} does not respond"
    node.kill()
    try:
        tokens = sessions.start(admin.id, Origin("127.0.0.1", "tests"))
        identity = identify.identity_by_access_token(tokens.access)
        assert identity is not None
        assert identity.role == "admin"
        api = api_client(identity)
        for path in (f"accounts/{login}/repositories", "movers", "changes", "search?q=a", "scene/city"):
            refused = api.get(f"/api/v1/{path}")
            assert refused.status_code == 503, path
            assert refused.json()["message"] == f"{part}; nothing is lost, try again in a moment.", path
        for path in (f"accounts/{login}", "tracked", "ingestions", "people/me"):
            assert api.get(f"/api/v1/{path}").status_code == 200, path
        for page in (*NEED_ALL_NODES, *NEED_THE_COORDINATOR):
            shown = visit(page)
            assert not shown.exception, page
            assert part in plain_text(shown.sidebar.caption), page
            waits = f"{part}. Pages that do not need it work." in plain_text(shown.warning)
            assert waits is (page in NEED_ALL_NODES), page
        for command in (("ingest", "show", login), ("ingest", "refresh", login), ("core", "check")):
            ended = run_command(*command)
            assert ended.returncode == 1, command
            assert f"its node {node.name} does not respond" in ended.stdout + ended.stderr, command
            assert "Traceback" not in ended.stderr, command
        assert run_command("ingest", "runs").returncode == 0
        assert_no_file_is_written_by_half(api, login, part)
    finally:
        node.start()
    assert api.get(f"/api/v1/accounts/{login}/repositories").status_code == 200
    assert part not in plain_text(visit("movers").warning)
    assert ingestor.refresh(login).stored == 1


FILES = ("changes.csv", "changes.parquet", "changes.atom", "movers.csv", "movers.parquet", "milestones.parquet")
FILES_OF_ACCOUNT = ("repositories.csv", "repositories.parquet", "repositories.csv?as_of={now}")


def assert_no_file_is_written_by_half(api: Any, login: str, part: str) -> None:
    """Each format says what is missing, instead of the rows of the other nodes; so does a backup."""
    now = now_utc().isoformat().replace("+00:00", "Z")
    for path in (*FILES, *(f"accounts/{login}/{name}".format(now=now) for name in FILES_OF_ACCOUNT)):
        refused = api.get(f"/api/v1/{path}")
        assert refused.status_code == 503, path
        assert refused.json()["message"] == f"{part}; nothing is lost, try again in a moment.", path
    for write in (table_files.spreadsheet_csv, table_files.parquet):
        with pytest.raises(Exception, match=part.rpartition(": ")[2]) as raised:
            write(repository_list.matching_repositories(repository_list.Filters()))
        assert is_server_unavailable(raised.value)
    with TemporaryDirectory() as folder:
        ended = run_command("core", "backup", f"{folder}/almanac.backup")
        assert ended.returncode == 1
        assert part.rpartition("node ")[2].split()[0] in ended.stderr + ended.stdout
        assert "Traceback" not in ended.stderr
        assert list(Path(folder).iterdir()) == []


def plain_text(elements: Any) -> str:
    """Return what Markdown shows: without backslashes, and the character that keeps an address from being a link."""
    return "\n".join(one.value for one in elements).replace("\\", "").replace("\u2060", "")


def run_command(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
