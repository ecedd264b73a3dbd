"""The command line of the sandbox GitHub."""

import contextlib
from pathlib import Path
from threading import Event, Thread

import uvicorn

from core.command_line import print_line
from core.errors import BadInput
from core.wording import quantity
from ingest.sandbox.server.asgi import Sandbox, open_listener, uvicorn_config
from ingest.sandbox.server.limits import DEFAULT_TOKENS
from ingest.sandbox.world.history_file import write_history as write_file
from ingest.sandbox.world.population import World
from ingest.sandbox.world.random_activity import RandomActivity


def main(
    port: int = 0,
    accounts: int = 40,
    seed: int = 7,
    latency_ms: float = 0,
    write_history: Path | None = None,
    *,
    repositories: int | None = None,
    biggest: int | None = None,
    host: str = "127.0.0.1",
    busy: bool = False,
    activity_log: Path | None = None,
) -> None:
    """Serve until interrupted, or only write the past years to *write_history* and return.

    Prints its URL on the first line, then a valid token and logins that can be tracked.
    """
    world = World(accounts=accounts, repositories=repositories, biggest=biggest, seed=seed)
    activity = RandomActivity(world, seed, activity_log) if busy else None
    if write_history is not None:
        print_line(f"{quantity(write_file(world, write_history), 'row')} in {write_history}")
        return
    try:
        listener = open_listener(host, port)
    except OSError as error:
        raise BadInput(f"Port {port} of {host} cannot be used: {error.strerror}") from None
    sandbox = Sandbox(world, f"http://{host}:{listener.getsockname()[1]}", latency_ms)
    print_line(sandbox.url)
    print_line(f"token: {next(iter(DEFAULT_TOKENS))}")
    print_line(f"logins: {','.join(world.logins())}")
    if activity:
        Thread(target=activity.run, args=(Event(),), name="bustle", daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn_config(sandbox)).run(sockets=[listener])
