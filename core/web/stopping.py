"""Stop a web process without failed requests: say that it stops, serve on for DRAIN_SECONDS, then stop."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog

log = structlog.get_logger()
_stopping = threading.Event()


def is_stopping() -> bool:
    """Return True once this process was asked to stop: proxies send it nothing new then."""
    return _stopping.is_set()


def delay_stop(seconds: float, schedule: Callable[[float, Callable[[], None]], object]) -> None:
    """Pass a SIGTERM on to its present handler only after *seconds*; a second one at once.

    schedule  calls a function after some seconds, as `call_later` of an event loop does
    Called in the main thread, once the server has installed its own handler.
    """
    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop)

    def handle(number: int, _frame: FrameType | None) -> None:
        if _stopping.is_set():
            stop(number, None)
            return
        _stopping.set()
        log.info("web process stops", seconds=seconds)
        schedule(seconds, lambda: stop(number, None))

    signal.signal(signal.SIGTERM, handle)
