"""When a process counts as alive: the scheduler's leader lock and the workers' heartbeat."""

from datetime import timedelta

LEADER_LOCK = 0x616C6D6C65616472  # "almleadr"
"""The Postgres advisory lock that the leading scheduler holds."""
HEARTBEAT_TIMEOUT = timedelta(seconds=60)
"""A worker whose last heartbeat is older counts as dead: its jobs are requeued, and the system page says so."""
