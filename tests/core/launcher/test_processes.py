"""The processes of the local stack are started again when they die, and never outlive it."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.launcher.processes import ChildProcess

from .conftest import wait_until

IGNORES_SIGTERM_PROGRAM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
)
PARENT_PROGRAM = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {!r}]).wait()"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def child(lines: list[str]) -> Iterator[Callable[[str], ChildProcess]]:
    started: list[ChildProcess] = []

    def start(program: str) -> ChildProcess:
        started.append(ChildProcess("worker", [sys.executable, "-c", program], {}, lines.append))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.wait_or_kill(0)


def test_a_child_restarts_with_exponential_backoff(child: Callable[[str], ChildProcess], lines: list[str]) -> None:
    one = child("raise SystemExit(3)")
    waits = []
    now = time.monotonic()
    for _ in range(9):
        assert one.process
        one.process.wait()
        one.restart_if_ended(now)
        waits.append(round(one.restart_at - now))
        one.restart_if_ended(one.restart_at - 0.01)
        assert one.process is None
        one.restart_if_ended(one.restart_at)
        now = time.monotonic()
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert lines[0] == "The worker exited with code 3; restarting in 1 s."


def test_a_child_that_ran_long_restarts_without_backoff(child: Callable[[str], ChildProcess], lines: list[str]) -> None:
    one = child("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    one.failures = 6
    assert one.process
    one.process.wait()
    one.restart_if_ended(one.started_at + 3600)
    assert lines == ["The worker was terminated by SIGKILL; restarting in 1 s."]


def test_a_child_that_ignores_the_request_is_killed_with_what_it_started(
    child: Callable[[str], ChildProcess], lines: list[str], tmp_path: Path
) -> None:
    mark = str(tmp_path / "mark")
    one = child(PARENT_PROGRAM.format(f"open({mark!r}, 'w'); {IGNORES_SIGTERM_PROGRAM}") + f"  # {mark}")
    wait_until(lambda: Path(mark).exists())
    grandchildren = [pid for pid in _pids_with(mark) if one.process and pid != one.process.pid]
    assert grandchildren
    one.terminate()
    one.wait_or_kill(time.monotonic() + 0.2)
    wait_until(lambda: not _pids_with(mark))


def _pids_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(mark) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
