"""The web process as started in production: its responses and its refusals to start."""

import base64
import hashlib
import hmac
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.auth import people, tickets
from core.db.data_version import publish_data_version
from core.db.override import use_engine
from core.launcher.embedded import Servers
from pages.components.navigation import MENU
from tests import seed_data

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS = 60
EXIT_TIMEOUT_SECONDS = 60
SCRIPT_TIMEOUT_SECONDS = 60
PUBLIC_URL = "https://almanac.example"
SECRET_NAME = "kept-from-strangers"
# Those that there are, those that there will be, and what is none.
PAGES = tuple(
    dict.fromkeys(
        (
            *(entry.path for entry in MENU),
            *("repository", "compare", "movers", "changes", "tracking", "ingestion", "sign_in", "main", "nothing"),
        )
    )
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**settings: str) -> dict[str, str]:
    return {**os.environ, "LOG_LEVEL": "INFO", **settings}


CloneDatabase = Callable[[], AbstractContextManager[str]]


@contextmanager
def running_app(address: str, **settings: str) -> Iterator[httpx.Client]:
    """A client of a freshly started web process, which is stopped at the end of the block."""
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment(**settings))
    with httpx.Client(base_url=address, timeout=TIMEOUT_SECONDS) as client:
        try:
            wait_until_healthy(client, process)
            yield client
            process.send_signal(signal.SIGTERM)
            assert process.wait(EXIT_TIMEOUT_SECONDS) in {0, -signal.SIGTERM}
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def engine(clones: CloneDatabase) -> Iterator[Engine]:
    """A database with private data and a person who may read it."""
    with clones() as url:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            seed_data.add_repository(connection, f"{SECRET_NAME}/{SECRET_NAME}", {"2026-01-01": 50, "2026-03-01": 1000})
            connection.execute(text("INSERT INTO person (username, role) VALUES ('ada', 'analyst')"))
            publish_data_version(connection)
        yield engine


@pytest.fixture(scope="module")
def web(servers: Servers, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Start the web process with local settings."""
    port = free_port()
    given = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "REDIS_URL": servers.redis_url,
        "PORT": str(port),
        "DATA_DIR": str(tmp_path_factory.mktemp("web")),
        "LIMIT_API": "",  # these tests send more requests without a session than an address may
    }
    with running_app(f"http://127.0.0.1:{port}", **given) as client:
        yield client


def wait_until_healthy(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the web process did not become healthy")


def run_and_fail(command: list[str], **settings: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=EXIT_TIMEOUT_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_health_names_its_checks(web):
    assert web.get("/health").json() == {"status": "ok", "checks": {"postgres": "ok", "redis": "ok"}}


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/account?login=octo", "/repositories", "/languages", "/scene"])
def test_every_page_has_the_policy_that_allows_its_own_inline_scripts_only(web, path):
    answer = web.get(path)
    policy = answer.headers["content-security-policy"]
    inline = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    assert answer.status_code == 200
    assert inline
    for script in inline:
        assert f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" in policy


def websocket(web: httpx.Client, origin: str | None, path: str = "/_stcore/stream", **more: str) -> ClientConnection:
    address = str(web.base_url).rstrip("/").replace("http", "ws", 1)
    return connect(
        f"{address}{path}", origin=origin, subprotocols=["streamlit"], additional_headers=more, max_size=None
    )


def script_output(web: httpx.Client, page: str) -> str:
    """Everything that the script sends to a browser without cookies that asks for *page*, in one text."""
    asked = BackMsg()
    asked.rerun_script.page_name = page
    asked.rerun_script.query_string = f"login={SECRET_NAME}&name={SECRET_NAME}/{SECRET_NAME}"
    output: list[str] = []
    with websocket(web, str(web.base_url).rstrip("/")) as opened:
        opened.send(asked.SerializeToString())
        while True:
            message = ForwardMsg.FromString(opened.recv(SCRIPT_TIMEOUT_SECONDS))
            # The question itself is not an answer, nor is the address that the browser shows.
            if message.WhichOneof("type") not in {"new_session", "page_info_changed"}:
                output.append(str(message))
            if message.WhichOneof("type") == "script_finished":
                return "\n".join(output)


# What a stranger gets. These come first: the process has just started, and no page has run yet.


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_without_a_session_every_page_is_the_sign_in(web, page):
    """This also applies to the first request of a fresh process."""
    output = script_output(web, page)
    assert "Sign in" in output or page in {"register", "reset"}
    assert SECRET_NAME not in output
    assert "As of" not in output


@pytest.mark.slow
def test_every_page_url_serves_the_same_shell(web):
    answers = [web.get(f"/{page}") for page in PAGES]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


PATHS_NEEDING_SESSION = (
    *("/api", "/api/", "/api/docs", "/api/openapi.json", "/api/v1", "/api/v1/nothing", "/api/docs/../x"),
    *("/media/abc.csv", "/_stcore/upload_file/a/b", "/_stcore/script-health-check", "/_stcore/anything"),
)


@pytest.mark.slow
def test_without_a_session_every_route_is_refused_alike(web, engine):
    """Every route of the API schema and the other private routes are checked."""
    with signed_in_client(web, engine) as browser:
        described = browser.get("/api/openapi.json").json()
    asked = [
        (method, re.sub(r"\{\w+\}", "x", f"/api{path}"))
        for path, operations in described["paths"].items()
        for method in operations
        if not path.startswith("/v1/auth/")
    ]
    assert ("post", "/api/v1/ingestions") in asked
    for method, path in (*asked, *(("get", path) for path in PATHS_NEEDING_SESSION)):
        answer = web.request(method, path)
        assert (answer.status_code, answer.json()["error"]) == (401, "not_signed_in"), (method, path)
        assert set(answer.json()) == {"error", "message", "request_id"}
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/auth/login", "/oauth2callback", "/auth/nothing", "/metrics%0a", "/x%00"])
def test_an_unknown_url_is_not_found(web, path):
    assert web.get(path).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/app/static/logo.svg", "/_stcore/health", "/_stcore/host-config", "/health"])
def test_no_other_origin_may_read_a_response(web, path):
    answer = web.get(path, headers={"origin": "http://evil.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics"])
def test_metrics_are_refused_through_a_proxy(web, path):
    assert web.get(path, headers={"x-forwarded-for": "203.0.113.7"}).status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_a_websocket_from_another_origin_is_refused(web, origin):
    with pytest.raises(InvalidStatus) as refused:
        websocket(web, origin)
    assert refused.value.response.status_code == 403


@pytest.mark.slow
def test_only_one_websocket_is_served(web):
    with pytest.raises(InvalidStatus) as refused:
        websocket(web, str(web.base_url).rstrip("/"), path="/api/v1/x")
    assert refused.value.response.status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/_stcore/agent/openapi.json", "/_stcore/agent/mcp"])
def test_the_agent_interface_is_closed(web, path):
    assert web.get(path).status_code == 404
    assert web.post(path, json={}).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/health", "/app/static/logo.svg", "/_stcore/health"])
def test_an_unknown_host_header_is_refused(web, path):
    assert web.get(path, headers={"host": "evil.example"}).status_code == 421


@pytest.mark.slow
def test_fonts_are_served_locally_with_their_licences(web):
    config = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    fonts = re.findall(r'url = "(.+?)"', config)
    assert len(fonts) == 4
    for font in fonts:
        answer = web.get(f"/{font}")
        assert answer.status_code == 200
        assert answer.content[:4] == b"wOF2"
    for licence in ("inter-OFL.txt", "jetbrains-mono-OFL.txt"):
        assert "SIL Open Font License" in web.get(f"/app/static/{licence}").text


@pytest.mark.slow
def test_a_session_lasts_until_sign_out(web, engine):
    """A forged client address is ignored, and uvicorn trusts no forwarding header."""
    with signed_in_client(web, engine, **{"x-forwarded-for": "6.6.6.6", "x-auth-address": "6.6.6.6"}) as browser:
        assert browser.get("/api/v1/people/me").json()["username"] == "ada"
        assert browser.get("/api/v1/nothing").status_code == 404
        with engine.connect() as connection:
            assert set(connection.scalars(text("SELECT host(ip_address) FROM session"))) == {"127.0.0.1"}
        held = dict(browser.cookies)
        assert browser.get("/auth/logout", headers={"sec-fetch-site": "same-origin"}).status_code == 303
        assert browser.get("/api/v1/people/me", headers={"cookie": cookie_header(held)}).status_code == 401


@pytest.mark.slow
def test_runs_of_a_fragment_count_against_the_limit_of_page_loads(web, engine):
    """Ten runs at once of the fragment that is due every few seconds: at most one is free."""
    origin = str(web.base_url).rstrip("/")
    with signed_in_client(web, engine) as browser:
        with websocket(web, origin, Cookie=cookie_header(dict(browser.cookies))) as opened:
            (fragment, *_) = run_and_read(opened, BackMsg(rerun_script={}))
            before = pages_left(browser)
            for _ in range(10):
                run_and_read(opened, BackMsg(rerun_script={"fragment_id": fragment}))
        # Each is counted once; a page of the same person that an earlier test left may count one more.
        assert 9 <= before - pages_left(browser) < 2 * 10


def run_and_read(opened: ClientConnection, asked: BackMsg) -> list[str]:
    """Run what is asked for and return the ids of the fragments that shall run by themselves."""
    opened.send(asked.SerializeToString())
    found = []
    while True:
        message = ForwardMsg.FromString(opened.recv(SCRIPT_TIMEOUT_SECONDS))
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            found.append(message.auto_rerun.fragment_id)
        elif kind == "script_finished":
            return found


def pages_left(browser: httpx.Client) -> int:
    return int(browser.get("/api/v1/people/me").json()["limits"]["pages"]["remaining"])


@contextmanager
def signed_in_client(web: httpx.Client, engine: Engine, **headers: str) -> Iterator[httpx.Client]:
    """Yield a signed-in browser."""
    origin = str(web.base_url).rstrip("/")
    with httpx.Client(base_url=origin, timeout=TIMEOUT_SECONDS) as browser:
        browser.get("/", headers={"sec-fetch-dest": "document"})
        with use_engine(engine):
            ticket = tickets.issue_sign_in(people.find_by_username("ada").id, browser.cookies["almanac_nonce"])
        answer = browser.post("/auth/session", json={"ticket": ticket}, headers={"origin": origin, **headers})
        assert answer.status_code == 204
        yield browser


def cookie_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


# Where others can reach it


@pytest.fixture(scope="module")
def exposed(
    servers: Servers, clones: CloneDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Start in production behind a local proxy that terminates TLS."""
    with clones() as url:
        port = free_port()
        given = {
            "DATABASE_URL": url,
            "REDIS_URL": servers.redis_url,
            "DATA_DIR": str(tmp_path_factory.mktemp("exposed")),
            "HOST": "0.0.0.0",
            "PORT": str(port),
            "PUBLIC_URL": PUBLIC_URL,
            "ENVIRONMENT": "production",
            "SECRET_KEY": "a secret for tests that is long enough",
            "ADMIN_PASSWORD": "Correct horse 1",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        with running_app(f"http://127.0.0.1:{port}", **given) as client:
            client.headers["host"] = "almanac.example"
            yield client


@pytest.mark.slow
def test_in_production_cookies_are_limited_to_https_and_one_host(exposed):
    answer = exposed.get("/", headers={"sec-fetch-dest": "document", "x-forwarded-proto": "https"})
    assert answer.headers["set-cookie"].startswith("__Host-almanac_nonce=")
    assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.slow
def test_the_websocket_only_accepts_the_public_url(exposed):
    behind = {"X-Forwarded-Host": "almanac.example", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    with websocket(exposed, PUBLIC_URL, **behind):
        pass
    for origin in (str(exposed.base_url).rstrip("/"), "http://almanac.example"):
        with pytest.raises(InvalidStatus):
            websocket(exposed, origin, **behind)


@pytest.mark.slow
def test_changes_are_only_accepted_from_the_public_url(exposed):
    body = {"ticket": "x"}
    assert exposed.post("/auth/session", json=body, headers={"origin": PUBLIC_URL}).status_code == 401
    assert exposed.post("/auth/session", json=body, headers={"origin": "http://127.0.0.1"}).status_code == 403


@pytest.mark.slow
def test_replicas_share_a_derived_streamlit_cookie_key():
    ask = "import app; app.prepare_environment(); from streamlit import config; config.get_config_options(True);"
    code = f"{ask} print('secret', config.get_option('server.cookieSecret'))"
    key = "a secret for tests that is long enough"
    ours = hashlib.sha256(key.encode()).digest()
    stderr = run_and_fail(["-c", code], SECRET_KEY=key)[1]
    assert stderr.split("secret ")[-1].strip() == hmac.digest(ours, b"streamlit cookies", "sha256").hex()


@pytest.mark.slow
def test_a_setting_that_cannot_be_used_is_named():
    code, stderr = run_and_fail(["app.py"], PORT="eighty")
    assert code == 1
    assert stderr.strip().splitlines()[-1].startswith("almanac: PORT is invalid: ")
    assert "Traceback" not in stderr
    code, stderr = run_and_fail(["app.py"], ENVIRONMENT="production")
    assert code == 1
    assert stderr.strip().splitlines()[-1] == "almanac: production needs a SECRET_KEY of at least 32 characters"


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["-m", "uvicorn", "app:app", "--host", "0.0.0.0"], ["-m", "streamlit", "run", "app.py"]],
    ids=["uvicorn", "streamlit run"],
)
def test_an_unsupported_start_prints_the_right_command(command):
    port = str(free_port())
    _, stderr = run_and_fail([*command, "--server.port" if "run" in command else "--port", port])
    assert "Start Almanac with `python app.py`" in stderr
