"""Postgres and Valkey on the own machine: started when first leased, stopped when nobody leases them any more.

`lease` is light: it imports neither SQLAlchemy nor pandas, so that a command can start at once.
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
    "on Windows use WSL, or set DATABASE_URL and REDIS_URL to servers of your own"
)


def lease(
    data_dir: Path, *, pg_bin_dir: str = "", durable: bool = True, postgres: bool = True, redis: bool = True
) -> "Servers":
    """Start or join the embedded servers of *data_dir* and hold them until this process ends or releases them.

    With `postgres=False` or `redis=False` only the other one is leased, and the URL of the one left out is empty.
    Only the first of several processes decides about *pg_bin_dir* and *durable* (`False` trades safety for speed).
    Raises ServerUnavailable, with the reason, when a server cannot be started.
    """
    if sys.platform == "win32":
        raise ServerUnavailable(UNSUPPORTED_ON_WINDOWS)
    return Servers.lease(data_dir, pg_bin_dir=pg_bin_dir, durable=durable, postgres=postgres, redis=redis)
