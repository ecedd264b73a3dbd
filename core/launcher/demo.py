"""Run Almanac against the sandbox GitHub with a separate data directory: filled within a minute, without network.

The sandbox is configured by GITHUB_API_URL alone; no other code knows that it is not the real GitHub.
"""

import json
import time
from collections.abc import Callable
from urllib.request import urlopen

from core.errors import ServerUnavailable
from core.launcher.stack import Stack, free_port
from core.settings import Settings

HOST = "127.0.0.1"
SANDBOX_TOKEN = "sandbox-token-1"  # noqa: S105 - public, valid in the sandbox only
SANDBOX_START_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1


class Demo(Stack):
    """The processes of `make demo`."""

    sandbox_arguments = ("--accounts", "40", "--seed", "7")

    @classmethod
    def from_settings(cls, settings: Settings, print_line: Callable[[str], None]) -> "Demo":
        """Create the demo without touching the configured databases, tokens and data directory."""
        overrides = {
            "database_url": "",
            "database_direct_url": "",
            "database_read_url": "",
            "redis_url": "",
            "data_dir": settings.data_dir / "demo",
        }
        sandbox_url = f"http://{HOST}:{free_port(HOST, 0)}"
        environment = {"GITHUB_API_URL": sandbox_url, "GITHUB_TOKENS": SANDBOX_TOKEN, "REFRESH_EVERY": "2m"}
        # Without it, a printed command such as reset-password would use the configured database.
        others = [name for name in ("database_direct_url", "database_read_url") if getattr(settings, name)]
        emptied = "".join(f"{name.upper()}= " for name in ("database_url", *others))
        command_prefix = f"{emptied}DATA_DIR={overrides['data_dir']} "
        return cls(settings.model_copy(update=overrides), print_line, environment, command_prefix=command_prefix)

    @property
    def sandbox_url(self) -> str:
        return self.extra_environment["GITHUB_API_URL"]

    def prepare_data(self) -> None:
        """Start the sandbox and track all its accounts."""
        self.print_line("Filling the database from the sandbox GitHub …")
        port = self.sandbox_url.rpartition(":")[2]
        activity = ("--busy", "--activity-log", str(self.settings.data_dir.resolve() / "sandbox_activity.jsonl"))
        self.start_child(
            "sandbox GitHub", "-m", "ingest", "sandbox", "--port", port, *activity, *self.sandbox_arguments, quiet=True
        )
        self.extra_environment = {**self.extra_environment, "TRACK": ",".join(self._sandbox_logins())}
        self.run_command("-m", "ingest", "track", "--first-start", quiet=True)

    def finish_start(self) -> None:
        """Import the sandbox's past years, once."""
        history = self.settings.data_dir.resolve() / "history.csv.gz"
        if history.exists():
            return
        # Renamed after the import, so that an interrupted import is repeated.
        partial = history.with_name("coming.csv.gz")
        written = self.run_command(
            "-m", "ingest", "sandbox", "--write-history", str(partial), *self.sandbox_arguments, quiet=True
        )
        if written and self.run_command("-m", "ingest", "import-history", str(partial), "--source", "sandbox"):
            partial.rename(history)

    def _sandbox_logins(self) -> list[str]:
        deadline = time.monotonic() + SANDBOX_START_TIMEOUT_SECONDS
        while True:
            try:
                with urlopen(f"{self.sandbox_url}/_sandbox/logins", timeout=5) as response:  # noqa: S310 - our own
                    logins: list[str] = json.load(response)
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ServerUnavailable("The sandbox GitHub does not respond") from error
                time.sleep(POLL_SECONDS)
            else:
                return logins
