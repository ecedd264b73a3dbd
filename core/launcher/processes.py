"""One process of the local stack: started, started again when it died, stopped with everything it started."""

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
STABLE_UPTIME_SECONDS = 60.0  # who ran that long is started again at once


@dataclass
class ChildProcess:
    """A process that should run for as long as the stack does. Its output goes where ours goes."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    say: Callable[[str], None]
    quiet: bool = False  # what it prints is for programs; what it logs is not affected
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restart_at: float = 0.0
    failures: int = 0

    def start(self) -> None:
        self.process = start_process(self.command, self.environment, quiet=self.quiet)
        self.started = time.monotonic()

    def look(self, now: float) -> None:
        """Start it again if it ended: soon at first, then ever later, so that a broken one does not fill the log."""
        if self.process is None:
            if now >= self.restart_at:
                self.start()
            return
        if (code := self.process.poll()) is None:
            return
        self.failures = 1 if now - self.started > STABLE_UPTIME_SECONDS else self.failures + 1
        wait = min(2.0 ** (self.failures - 1), MAX_RESTART_DELAY_SECONDS)
        self.say(f"The {self.name} {exit_description(code)}; it starts again in {wait:.0f} s.")
        self.process = None
        self.restart_at = now + wait

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def wait_or_kill(self, deadline: float) -> None:
        """Wait until it ended, with a kill at *deadline* at the latest."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.say(f"The {self.name} did not stop in time and was killed.")
        # Whatever it started is in its group, and has no business any more.
        self._send(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _send(self, number: signal.Signals) -> None:
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def start_process(
    command: list[str], environment: Mapping[str, str], *, quiet: bool = False
) -> subprocess.Popen[bytes]:
    """Start *command* in a group of its own: Ctrl-C reaches us alone, and we stop the others in order."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        cwd=PROJECT_ROOT,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),  # safe here: we have one thread  # noqa: PLW1509
    )


def exit_description(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
