"""Ctrl-C while modules load: nothing can be left half done yet, so the process ends without a traceback."""

import signal
from contextlib import suppress


def end_quietly() -> None:
    """Let Ctrl-C end this process at once, unless whoever started it ignores that. For the first line of a program."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        _handle(signal.SIG_DFL)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        _handle(signal.default_int_handler)


def _handle(handler: "signal._HANDLER") -> None:
    with suppress(ValueError):  # outside of the main thread, as where a test imports a program
        signal.signal(signal.SIGINT, handler)
