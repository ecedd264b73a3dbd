"""Almanac against a pretend GitHub, with a data directory of its own: filled within a minute, without network.

The pretend GitHub is reached as the real one is, by its address: nothing else knows that it is none.
"""

import json
import time
from collections.abc import Callable
from urllib.error import URLError
from urllib.request import urlopen

from core.errors import ServerUnavailable
from core.local.stack import Stack, free_port
from core.settings import Settings

HOST = "127.0.0.1"
ACCOUNTS, SEED = "40", "7"
TOKEN = "sandbox-token-1"  # noqa: S105 - known to everybody, good for nothing else
SOURCE = "sandbox"
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.1


def run_demo(wanted: Settings, say: Callable[[str], None]) -> None:
    """Run the stack on pretend data; what people set for the real thing is left alone."""
    own = {"database_url": "", "redis_url": "", "data_dir": wanted.data_dir / "demo"}
    port = free_port(HOST, 0)
    environment = {
        "GITHUB_API_URL": f"http://{HOST}:{port}",
        "GITHUB_TOKENS": TOKEN,
        "REFRESH_EVERY": "2m",
    }
    stack = Stack(wanted.model_copy(update=own), say, environment)
    stack.run(before_work=lambda stack: fill(stack, port))


def fill(stack: Stack, port: int) -> None:
    """Start the pretend GitHub, track everybody on it, and take in its past years once."""
    stack.say("Filling it from a pretend GitHub …")
    world = ("--accounts", ACCOUNTS, "--seed", SEED)
    stack.add("pretend GitHub", "-m", "ingest", "sandbox", "--port", str(port), *world, quiet=True)
    import_history(stack, world)
    logins = ask_for_logins(f"http://{HOST}:{port}/_sandbox/logins")
    stack.more_environment = {**stack.more_environment, "TRACK": ",".join(logins)}
    stack.run_once("-m", "ingest", "track", "--first-start")


def import_history(stack: Stack, world: tuple[str, ...]) -> None:
    history = stack.wanted.data_dir.resolve() / "history.csv.gz"
    if history.exists():
        return
    # It bears its name only after its import, so that an interrupted one is done again.
    coming = history.with_name("coming.csv.gz")
    written = stack.run_once("-m", "ingest", "sandbox", "--write-history", str(coming), *world)
    if written and stack.run_once("-m", "ingest", "import-history", str(coming), "--source", SOURCE):
        coming.rename(history)


def ask_for_logins(url: str) -> list[str]:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310 - an address of our own
                logins: list[str] = json.load(answer)
        except (URLError, OSError) as error:
            if time.monotonic() > until:
                raise ServerUnavailable("The pretend GitHub does not answer") from error
            time.sleep(POLL_SECONDS)
        else:
            return logins
