"""All processes with DATABASE_URL through PgBouncer in transaction mode, and DATABASE_DIRECT_URL beside it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import pytest

from core.launcher.stack import free_port
from core.settings import settings
from tests.core.web.api.conftest import add_person
from tests.databases import scalar
from tests.pgbouncer import pgbouncer
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 120
PATHS = ("/api/v1/tracked", "/api/v1/scene/city.csv", "/api/v1/languages", "/api/v1/changes", "/api/v1/movers")


@pytest.fixture
def environment(committing_database, sandbox, redis, tmp_path):
    with (
        tempfile.TemporaryDirectory(prefix="almanac-") as folder,
        pgbouncer(committing_database.url, Path(folder)) as url,
    ):
        yield os.environ | {
            "DATABASE_URL": url,
            "DATABASE_DIRECT_URL": committing_database.url.render_as_string(hide_password=False),
            "GITHUB_API_URL": sandbox.url,
            "GITHUB_TOKENS": "sandbox-token-1",
            "SECRET_KEY": "k" * 40,
            "DATA_DIR": str(tmp_path),
            "PORT": str(free_port("127.0.0.1", 0)),
        }


def run(environment, *arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


@pytest.fixture
def start(environment, tmp_path):
    """Start processes, which are stopped at the end; each one's log is a file, which is returned."""
    running = []

    def begin(*command):
        log = tmp_path / f"{len(running)}.log"
        with log.open("wb") as out:
            running.append(
                subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=out, stderr=out)
            )
        return log

    yield begin
    for process in running:
        process.terminate()
    for process in running:
        process.wait(60)


@pytest.mark.slow
def test_accounts_are_refreshed_and_served_through_a_pooler(
    environment, start, sandbox, committing_database, monkeypatch
):
    logins = sandbox.world.logins()
    tracked = run(environment, "ingest", "track", *logins)
    assert tracked.returncode == 0, tracked.stderr
    logs = [start("-m", "ingest", command) for command in ("scheduler", "scheduler", "worker", "worker")]
    web = start("app.py")
    wait_until(
        lambda: scalar(committing_database, "SELECT count(DISTINCT account_id) FROM capture") == len(logins), *logs
    )
    assert sorted("became leader" in log.read_text() for log in logs[:2]) == [False, True]

    checked = run(environment, "core", "check")
    assert "FAILED" not in checked.stdout, checked.stdout
    written = run(environment, "core", "backup", environment["DATA_DIR"] + "/backup")
    assert written.returncode == 0, written.stderr

    bearer = {"authorization": f"Bearer {create_key(committing_database, environment, monkeypatch)}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{environment['PORT']}", headers=bearer, timeout=60) as client:
        wait_until(lambda: is_healthy(client), web)
        first = [client.get(path) for path in PATHS]
        assert [answer.status_code for answer in first] == [200] * len(PATHS), [answer.text for answer in first]
        for _ in range(8):
            assert [client.get(path).status_code for path in PATHS] == [200] * len(PATHS)
    assert "Traceback" not in web.read_text()
    assert all("Traceback" not in log.read_text() for log in logs)


def create_key(engine, environment, monkeypatch):
    from core.auth import api_keys, people, sessions
    from core.auth.identity import Identity, Origin

    monkeypatch.setenv("SECRET_KEY", environment["SECRET_KEY"])
    settings.cache_clear()
    with engine.begin() as connection:
        add_person(connection, "ada", "admin")
    found = people.find_by_username("ada")
    session = sessions.start(found.id, Origin())
    return api_keys.create(Identity(found.id, "ada", "admin", session_id=session.session_id), "t", 1, Origin())[1]


def is_healthy(client):
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    "command", [("worker",), ("scheduler",), ("refresh", "octocat"), ("import-history", "README.md", "--source", "x")]
)
def test_whoever_needs_a_session_refuses_the_pooler(environment, command, tmp_path):
    done = run(environment, "ingest", *command, DATABASE_DIRECT_URL="")
    assert done.returncode == 2
    assert "set DATABASE_DIRECT_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_check_names_the_missing_direct_url(environment):
    checked = run(environment, "core", "check", DATABASE_DIRECT_URL="")
    assert checked.returncode == 1
    assert "FAILED  sessions" in checked.stdout
