"""Run a block of code on an engine or connection other than the configured one."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from core.db import engine
from core.db.frames import frame_cache


@contextmanager
def use_engine(other: Engine | Connection, *, everywhere: bool = False) -> Iterator[None]:
    """Use *other* for all transactions in this block, with *everywhere* in all threads, and clear the frame cache.

    Tests pass a connection that they roll back.
    """
    frame_cache.clear()
    try:
        with engine.override_engine(other, everywhere=everywhere):
            yield
    finally:
        frame_cache.clear()
