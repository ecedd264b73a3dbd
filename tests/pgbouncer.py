"""PgBouncer in transaction mode before a database of the tests, from Debian's package."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from tests.debian_programs import find_program

# Of what its manual offers nothing that makes it more lenient: a provider's pooler is not ours to configure.
CONFIGURATION = """
[databases]
* = host={folder} port=5432 user=almanac pool_size={pool_size}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {pool_mode}
logfile = {log}
"""


@contextmanager
def pgbouncer(database: URL, folder: Path, pool_size: int = 20, pool_mode: str = "transaction") -> Iterator[str]:
    """Yield a URL of *database* that leads through a PgBouncer of its own."""
    program, port = find_program("pgbouncer"), free_port()
    sockets = Path(str(database.query["host"]))
    folder.chmod(0o755)
    file, log = folder / "pgbouncer.ini", folder / "pgbouncer.log"
    file.write_text(CONFIGURATION.format(folder=sockets, port=port, log=log, pool_size=pool_size, pool_mode=pool_mode))
    log.touch(mode=0o666)
    log.chmod(0o666)
    # It refuses root, and must be able to enter the folder of the server's socket.
    owner = {"user": sockets.stat().st_uid, "group": sockets.stat().st_gid} if os.getuid() == 0 else {}
    with subprocess.Popen([program, "-q", str(file)], **owner) as process:
        try:
            until = time.monotonic() + 60
            while is_closed(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield f"postgresql://almanac@127.0.0.1:{port}/{database.database}"
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def is_closed(port: int, address: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((address, port)).close()
    except OSError:
        return True
    return False
