"""How others see that a process is alive: the scheduler's leader lock, workers' heartbeats, locks of jobs and runs."""

from datetime import timedelta

LEADER_LOCK = 0x616C6D6C65616472  # "almleadr"
"""The Postgres advisory lock that the leading scheduler holds."""
HEARTBEAT_TIMEOUT = timedelta(seconds=60)
"""A worker whose last heartbeat is older counts as dead, and the system page says so."""
JOB_LOCK_SPACE, RUN_LOCK_SPACE = 0x4A4F42, 0x52554E  # "JOB", "RUN"
"""First halves of advisory lock keys; the second half is `lock_key(id)`. Who works on a job or a run holds its lock."""
APPLICATION_NAME = "almanac liveness"
"""The application name of connections that hold such locks and confirm them every few seconds."""
CONFIRMATION_TIMEOUT = timedelta(seconds=60)
"""A process that holds a lock without confirming it for this long is frozen."""
START_GRACE = timedelta(seconds=30)
"""A job that a living worker fetched this long ago and that nobody has locked is abandoned: its end was not stored."""


def lock_key(id_: int) -> int:
    """Return the second half of the advisory lock key of a job or run: 31 bits of its id."""
    return id_ % 2**31
