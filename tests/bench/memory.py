"""Memory of a process at its peak. Imports nothing that would count."""

import pathlib
import resource
import sys


def peak_megabytes() -> float:
    """Return what this process needed at most; `ru_maxrss` would count what its parent held before it began."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
