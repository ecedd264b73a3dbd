"""Embedded Postgres and Valkey: started with the first lease, stopped after the last one is released.

`lease` imports neither SQLAlchemy nor pandas, so that commands start fast.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ServerUnavailable

if TYPE_CHECKING or sys.platform != "win32":
    from core.launcher.embedded.leases import Servers

__all__ = ["Servers", "lease"]

UNSUPPORTED_ON_WINDOWS = (
    "Almanac's embedded Postgres and Valkey run on Linux and macOS; "
    "on Windows use WSL, or set DATABASE_URL and REDIS_URL to other servers"
)


def lease(
    data_dir: Path, *, pg_bin_dir: str = "", durable: bool = True, postgres: bool = True, redis: bool = True
) -> "Servers":
    """Start or join the embedded servers of *data_dir* and hold them until this process ends or releases them.

    With `postgres=False` or `redis=False` only the other server is leased, and the omitted one's URL is empty.
    *pg_bin_dir* and *durable* (`False`: fsync off) take effect only for the process that starts the servers.
    Raises ServerUnavailable with the reason when a server cannot be started.
    """
    if sys.platform == "win32":
        raise ServerUnavailable(UNSUPPORTED_ON_WINDOWS)
    return Servers.lease(data_dir, pg_bin_dir=pg_bin_dir, durable=durable, postgres=postgres, redis=redis)
