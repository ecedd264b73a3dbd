"""The embedded Valkey: cached answers with their ETags, budgets, pauses."""

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServerUnavailable
from core.launcher.embedded.binaries import runnable_valkey
from core.launcher.embedded.home import ServerFolders
from core.launcher.embedded.service import start_server

SOCKET_NAME = "valkey.sock"
STOP_TIMEOUT_SECONDS = 10

# Nothing in it is the only copy, so it may drop what was not used for longest, and losing the last minutes costs
# some requests that are answered in full instead of with 304. A rare snapshot (and one when it stops) keeps the ETags
# over a restart; an append-only file would write all day for that.
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "databases": "64",
    "maxmemory": "256mb",
    "maxmemory-policy": "allkeys-lru",
    "appendonly": "no",
    "stop-writes-on-bgsave-error": "no",
    "daemonize": "no",
}
SNAPSHOT_SCHEDULE = "300 10 60 10000"


@dataclass
class ValkeyService:
    home: ServerFolders
    durable: bool

    name = "valkey"
    stop_signal = signal.SIGTERM

    def start(self) -> subprocess.Popen[bytes]:
        program = runnable_valkey(self.home)
        self._stop_orphaned_server()
        self.home.owner.make_private_folder(self.home.valkey)
        options = {**SETTINGS, "save": SNAPSHOT_SCHEDULE if self.durable else ""}
        options["dir"] = str(self.home.valkey)
        options["unixsocket"] = str(self.home.sockets / SOCKET_NAME)
        command = [str(program)]
        for name, value in options.items():
            command += [f"--{name}", value]
        plain = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return start_server(self.home, self.name, command, self.stop_signal, plain)

    def recover(self) -> None:
        """Put a snapshot away that may be what it cannot read: better an empty cache than none."""
        snapshot = self.home.valkey / "dump.rdb"
        if snapshot.exists():
            snapshot.replace(snapshot.with_suffix(".unreadable"))

    def _stop_orphaned_server(self) -> None:
        """Stop a server whose supervisor was killed."""
        until = time.monotonic() + STOP_TIMEOUT_SECONDS
        while send_command(self.home.sockets / SOCKET_NAME, b"PING\r\n"):
            send_command(self.home.sockets / SOCKET_NAME, b"SHUTDOWN\r\n")
            if time.monotonic() > until:
                raise ServerUnavailable("An earlier Valkey does not stop")
            time.sleep(0.05)


def send_command(path: Path, command: bytes) -> bytes:
    """Send one command and return the first of its answer; nothing when nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(64)
        except OSError:
            return b""
