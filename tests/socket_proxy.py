"""A socket proxy that can be disconnected and reconnected while the server stays up."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread

CHUNK_BYTES = 65536


class SocketProxy:
    """Forward everything from a Unix socket, or a free port of this machine, to another Unix socket."""

    def __init__(self, here: Path | None, there: Path) -> None:
        self.port = 0
        """The port, where *here* is None."""
        self.allowance: int | None = None
        """How many bytes each new connection gets from the server before it is closed; None: all."""
        self._listen_path, self._target_path = here, there
        self._open: list[socket.socket] = []
        self._lock = Lock()
        self.reconnect()

    def cut(self) -> None:
        """End all connections and take no more."""
        if self._listen_path:
            self._listen_path.unlink(missing_ok=True)
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open.clear()

    def reconnect(self) -> None:
        if self._listen_path:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self._listen_path))
            self._listen_path.chmod(0o777)
            listener.listen(100)
        else:
            listener = socket.create_server(("127.0.0.1", self.port))
            self.port = listener.getsockname()[1]
        self._keep(listener)
        Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _keep(self, *some: socket.socket) -> None:
        with self._lock:
            self._open += some

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it was cut
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._target_path))
                self._keep(near, far)
                for one, other, allowance in ((near, far, None), (far, near, self.allowance)):
                    Thread(target=_forward, args=(one, other, allowance), daemon=True).start()


def _forward(one: socket.socket, other: socket.socket, allowance: int | None) -> None:
    with suppress(OSError):
        while allowance != 0 and (piece := one.recv(min(CHUNK_BYTES, allowance or CHUNK_BYTES))):
            other.sendall(piece)
            allowance = None if allowance is None else allowance - len(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


@contextmanager
def socket_proxy(here: Path | None, there: Path) -> Iterator[SocketProxy]:
    made = SocketProxy(here, there)
    try:
        yield made
    finally:
        made.cut()
