"""Almanac against a pretend GitHub, with a data directory of its own: filled within a minute, without network.

The pretend GitHub is reached as the real one is, by its address: nothing else knows that it is none.
"""

import json
import time
from collections.abc import Callable
from urllib.request import urlopen

from core.errors import ServerUnavailable
from core.launcher.stack import Stack, free_port
from core.settings import Settings

HOST = "127.0.0.1"
SANDBOX_TOKEN = "sandbox-token-1"  # noqa: S105 - known to everybody, good for nothing else
SANDBOX_START_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1


class Demo(Stack):
    """What `make demo` is."""

    world = ("--accounts", "40", "--seed", "7")

    @classmethod
    def of(cls, wanted: Settings, say: Callable[[str], None]) -> "Demo":
        """Leave alone what people set for the real thing: its databases, its tokens, its data directory."""
        own = {"database_url": "", "redis_url": "", "data_dir": wanted.data_dir / "demo"}
        address = f"http://{HOST}:{free_port(HOST, 0)}"
        environment = {"GITHUB_API_URL": address, "GITHUB_TOKENS": SANDBOX_TOKEN, "REFRESH_EVERY": "2m"}
        # Whoever set databases for the real thing would reset a password there.
        other_place = f"DATABASE_URL= DATA_DIR={own['data_dir']} "
        return cls(wanted.model_copy(update=own), say, environment, command_prefix=other_place)

    @property
    def sandbox_url(self) -> str:
        return self.more_environment["GITHUB_API_URL"]

    def prepare_data(self) -> None:
        """Track everybody there is."""
        self.say("Filling it from a pretend GitHub …")
        port = self.sandbox_url.rpartition(":")[2]
        self.add("pretend GitHub", "-m", "ingest", "sandbox", "--port", port, "--busy", *self.world, quiet=True)
        self.more_environment = {**self.more_environment, "TRACK": ",".join(self._sandbox_logins())}
        self.run_command("-m", "ingest", "track", "--first-start", quiet=True)

    def after_start(self) -> None:
        """Take in its past years, once."""
        history = self.wanted.data_dir.resolve() / "history.csv.gz"
        if history.exists():
            return
        # It gets its name after its import, so that an interrupted one is done again.
        coming = history.with_name("coming.csv.gz")
        written = self.run_command("-m", "ingest", "sandbox", "--write-history", str(coming), *self.world, quiet=True)
        if written and self.run_command("-m", "ingest", "import-history", str(coming), "--source", "sandbox"):
            coming.rename(history)

    def _sandbox_logins(self) -> list[str]:
        until = time.monotonic() + SANDBOX_START_TIMEOUT_SECONDS
        while True:
            try:
                with urlopen(f"{self.sandbox_url}/_sandbox/logins", timeout=5) as answer:  # noqa: S310 - our own
                    logins: list[str] = json.load(answer)
            except OSError as error:
                if time.monotonic() > until:
                    raise ServerUnavailable("The pretend GitHub does not answer") from error
                time.sleep(POLL_SECONDS)
            else:
                return logins
