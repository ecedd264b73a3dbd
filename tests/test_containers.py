"""The containers, as far as they can be read without Docker: what they start, as whom, and what they keep out."""

import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OUR_SERVICES = ("web", "scheduler", "worker", "migrate")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: word and the rest, continued lines joined, comments left out."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def instruction_values(word: str) -> list[str]:
    return [rest for named, rest in instructions() if named == word]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(place for place, (word, _) in enumerate(found) if word == "FROM") :]


def is_docker_ignored(path: str) -> bool:
    """Whether `.dockerignore` keeps *path* out of the build: the last pattern that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
        names = [part for parent in parents for part in (parent, Path(parent).name)] if "**/" in line else parents
        if any(fnmatch(name, pattern) for name in names):
            out = not line.startswith("!")
    return out


def test_copied_files_exist_and_are_in_the_build_context():
    sources = [
        source for rest in instruction_values("COPY") if not rest.startswith("--from") for source in rest.split()[:-1]
    ]
    assert {"app.py", "core", "ingest", "pages", ".streamlit", "requirements.txt", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not is_docker_ignored(source), source


@pytest.mark.parametrize(
    "path",
    [".env", ".git", ".git/config", ".venv/bin/python", ".data/secret", "tests/conftest.py", "core/__pycache__"],
)
def test_secrets_data_and_history_stay_out_of_the_build(path):
    assert is_docker_ignored(path)


def test_files_that_processes_read_are_in_the_build_context():
    for path in ("core/languages.json", "pages/static/logo.svg", "pages/main.py", ".streamlit/config.toml"):
        assert (ROOT / path).exists()
        assert not is_docker_ignored(path)


def test_only_hash_pinned_packages_are_installed():
    installed = [rest for rest in instruction_values("RUN") if "pip install" in rest]
    assert len(installed) == 1
    assert "--require-hashes -r requirements.txt" in installed[0]
    pinned = re.split(r"\n(?=[a-z])", (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    loose = [
        entry.splitlines()[0] for entry in pinned if re.match(r"[a-z0-9]", entry) and "--hash=sha256:" not in entry
    ]
    assert not loose


def test_nothing_runs_as_root():
    words = [word for word, _ in last_stage()]
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users == ["10001:10001"]
    assert words.index("USER") > max(place for place, word in enumerate(words) if word in {"RUN", "COPY"})
    for name in OUR_SERVICES:
        assert "user" not in SERVICES[name]
        assert not SERVICES[name].get("privileged")
        assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_the_base_image_has_the_python_of_the_requirements():
    assert {rest.split()[0] for rest in instruction_values("FROM")} == {"python:3.11-slim"}


def health_check() -> list[str]:
    import json

    return json.loads(instruction_values("HEALTHCHECK")[0].partition("CMD ")[2])


def test_the_web_container_is_healthy_without_redis_and_postgres():
    """With `/health`, an outage of Redis would stop every replica."""
    assert "/_stcore/health" in health_check()[-1]
    assert "healthcheck" not in SERVICES["web"]
    for name in ("scheduler", "worker", "migrate"):
        assert SERVICES[name]["healthcheck"] == {"disable": True}


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_exit_code_follows_the_status(status, code):
    """Whatever proxy the environment names."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/_stcore/health" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        environment = {**os.environ, "PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:9"}
        asked = subprocess.run(
            [sys.executable, *health_check()[1:]], check=False, env=environment, capture_output=True, timeout=60
        )
    assert bool(asked.returncode) == bool(code)


def commands() -> list[list[str]]:
    found = [shlex.split(part) for name in OUR_SERVICES for part in _shell_parts(SERVICES[name]["command"])]
    return [*found, *[eval(rest) for rest in instruction_values("CMD")]]  # a list of texts in our own file


def _shell_parts(command: list[str]) -> list[str]:
    return command[2].split(" && ") if command[:2] == ["sh", "-c"] else [shlex.join(command)]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_exists(command):
    assert command[0] == "python"
    if command[1] != "-m":
        assert (ROOT / command[1]).exists()
        return
    module, *arguments = command[2:]
    helped = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--help"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert helped.returncode == 0, helped.stderr
    assert "Usage" in helped.stdout


def test_only_the_proxy_is_reachable_and_only_from_this_machine_by_default():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"proxy": ["${PUBLISH:-127.0.0.1:8501}:8501"]}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_the_web_trusts_the_network_of_the_proxy_alone():
    (network,) = SERVICES["proxy"]["networks"]
    subnet = COMPOSE["networks"][network]["ipam"]["config"][0]["subnet"]
    assert SERVICES["web"]["environment"]["TRUSTED_PROXIES"] == f"${{TRUSTED_PROXIES:-{subnet}}}"
    assert SERVICES["proxy"]["volumes"] == ["./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"]


def test_secrets_are_required_from_the_environment():
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert uses
        assert all(use.startswith(f"${{{name}:?set it in .env") for use in uses)


def environment_of(name: str) -> dict[str, str]:
    """Return a service's environment where only the two secrets are set."""
    secrets = {"SECRET_KEY": "k" * 40, "POSTGRES_PASSWORD": "p" * 40}

    def filled(match: re.Match[str]) -> str:
        return secrets.get(match[1]) or match[2].removeprefix(":-").removeprefix("-")

    given = SERVICES[name]["environment"]
    return {key: re.sub(r"\$\{(\w+)([^}]*)\}", filled, str(value)) for key, value in given.items()}


@pytest.mark.parametrize("name", OUR_SERVICES)
def test_the_defaults_are_settings_that_a_laptop_can_use(name, monkeypatch):
    from core.settings import Settings
    from core.web.middleware.trusted_hosts import allowed_hosts

    for key, value in environment_of(name).items():
        monkeypatch.setenv(key, value)
    read = Settings()
    assert (read.host, read.port, read.base_url) == ("0.0.0.0", 8501, "http://localhost:8501")
    assert read.registration_mode == "closed"
    assert {"localhost", "127.0.0.1"} <= set(allowed_hosts(read))


def test_the_same_file_serves_production(monkeypatch):
    from core.settings import Settings

    production = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://almanac.example.org"}
    for key, value in {**environment_of("web"), **production}.items():
        monkeypatch.setenv(key, value)
    assert Settings().is_secure


def test_server_images_match_the_tested_versions_and_persist_data():
    assert SERVICES["postgres"]["image"] == "postgres:18"
    assert SERVICES["redis"]["image"] == "valkey/valkey:9"
    # The image of 18 keeps its data in a folder of the major version; mounted one deeper, they would be lost.
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]
    for name in ("postgres", "redis"):
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_services_start_after_migrations():
    for name in ("web", "scheduler", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES["migrate"]["restart"] == "no"


def test_processes_only_write_to_their_own_volumes():
    for name in OUR_SERVICES:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["init"] is True
        assert {mount.partition(":")[0] for mount in service["tmpfs"]} == {"/tmp", "/data"}
        # A job in hand is finished or given back within ten seconds; web serves on for DRAIN_SECONDS before.
        assert service["stop_grace_period"] == ("25s" if name == "web" else "15s")
    assert instruction_values("STOPSIGNAL") == ["SIGTERM"]
