"""The web process as it is started for real: what it answers, and how it refuses to start."""

import base64
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.local import Servers

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 60
REFUSED_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**settings: str) -> dict[str, str]:
    return {**os.environ, "LOG_LEVEL": "INFO", **settings}


@pytest.fixture(scope="module")
def web(servers: Servers, database_url: str) -> Iterator[httpx.Client]:
    """A client of a freshly started web process over real servers."""
    port = free_port()
    settings = {"DATABASE_URL": database_url, "REDIS_URL": servers.redis_url, "PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment(**settings))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        try:
            wait_until_healthy(client, process)
            yield client
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) in {0, -signal.SIGTERM}
        finally:
            process.kill()


def wait_until_healthy(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the web process did not become healthy")


def refusal(command: list[str], **settings: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=REFUSED_SECONDS,
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


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/nothing", "/api/docs/../x"])
def test_an_unknown_api_path_is_no_page(web, path):
    answer = web.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "message", "request_id"}
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/_stcore/agent/openapi.json", "/_stcore/agent/mcp"])
def test_the_agent_interface_is_closed(web, path):
    assert web.get(path).status_code == 404
    assert web.post(path, json={}).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/health", "/app/static/logo.svg", "/_stcore/health"])
def test_a_strangers_name_for_this_address_is_refused(web, path):
    assert web.get(path, headers={"host": "evil.example"}).status_code == 421


@pytest.mark.slow
def test_fonts_come_from_here_with_their_licences(web):
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
@pytest.mark.parametrize("host", ["0.0.0.0"])
def test_an_address_that_others_can_reach_is_refused_with_one_sentence(host):
    code, said = refusal(["app.py"], HOST=host)
    assert code == 1
    assert said.strip().splitlines()[-1] == (
        f"almanac: HOST is {host}, but Almanac listens on loopback only (127.0.0.1) until people can sign in"
    )


@pytest.mark.slow
def test_a_setting_that_cannot_be_used_is_named():
    code, said = refusal(["app.py"], PORT="eighty")
    assert code == 1
    assert said.strip().splitlines()[-1].startswith("almanac: PORT: ")
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["-m", "uvicorn", "app:app", "--host", "0.0.0.0"], ["-m", "streamlit", "run", "app.py"]],
    ids=["uvicorn", "streamlit run"],
)
def test_started_by_other_means_it_says_how_to_start_it(command):
    port = str(free_port())
    _, said = refusal([*command, "--server.port" if "run" in command else "--port", port])
    assert "Start Almanac with `python app.py`" in said
