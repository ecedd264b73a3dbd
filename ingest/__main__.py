"""The command line of the ingestor: `python -m ingest`."""

import gc

from core import interrupts

interrupts.end_quietly()
gc.disable()  # as in `paused_garbage_collection`, until all is imported

import typer

from core import command_line, log
from core.db.engine import dispose_engines
from core.launcher.embedded.urls import use_embedded_servers
from core.settings import settings
from ingest.cli import history, processes, refresh, show, track

gc.freeze()
gc.enable()
interrupts.raise_again()

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for module in (track, refresh, show, history, processes):
    app.add_typer(module.app)


@app.callback()
def configure() -> None:
    log.configure(settings().log_level, as_json=settings().environment == "production")
    use_embedded_servers()


def main() -> None:
    try:
        command_line.run(app)
    finally:
        dispose_engines()


if __name__ == "__main__":
    main()
