"""What the supervisor has to know about a server, whichever it is."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from core.launcher.embedded.home import ServerFolders

PR_SET_PDEATHSIG = 1
TAIL_BYTES = 4000
TAIL_LINES = 3
LOG_PREFIX_PATTERN = re.compile(r"^\S+ \S+ UTC \[\d+\] (FATAL|LOG|ERROR):\s+")


class Service(Protocol):
    """One server program and its data."""

    name: str
    # Asks the server to stop soon, without waiting for its clients.
    stop_signal: signal.Signals

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server on its data, made ready first, and return at once. Raises ServerUnavailable."""

    def recover(self) -> None:
        """Called after it could not start: put away what may be in its way and can be spared."""


def start_server(
    home: ServerFolders, name: str, command: list[str], dies_by: signal.Signals, env: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Run *command* as the servers' user, its output going to the log of *name*."""
    with home.log(name).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=env,
            umask=0o077,
            start_new_session=True,
            preexec_fn=die_with_parent(dies_by),  # safe here: the supervisor has one thread  # noqa: PLW1509
            **home.owner.subprocess_arguments(),
        )


def die_with_parent(signal_: signal.Signals) -> Callable[[], None] | None:
    """Make the kernel send *signal_* to a new child when this thread ends, even by kill -9. Linux alone can."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def in_child() -> None:
        # Comes after the change of user, which would have cleared it.
        prctl(PR_SET_PDEATHSIG, int(signal_), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def log_size(home: ServerFolders, name: str) -> int:
    log = home.log(name)
    return log.stat().st_size if log.exists() else 0


def log_tail_since(home: ServerFolders, name: str, offset: int) -> str:
    """Return what a server logged after *offset*, its last lines, for the sentence that says why it did not start."""
    with home.log(name).open("rb") as log:
        log.seek(max(offset, log_size(home, name) - TAIL_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    return "; ".join(LOG_PREFIX_PATTERN.sub("", line) for line in lines[-TAIL_LINES:])
