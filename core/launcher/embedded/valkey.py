"""The embedded Valkey: a cache of GitHub responses with ETags, rate budgets and pauses."""

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServerUnavailable
from core.launcher.embedded.binaries import runnable_valkey
from core.launcher.embedded.server_folders import ServerFolders
from core.launcher.embedded.service import start_server

SOCKET_NAME = "valkey.sock"
STOP_TIMEOUT_SECONDS = 10

# Nothing is stored only here, so Valkey may evict the least recently used keys, and losing the last minutes costs some
# full responses instead of 304. A snapshot every few minutes and at the stop keeps the ETags over a restart; an
# append-only file would write permanently.
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "databases": "64",
    "maxmemory": "256mb",
    "maxmemory-policy": "allkeys-lru",
    "appendonly": "no",
    "stop-writes-on-bgsave-error": "no",
    "shutdown-on-sigterm": "force",  # without a snapshot where the disk is full; else it would not stop
    "daemonize": "no",
}
SNAPSHOT_SCHEDULE = "300 10 60 10000"


@dataclass
class ValkeyService:
    folders: ServerFolders
    durable: bool

    name = "valkey"
    stop_signal = signal.SIGTERM

    def start(self) -> subprocess.Popen[bytes]:
        program = runnable_valkey(self.folders)
        self._stop_orphaned_server()
        self.folders.user.make_private_folder(self.folders.valkey)
        options = {**SETTINGS, "save": SNAPSHOT_SCHEDULE if self.durable else ""}
        options["dir"] = str(self.folders.valkey)
        options["unixsocket"] = str(self.folders.sockets / SOCKET_NAME)
        command = [str(program)]
        for name, value in options.items():
            command += [f"--{name}", value]
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return start_server(self.folders, self.name, command, self.stop_signal, environment)

    def recover(self) -> None:
        """Move the snapshot aside, in case it is unreadable: an empty cache is better than none."""
        snapshot = self.folders.valkey / "dump.rdb"
        if snapshot.exists():
            snapshot.replace(snapshot.with_suffix(".unreadable"))

    def _stop_orphaned_server(self) -> None:
        """Stop a server whose supervisor was killed."""
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while send_command(self.folders.sockets / SOCKET_NAME, b"PING\r\n"):
            send_command(self.folders.sockets / SOCKET_NAME, b"SHUTDOWN FORCE\r\n")
            if time.monotonic() > deadline:
                raise ServerUnavailable("An orphaned Valkey does not stop")
            time.sleep(0.05)


def send_command(path: Path, command: bytes) -> bytes:
    """Send one command and return the first 64 bytes of the reply; empty without a connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(64)
        except OSError:
            return b""
