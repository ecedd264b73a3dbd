"""What all tests share: one embedded Postgres and Valkey, a clean environment, the recorded exchanges.

A test that touches the database asks for `database` (its own transaction, rolled back), or for
`committing_database` when it commits over several connections or starts processes.
"""

import gc
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import httpx
import hypothesis
import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, create_engine, text

from core.launcher.embedded import Servers, lease
from core.settings import Settings, settings
from tests.citus_cluster import citus_cluster
from tests.citus_databases import CitusDatabases
from tests.databases import Databases, EmbeddedDatabases

SERVERS_FOLDER_VARIABLE = (
    "ALMANAC_TEST_SERVERS"  # the folder of the servers, passed to xdist's workers in the environment
)
# Of another Postgres than the bundled one: `PG_BIN_DIR=/usr/lib/postgresql/15/bin make test`.
PG_BIN_DIR = os.environ.get("PG_BIN_DIR", "")
# `TEST_ON_CITUS=1`: all databases are on a cluster; see `tests.citus_cluster`.
ON_CITUS = bool(os.environ.get("TEST_ON_CITUS"))
# In the product a page falls back after a moment without Redis; in a test a slow machine is no outage.
REDIS_TIMEOUT_SECONDS = 30
PROJECT = Path(__file__).resolve().parents[1]


# How long an example takes says more of the machine than of the code, so there is no deadline.
hypothesis.settings.register_profile("few", deadline=None, max_examples=5)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
# The same examples each time, so that the build server's answer depends on the commit alone.
hypothesis.settings.register_profile("repeatable", deadline=None, max_examples=40, derandomize=True)
# Each question to a cluster goes to all its shards.
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("few" if ON_CITUS else "quick"))


def pytest_configure(config: pytest.Config) -> None:
    """Make the servers' folder in the process that starts the workers; the servers start with the first who asks."""
    if SERVERS_FOLDER_VARIABLE not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix="almanac-tests-", dir="/tmp"))
        # As root the servers run as another user, who has to pass.
        folder.chmod(0o711)
        os.environ[SERVERS_FOLDER_VARIABLE] = str(folder)
        config.add_cleanup(lambda: _remove(folder))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Exempt what is imported and collected, which stays, from garbage collection: that would go through it again."""
    gc.disable()
    try:
        _compile_share(session)
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def _compile_share(session: pytest.Session) -> None:
    """Import the tests in another order in each xdist worker, so that each compiles its share for all of them."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if not worker or session.config.args != ["tests"]:
        return
    files = sorted((PROJECT / "tests").rglob("test_*.py"))
    start = len(files) * int(worker.removeprefix("gw")) // workers
    for file in (*files[start:], *files[:start]):
        with suppress(Exception):  # collection reports it
            importlib.import_module(".".join(file.relative_to(PROJECT).with_suffix("").parts))


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first, so that no xdist worker is left with one of them at the end.

    Tests that share a fixture of their module go to one worker: each worker would start the module's servers again.
    """
    for item in items:
        if _shares_with_its_module(item) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(PROJECT))))
    for item in items:
        marker = item.get_closest_marker("one_postgres")
        if marker and ON_CITUS:
            item.add_marker(pytest.mark.skip(reason=f"not on Citus: {marker.args[0]}"))
    items.sort(key=lambda item: (not item.get_closest_marker("browser"), not item.get_closest_marker("slow")))


def _shares_with_its_module(item: pytest.Item) -> bool:
    fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    return any(found[-1].scope == "module" for found in fixtures)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests reported with `record_property`, such as files that have grown long."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if value:
                terminalreporter.write_line(f"{name}: {value}")


def _remove(folder: Path) -> None:
    """Wait for the servers to stop, then leave nothing behind."""
    lease_of_nothing = Servers.for_data_dir(folder, pg_bin_dir="", durable=False, postgres=False, redis=False)
    lease_of_nothing.release(wait_seconds=60)
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop(SERVERS_FOLDER_VARIABLE, None)


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """Keep the developer's settings out of tests, and reset those that a test makes.

    A test without a server of its own gets none: a command line that ran before must not start the embedded ones.
    """
    from core import redis_client, server_urls
    from core.auth import passwords

    given = {"CHROMIUM", "NO_BROWSER", "RECORDED_DIR"}
    names = [name.upper() for name in Settings.model_fields]
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ):
            if name.upper() in names or (name.startswith("GITHUB_") and name not in given):
                patch.delenv(name)
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setattr(server_urls, "_embedded_postgres", None)
        patch.setattr(server_urls, "_embedded_redis", None)
        # The fewest rounds: with those of the installation each password takes a quarter of a second.
        patch.setattr(passwords, "ROUNDS", 4)
        settings.cache_clear()
        redis_client.redis.cache_clear()
        yield
    settings.cache_clear()
    redis_client.redis.cache_clear()


@pytest.fixture
def now() -> datetime:
    """When the test starts: what a module computes once is minutes old when its tests run, or of yesterday."""
    return datetime.now(UTC)


@pytest.fixture(scope="session", autouse=True)
def one_tls_context() -> Iterator[None]:
    """Read the machine's certificates once, not for each HTTP client: nothing else of it takes as long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The one Postgres and Valkey of this test session, shared by all its processes."""
    with lease(Path(os.environ[SERVERS_FOLDER_VARIABLE]), pg_bin_dir=PG_BIN_DIR, durable=False) as servers:
        yield servers


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Iterator[Databases]:
    """Migrated databases on the embedded Postgres, or with TEST_ON_CITUS=1 on a cluster."""
    with ExitStack() as stack:
        databases: Databases
        if ON_CITUS:
            databases = CitusDatabases(stack.enter_context(citus_cluster()))
        else:
            databases = EmbeddedDatabases(servers, Path(os.environ[SERVERS_FOLDER_VARIABLE]))
        stack.callback(databases.close)
        yield databases


@pytest.fixture(scope="session")
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated database for this process alone; use it through `database`."""
    with databases.cloned() as url:
        yield url


@pytest.fixture(scope="session")
def clones(databases: Databases) -> Callable[[], AbstractContextManager[str]]:
    """Makes migrated databases for fixtures that outlive a test; each is dropped when its block ends."""
    return databases.cloned


@pytest.fixture(scope="session")
def filled(
    clones: Callable[[], AbstractContextManager[str]],
) -> Callable[[Callable[[Connection], object]], AbstractContextManager[Engine]]:
    """Makes databases whose rows the tests of a module share, for a fixture `filled_engine` of the module."""

    @contextmanager
    def with_rows(insert_rows: Callable[[Connection], object]) -> Iterator[Engine]:
        with clones() as url:
            engine = create_engine(url, connect_args={"options": "-c timezone=UTC"})
            with engine.begin() as connection:
                insert_rows(connection)
            yield engine
            engine.dispose()

    return with_rows


@pytest.fixture(scope="session")
def test_engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, connect_args={"options": "-c timezone=UTC"})
    yield engine
    engine.dispose()


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """All of `core.db.engine` works on this connection, in any thread; at the end of the test nothing happened.

    It has no rows, or those of `filled_engine` if the test asks for that too.
    """
    from core.db.override import use_engine

    has_rows = "filled_engine" in request.fixturenames
    engine: Engine = request.getfixturevalue("filled_engine" if has_rows else "test_engine")
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    settings.cache_clear()
    with engine.connect() as connection:
        outer = connection.begin()
        with use_engine(connection, everywhere=True):
            yield connection
        outer.rollback()


@pytest.fixture
def meet_conflict(database: Connection) -> Callable[[], object]:
    """Lets the next transaction that records an audit event fail as in a deadlock."""
    database.execute(text("CREATE SEQUENCE audited"))  # what it counts outlives rollbacks
    database.execute(
        text("""
            CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('audited') = 1 THEN RAISE EXCEPTION 'no' USING ERRCODE = 'deadlock_detected'; END IF;
                RETURN NEW;
            END $$
        """)
    )
    database.execute(
        text("CREATE TRIGGER fail_first BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION fail_first()")
    )
    return lambda: database.execute(text("SELECT setval('audited', 1, false)"))


@pytest.fixture
def committing_database(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database of this test's own, for what commits over several connections; DATABASE_URL names it."""
    from core.db.override import use_engine

    with databases.emptied() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        settings.cache_clear()
        engine = create_engine(url, connect_args={"options": "-c timezone=UTC"})
        with use_engine(engine, everywhere=True):
            yield engine
        engine.dispose()


@pytest.fixture
def redis(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A real Valkey, empty; REDIS_URL names it."""
    from core import redis_client
    from core.auth import session_cache
    from core.ratelimit import storage

    for module in (session_cache, storage):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", REDIS_TIMEOUT_SECONDS)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    url = f"{servers.redis_url}?db={int(worker.removeprefix('gw')) + 1}"
    monkeypatch.setenv("REDIS_URL", url)
    settings.cache_clear()
    redis_client.redis.cache_clear()
    with Redis.from_url(url) as connection:
        connection.flushdb()
        yield connection
    redis_client.redis.cache_clear()


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of exchanges recorded from the real GitHub."""
    folder = Path(os.environ.get("RECORDED_DIR") or PROJECT.parent / "shared" / "data" / "recorded")
    if not folder.is_dir():
        pytest.skip(f"no recorded exchanges at {folder}; RECORDED_DIR names them")
    return folder
