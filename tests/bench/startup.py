"""How long `make run` takes, after installation, until `/health` answers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.bench.measurement import Measurement

TIMEOUT_SECONDS = 60.0


def run() -> list[Measurement]:
    folder = Path(tempfile.mkdtemp(prefix="almanac-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        cold = seconds_to_healthy(folder)
        warm = sorted(seconds_to_healthy(folder) for _ in range(3))[1]
        return [
            Measurement("cold start", cold, "s", import_streamlit_seconds(), "at most 6 s"),
            Measurement("warm start", warm, "s", import_streamlit_seconds(), "at most 3 s"),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def import_streamlit_seconds() -> float:
    """Measure the floor: a Python that only imports Streamlit."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import streamlit"], check=True)
    return time.perf_counter() - started


def seconds_to_healthy(data_dir: Path) -> float:
    port = free_port()
    environment = os.environ | {"DATA_DIR": str(data_dir), "PORT": str(port), "TRACK": ""}
    started = time.perf_counter()
    stack = subprocess.Popen(
        [sys.executable, "-m", "core", "up"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return wait_until_healthy(port, started)
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(20)
        time.sleep(3)  # the servers outlive their last client for a moment


def wait_until_healthy(port: int, started: float, path: str = "/health") -> float:
    while time.perf_counter() - started < TIMEOUT_SECONDS:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                if answer.status == 200:
                    return time.perf_counter() - started
        except (URLError, OSError):
            time.sleep(0.02)
    raise TimeoutError(f"{path} did not answer within {TIMEOUT_SECONDS:.0f} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
