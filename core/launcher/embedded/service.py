"""Interface of a server program to the supervisor, and starting one with its log."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from core.launcher.embedded.server_folders import ServerFolders

PR_SET_PDEATHSIG = 1
TAIL_BYTES = 4000
TAIL_LINES = 3
LOG_PREFIX_PATTERN = re.compile(r"^\S+ \S+ UTC \[\d+\] (FATAL|LOG|ERROR):\s+")


class Service(Protocol):
    """A server program and its data."""

    name: str
    # Makes the server stop without waiting for its clients.
    stop_signal: signal.Signals

    def start(self) -> subprocess.Popen[bytes]:
        """Prepare the data, start the server and return immediately. Raises ServerUnavailable."""

    def recover(self) -> None:
        """Move files aside that may have made a start fail and are dispensable."""


def start_server(
    folders: ServerFolders, name: str, command: list[str], parent_death_signal: signal.Signals, env: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Run *command* as the servers' user with its output in the log of *name*."""
    with folders.log(name).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=env,
            umask=0o077,
            start_new_session=True,
            preexec_fn=die_with_parent(parent_death_signal),  # safe: the supervisor has one thread  # noqa: PLW1509
            **folders.user.subprocess_arguments(),
        )


def die_with_parent(signal_: signal.Signals) -> Callable[[], None] | None:
    """Return a preexec_fn: the kernel sends *signal_* to the child when this thread ends, even by SIGKILL. Linux."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def in_child() -> None:
        # Runs after the change of user, which would clear it.
        prctl(PR_SET_PDEATHSIG, int(signal_), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def log_size(folders: ServerFolders, name: str) -> int:
    log = folders.log(name)
    return log.stat().st_size if log.exists() else 0


def log_tail_since(folders: ServerFolders, name: str, offset: int) -> str:
    """Return the last lines that a server logged after *offset* (bytes), for the error message of a failed start."""
    with folders.log(name).open("rb") as log:
        log.seek(max(offset, log_size(folders, name) - TAIL_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    return "; ".join(LOG_PREFIX_PATTERN.sub("", line) for line in lines[-TAIL_LINES:])
