"""Run a block of code on another engine or connection than the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from core.db import engine
from core.db.frames import frame_cache


@contextmanager
def use_engine(other: Engine | Connection, *, everywhere: bool = False) -> Iterator[None]:
    """Run everything in this block on *other*; with `everywhere`, in every thread: tests roll it back at the end."""
    frame_cache.clear()
    try:
        with engine.override_engine(other, everywhere=everywhere):
            yield
    finally:
        frame_cache.clear()
