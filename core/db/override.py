"""Run a block of code on an engine or connection other than the configured one."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from core.db import engine
from core.db.data_version import newest_past
from core.db.frames import clear_frames
from core.shared_cache import shared_cache


@contextmanager
def use_engine(other: Engine | Connection, *, everywhere: bool = False) -> Iterator[None]:
    """Use *other* for all transactions in this block, with *everywhere* in all threads.

    All that is cached of another database is dropped. Tests pass a connection that they roll back.
    """
    _clear_caches()
    try:
        with engine.override_engine(other, everywhere=everywhere):
            yield
    finally:
        _clear_caches()


def _clear_caches() -> None:
    clear_frames()
    newest_past.forget()
    shared_cache.discard(lambda _: True)
