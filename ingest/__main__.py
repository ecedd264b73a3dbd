"""The command line of the ingestor: `python -m ingest`."""

import sys

import psycopg
import structlog
import typer
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from core import log
from core.errors import AlmanacError
from core.launcher.embedded.urls import use_embedded_servers
from core.settings import settings
from ingest.cli import history, output, processes, refresh, show, track
from ingest.cli.shared import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_UNUSABLE_INPUT

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for module in (track, refresh, show, history, processes):
    app.add_typer(module.app)


@app.callback()
def configure() -> None:
    log.configure(settings().log_level, as_json=settings().environment == "production")
    use_embedded_servers()


def main() -> None:
    """Run a command; expected errors are printed as one sentence, without a traceback."""
    try:
        app()
    except ValidationError as error:
        for problem in error.errors():
            output.err.print(f"{str(problem['loc'][0]).upper()}: {problem['msg']}", markup=False)
        sys.exit(EXIT_UNUSABLE_INPUT)
    except AlmanacError as error:
        output.err.print(str(error), markup=False)
        sys.exit(EXIT_UNUSABLE_INPUT)
    except (OperationalError, psycopg.OperationalError) as error:
        structlog.get_logger().error("Postgres unavailable", error=type(error).__name__)
        output.err.print("Postgres is unavailable. Is DATABASE_URL correct and the server running?")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
