import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from core.errors import BadInput
from core.launcher.stack import free_port, migrate_if_needed

from .conftest import PROJECT, clear, new_folder, process_named, processes_of, wait_until

PASSWORD_LINE = re.compile(r"Sign in as admin with the password [A-Za-z0-9]{20} \(it is shown only this once\)")


class RunningStack:
    """`python -m core up` in its own process group, as a terminal starts it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port("127.0.0.1", 0)
        own = {"DATA_DIR": str(folder), "PORT": str(self.port), "TRACK": "", "ALMANAC_MARK": str(folder) + "/"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core", "up"],
            env={**os.environ, **own, **environment},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            self.lines.extend(iter(output.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def is_healthy(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10) as response:
                return bool(response.status == 200)
        except (URLError, OSError):
            return False

    def children(self, *words: str) -> list[int]:
        """Return its child processes whose command contains all *words*."""
        return [pid for pid in _pids_with_mark(str(self.folder)) if all(word in _command(pid) for word in words)]

    def end(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to the process group as a terminal does, and wait until it has exited."""
        os.killpg(self.process.pid, number)
        self.process.wait(60)
        self._reader.join(60)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _pids_with_mark(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"ALMANAC_MARK={mark}/".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def folder_of_stack() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    clear(folder)


@pytest.fixture
def up(folder_of_stack: Path) -> Iterator[Any]:
    started: list[RunningStack] = []

    def start(**environment: str) -> RunningStack:
        started.append(RunningStack(folder_of_stack, **environment))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
    wait_until(lambda: not processes_of(folder_of_stack))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_stack_starts_recovers_and_stops(up: Any, folder_of_stack: Path) -> None:
    """One scenario instead of five starts: start, loss of a child, loss of the supervisor, Ctrl-C, start."""
    one = up()
    wait_until(one.is_healthy)
    wait_until(lambda: f"Almanac is at http://127.0.0.1:{one.port}" in one.output)
    assert len(PASSWORD_LINE.findall(one.output)) == 1
    wait_until(lambda: one.children("ingest worker") and one.children("ingest scheduler"))

    os.kill(one.children("app.py")[0], signal.SIGKILL)
    wait_until(lambda: "The web process was terminated by SIGKILL; restarting in" in one.output)
    output_before_outage = one.output  # later, libraries may log tracebacks of the lost connection
    os.kill(process_named(folder_of_stack, "core.launcher.embedded.supervisor"), signal.SIGKILL)
    wait_until(lambda: "The supervisor of the embedded servers has exited; restarting them" in one.output)
    wait_until(one.is_healthy)

    one.end()
    assert one.process.returncode == 0
    assert not one.children()
    assert not processes_of(folder_of_stack)
    assert "Traceback" not in output_before_outage
    assert "killed" not in one.output

    again = up()
    wait_until(lambda: f"Almanac is at http://127.0.0.1:{again.port}" in again.output)
    wait_until(lambda: "Sign in as admin; if the password is lost: python -m core reset-password admin" in again.output)
    assert not PASSWORD_LINE.search(again.output)
    again.end()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals children when their parent is killed")
def test_a_kill_during_the_start_leaves_no_process(up: Any, folder_of_stack: Path) -> None:
    one = up()
    wait_until(lambda: one.children("app.py"))
    one.process.kill()
    wait_until(lambda: not one.children() and not processes_of(folder_of_stack))


@pytest.mark.slow
def test_a_stop_during_the_start_is_clean(up: Any, folder_of_stack: Path) -> None:
    one = up()
    wait_until(lambda: processes_of(folder_of_stack))
    one.end(signal.SIGTERM)
    assert one.process.returncode == 0, one.output
    assert "Traceback" not in one.output
    assert not processes_of(folder_of_stack)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"HOST": "nowhere.invalid"}, "HOST is nowhere.invalid, which is not an address of this machine"),
        ({"HOST": "192.0.2.1"}, "HOST is 192.0.2.1, which is not an address of this machine"),
        ({"PORT": "99999"}, "PORT is invalid"),
        ({"REFRESH_EVERY": "soon"}, "REFRESH_EVERY is invalid: 'soon' is not a duration"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "Cannot connect to DATABASE_URL"),
        ({"DATABASE_URL": "what is this"}, "DATABASE_URL is invalid"),
    ],
)
def test_an_invalid_configuration_is_one_sentence_and_starts_nothing(
    up: Any, environment: dict[str, str], sentence: str, folder_of_stack: Path
) -> None:
    one = up(**environment)
    assert one.process.wait(60) in {1, 2}
    one._reader.join(60)
    assert sentence in one.output
    assert "Traceback" not in one.output
    wait_until(lambda: not processes_of(folder_of_stack))


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BadInput, match=rf"Port {port} of 127\.0\.0\.1 is in use"):
            free_port("127.0.0.1", port)


def test_a_database_is_migrated_once(servers: Any, committing_database: Any) -> None:
    url = committing_database.url.render_as_string(hide_password=False)
    assert migrate_if_needed(url) is False
