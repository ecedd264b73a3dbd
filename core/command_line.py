"""Run a command line: an expected error is one sentence on standard error and a documented exit code.

0   everything was done
1   something failed: a server is unavailable, an account could not be stored
2   the arguments, a file or a setting cannot be used; nothing was done
130 interrupted
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, NoReturn

from pydantic import ValidationError

from core import server_urls
from core.errors import AlmanacError, BadInput, first_line
from core.markup import escape_controls
from core.settings import Settings, invalid_settings, settings

if TYPE_CHECKING:
    import psycopg

EXIT_FAILED, EXIT_UNUSABLE_INPUT, EXIT_INTERRUPTED = 1, 2, 130
# Errors of Postgres that are not about one statement: sign-in, permissions, resources, shutdown, read-only server.
SERVER_SQLSTATE_PREFIXES = ("08", "25006", "28", "3D", "42501", "53", "57P")


def run(app: Callable[[], object]) -> NoReturn:
    """Run *app*, print expected errors, and exit."""
    try:
        _check_arguments(sys.argv[1:])
        app()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else EXIT_FAILED
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            code = _report_unwritable_output(error)
        elif described := describe(error):
            sentence, code = described
            print_error(sentence)
        else:
            raise
    sys.exit(_flush_output() or code)


def describe(error: BaseException) -> tuple[str, int] | None:
    """Return the sentence and the exit code of an expected error; None for a defect."""
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return "\n".join(invalid_settings(error)), EXIT_UNUSABLE_INPUT
    if isinstance(error, AlmanacError):
        return str(error), EXIT_UNUSABLE_INPUT if isinstance(error, BadInput) else EXIT_FAILED
    # Loaded with the first failure: `make run` starts the web process sooner.
    import psycopg  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    from core.db.errors import causes, server_reason, unavailable_node  # noqa: PLC0415

    for cause in causes(error):
        if isinstance(cause, psycopg.Error) and _is_about_server(cause):
            name = server_urls.database_setting()
            node = unavailable_node(cause)
            what = f"Part of Postgres is unavailable ({name}): its node {node} does not respond"
            return what if node else f"Postgres is unavailable ({name}): {server_reason(cause)}", EXIT_FAILED
        if isinstance(cause, RedisError):
            name = "REDIS_URL" if settings().redis_url else "the embedded server"
            return f"Redis or Valkey is unavailable ({name}): {first_line(cause)}", EXIT_FAILED
        if isinstance(cause, OSError) and cause.filename is not None:
            return f"{cause.filename}: {cause.strerror}", EXIT_FAILED
    return None


def print_line(line: str) -> None:
    """Print to standard output and flush, so that the line appears at once in a file too.

    When the reader has closed the pipe, as `head` does, the rest is dropped and the command goes on.
    """
    try:
        print(line, flush=True)  # noqa: T201
    except BrokenPipeError:
        discard_output(sys.stdout)


def print_error(message: str) -> None:
    try:
        print(escape_controls(message, keep="\n"), file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        discard_output(sys.stderr)


def discard_output(stream: IO[str]) -> None:
    """Send everything that is still written to *stream* to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _flush_output() -> int:
    """Write what is buffered; return an exit code other than 0 where that fails, as on a full disk."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output(sys.stdout)
    except OSError as error:
        return _report_unwritable_output(error)
    return 0


def _report_unwritable_output(error: OSError) -> int:
    discard_output(sys.stdout)
    print_error(f"Standard output cannot be written: {error.strerror}")
    return EXIT_FAILED


def _check_arguments(arguments: Sequence[str]) -> None:
    for number, argument in enumerate(arguments, 1):
        # Python decodes bytes that are not UTF-8 as lone surrogates.
        if any("\udc80" <= character <= "\udcff" for character in argument):
            raise BadInput(f"Argument {number} is not valid UTF-8")


def _is_about_server(error: "psycopg.Error") -> bool:
    from core.db.errors import is_connection_error  # noqa: PLC0415 - as above

    return is_connection_error(error) or (error.sqlstate or "").startswith(SERVER_SQLSTATE_PREFIXES)
