"""A child process of the local stack: restart it with backoff when it exits, stop it with its descendants."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.launcher.embedded.service import die_with_parent

PROJECT_ROOT = Path(__file__).resolve().parents[2]
MAX_RESTART_DELAY_SECONDS = 60.0
STABLE_UPTIME_SECONDS = 60.0  # a process that ran longer restarts without backoff


@dataclass
class ChildProcess:
    """A process that runs as long as the stack does; it inherits our output."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    print_line: Callable[[str], None]
    is_quiet: bool = False  # drops standard output; logs go to standard error
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0

    def start(self) -> None:
        self.process = start_process(self.command, self.environment, quiet=self.is_quiet)
        self.started_at = time.monotonic()

    def restart_if_ended(self, now: float) -> None:
        """Restart the process if it has exited, with exponential backoff. *now* is monotonic time in seconds."""
        if self.process is None:
            if now >= self.restart_at:
                self.start()
            return
        if (code := self.process.poll()) is None:
            return
        self.failures = 1 if now - self.started_at > STABLE_UPTIME_SECONDS else self.failures + 1
        wait = min(2.0 ** (self.failures - 1), MAX_RESTART_DELAY_SECONDS)
        self.print_line(f"The {self.name} {exit_description(code)}; restarting in {wait:.0f} s.")
        self.process = None
        self.restart_at = now + wait

    def terminate(self) -> None:
        self._signal_group(signal.SIGTERM)

    def wait_or_kill(self, deadline: float) -> None:
        """Wait until the process has exited; kill it and its process group at *deadline* (monotonic time)."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.print_line(f"The {self.name} did not stop in time and was killed.")
        # Its descendants are in its process group.
        self._signal_group(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _signal_group(self, number: signal.Signals) -> None:
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def start_process(
    command: list[str], environment: Mapping[str, str], *, quiet: bool = False
) -> subprocess.Popen[bytes]:
    """Start *command* in its own session, so that Ctrl-C reaches only us and we stop the children in order."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        cwd=PROJECT_ROOT,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),  # safe: this process has one thread  # noqa: PLW1509
    )


def exit_description(code: int) -> str:
    return f"was terminated by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
