"""DATABASE_URL means the same to the engine, ADBC, the queue, pg_dump and psql."""

import asyncio
import os
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import procrastinate
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from core.db import libpq
from core.db.arrow import read_arrow
from core.db.engine import create_engine_for
from core.db.errors import is_server_unavailable
from core.db.migrations import upgrade
from core.db.override import use_engine
from core.errors import ServerUnavailable
from core.launcher.backups import _program
from core.launcher.embedded import lease
from core.launcher.embedded.binaries import find_postgres
from tests.socket_proxy import socket_proxy

PASSWORD = "p@ss/wörd: 'w\\"


def given_by(url):
    """Return what *url* itself says."""
    found = libpq.parameters(url)
    return {name: value for name, value in found.items() if libpq.DEFAULTS.get(name) != value}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql:///almanac", {"dbname": "almanac"}),
        ("postgres://db", {"host": "db"}),
        ("postgresql+psycopg://@/d?host=%2Frun&port=5433", {"dbname": "d", "host": "/run", "port": "5433"}),
        ("postgresql://%2Frun%2Fpg:5433/d", {"host": "/run/pg", "port": "5433", "dbname": "d"}),
        ("postgresql://a:1,b:2/d", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        ("postgresql://a,b:2/d", {"host": "a,b", "port": ",2", "dbname": "d"}),
        ("postgresql:///d?host=a:1&host=b", {"host": "a,b", "port": "1,", "dbname": "d"}),
        ("postgresql:///d?host=a,b&port=1,2", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        ("postgresql:///d?host=a&host=b&port=1&port=2", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        ("postgresql://:5433/d?host=a&host=b", {"host": "a,b", "port": "5433", "dbname": "d"}),
        ("postgresql://ignored:1/d?host=a:2", {"host": "a", "port": "2", "dbname": "d"}),
        ("postgresql://[::1]:5433,[fe80::1]/d", {"host": "::1,fe80::1", "port": "5433,", "dbname": "d"}),
        ("postgresql:///d?host=::1", {"host": "::1", "dbname": "d"}),
        ("postgresql://u@server:p@h/d", {"user": "u@server", "password": "p", "host": "h", "dbname": "d"}),
        ("postgresql://u:p/w@x#y@h/d", {"user": "u", "password": "p/w@x#y", "host": "h", "dbname": "d"}),
        ("postgresql://h/d?application_name=a@b", {"host": "h", "dbname": "d", "application_name": "a@b"}),
        ("postgresql://h?user=u&password=p%26+w", {"host": "h", "user": "u", "password": "p&+w".replace("+", " ")}),
        ("postgresql://h?connect_timeout=2", {"host": "h", "connect_timeout": "2"}),
        ("postgresql://h?sslmode=", {"host": "h"}),
    ],
)  # fmt: skip
def test_every_usual_form_of_a_url_is_understood(url, expected):
    assert given_by(url) == expected
    libpq.check_parameters(url)


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
HOSTS = st.lists(st.from_regex(r"[a-z][a-z0-9.-]{0,6}", fullmatch=True), min_size=1, max_size=3)


@st.composite
def urls(draw):
    """Draw a URL as libpq documents it: any number of hosts, each with or without a port."""
    user, password, database = (quote(draw(st.just("") | WORDS), safe="") for _ in range(3))
    with_ports = draw(st.booleans())
    hosts = [f"{host}:{draw(st.integers(1, 65535))}" if with_ports else host for host in draw(HOSTS)]
    login = f"{user}:{password}@" if user and password else f"{user}@" if user else ""
    more = draw(st.dictionaries(st.sampled_from(["options", "application_name", "passfile", "sslmode"]), WORDS))
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in more.items())
    return f"postgresql://{login}{','.join(hosts)}" + (f"/{database}" if database else "") + (f"?{query}" * bool(query))


@given(urls())
def test_a_url_is_read_as_libpq_reads_it(url):
    expected = conninfo_to_dict(url)
    assert given_by(url) == {name: value for name, value in expected.items() if value.strip(",")}


@given(HOSTS, st.booleans(), WORDS)
def test_hosts_as_parameters_are_read_as_sqlalchemy_reads_them(hosts, with_ports, user):
    places = "&".join(f"host={host}{f':{number}' if with_ports else ''}" for number, host in enumerate(hosts, 1))
    url = f"postgresql+psycopg://{quote(user, safe='')}@/d?{places}"
    _, expected = PGDialect_psycopg().create_connect_args(make_url(url))
    assert given_by(url) == {name: str(value) for name, value in expected.items() if str(value).strip(",")}


@pytest.fixture(scope="module")
def protected(tmp_path_factory):
    """A Postgres of its own, with a person `keeper` who needs PASSWORD; yields the folder of its socket."""
    with (
        tempfile.TemporaryDirectory(prefix="almanac-") as folder,
        lease(Path(folder), durable=False, redis=False) as own,
    ):
        upgrade(own.database_url)
        with psycopg.connect(libpq.conninfo(own.database_url), autocommit=True) as admin:
            admin.execute("SET password_encryption = 'scram-sha-256'")
            admin.execute(psycopg.sql.SQL("CREATE ROLE keeper SUPERUSER LOGIN PASSWORD {}").format(PASSWORD))
            file = Path(admin.execute("SHOW hba_file").fetchone()[0])
            file.write_text(f"local all keeper scram-sha-256\n{file.read_text()}")
            admin.execute("SELECT pg_reload_conf()")
        yield Path(libpq.parameters(own.database_url)["host"])


@pytest.fixture
def password_file(tmp_path):
    file = tmp_path / "pass file"
    escaped = PASSWORD.replace("\\", r"\\").replace(":", r"\:")
    file.write_text(f"*:*:*:keeper:{escaped}\n")
    file.chmod(0o600)
    return file


QUESTION = "SELECT current_user || ' ' || current_setting('statement_timeout') AS reply"


def ask_engine(url):
    engine = create_engine_for(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(text(QUESTION))
    finally:
        engine.dispose()


def ask_adbc(url):
    engine = create_engine_for(url)
    try:
        with use_engine(engine):
            return read_arrow(QUESTION)["reply"].item()
    finally:
        engine.dispose()


def ask_queue(url):
    async def ask():
        connector = procrastinate.PsycopgConnector(conninfo=libpq.conninfo(url), min_size=1, timeout=20)
        async with procrastinate.App(connector=connector).open_async():
            return (await connector.execute_query_one_async(QUESTION))["reply"]

    return asyncio.run(ask())


def ask_psql(url):
    return run_program("psql", url, "--no-psqlrc", "--tuples-only", "--no-align", f"--command={QUESTION}").strip()


def ask_pg_dump(url):
    """Return what the others do if pg_dump can read a table; it does not say more."""
    assert "CREATE TABLE public.capture_open" in run_program("pg_dump", url, "--table=capture_open", "--schema-only")
    return ask_psql(url)


def run_program(name, url, *arguments):
    program = _program(find_postgres(""), name, url, *arguments)
    assert quote(PASSWORD) not in repr(program["args"])
    assert PASSWORD not in program["args"]
    done = subprocess.run(**program, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerUnavailable(done.stderr)
    return done.stdout


CLIENTS = [ask_engine, ask_adbc, ask_queue, ask_psql, ask_pg_dump]


@contextmanager
def password_file_in_environment(file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSFILE", str(file))
        yield


@pytest.mark.parametrize("ask", CLIENTS)
def test_all_clients_understand_all_forms(protected, password_file, ask):
    login, folder = f"keeper:{quote(PASSWORD, safe='')}", quote(str(protected), safe="")
    with socket_proxy(None, protected / ".s.PGSQL.5432") as proxy:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = listener.getsockname()[1]
        for url, expected in [
            (f"postgresql://{login}@{folder}/almanac", "keeper 0"),
            (f"postgres://{login}@{folder}/almanac?connect_timeout=7&sslmode=prefer", "keeper 0"),
            (f"postgresql://{login}@{folder}/almanac?options=-c%20statement_timeout%3D54321", "keeper 54321ms"),
            (f"postgresql://{login}@/almanac?host=/nowhere&host={folder}", "keeper 0"),
            (f"postgresql://{login}@/almanac?host=/nowhere,{folder}&port=5432,5432", "keeper 0"),
            (f"postgresql://{login}@127.0.0.1:{closed},127.0.0.1:{proxy.port}/almanac", "keeper 0"),
            (f"postgresql://{login}@/almanac?host=127.0.0.1:{closed}&host=127.0.0.1:{proxy.port}", "keeper 0"),
            (f"postgresql://keeper@{folder}/almanac?passfile={quote(str(password_file))}", "keeper 0"),
        ]:
            assert ask(url) == expected, url
        with password_file_in_environment(password_file):
            assert ask(f"postgresql://keeper@127.0.0.1:{proxy.port}/almanac") == "keeper 0"


@pytest.mark.parametrize("ask", [client for client in CLIENTS if client is not ask_queue])
@pytest.mark.parametrize("more", ["?sslmode=require", "?password=wrong"])
def test_no_client_connects_where_another_may_not(protected, ask, more):
    """The test's Postgres offers no TLS."""
    with (
        socket_proxy(None, protected / ".s.PGSQL.5432") as proxy,
        pytest.raises(Exception, match=r"SSL|password|unavailable") as refused,
    ):
        ask(f"postgresql://keeper:{quote(PASSWORD, safe='')}@127.0.0.1:{proxy.port}/almanac{more}")
    assert is_server_unavailable(refused.value)


def options_of_sockets(port):
    """Return the options of this process' sockets that are connected to *port*."""
    names = ("SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            copy = socket.socket(fileno=os.dup(int(descriptor.name)))
        except OSError:
            continue
        with copy:
            if copy.family == socket.AF_INET and copy.getsockname()[1] != port and peer_port(copy) == port:
                levels = [socket.SOL_SOCKET, *[socket.IPPROTO_TCP] * 4]
                found.append(
                    [copy.getsockopt(level, getattr(socket, name)) for level, name in zip(levels, names, strict=True)]
                )
    return found


def peer_port(one):
    try:
        return one.getpeername()[1]
    except OSError:
        return None


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_all_connections_notice_a_host_that_vanished(protected, monkeypatch):
    """5 s + 3 × 5 s idle, 20 s with something sent."""
    from core.db import arrow

    expected = [1, 5, 5, 3, 20000]
    seen = []
    original = arrow.dbapi.connect
    with socket_proxy(None, protected / ".s.PGSQL.5432") as proxy:
        url = f"postgresql://almanac@127.0.0.1:{proxy.port}/almanac"

        def connect(conninfo):
            opened = original(conninfo)
            seen.extend(options_of_sockets(proxy.port))
            return opened

        monkeypatch.setattr(arrow.dbapi, "connect", connect)
        ask_adbc(url)
        assert seen == [expected, expected]  # the engine's and ADBC's

        async def open_queue():
            connector = procrastinate.PsycopgConnector(conninfo=libpq.conninfo(url), min_size=1)
            async with procrastinate.App(connector=connector).open_async():
                await connector.execute_query_one_async("SELECT 1")
                return options_of_sockets(proxy.port)

        queue = asyncio.run(open_queue())
    assert queue
    assert all(options == expected for options in queue)
